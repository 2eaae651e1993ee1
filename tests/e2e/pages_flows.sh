#!/usr/bin/env bash
# In Chromium, against a mock of the API: what a person does on the web pages, and what the server is then asked.
# timeout: 300
set -eu
. "$(dirname "$0")/common.inc"
need chromium chromedriver
python3 "$AV_ROOT/tests/pages/flows_test.py"
