#!/usr/bin/env bash
# In Chromium, against a mock of the API: what agents write stays text on the web pages; their policy is never broken and nothing is asked elsewhere.
# timeout: 300
set -eu
. "$(dirname "$0")/common.inc"
need chromium chromedriver
python3 "$AV_ROOT/tests/pages/hostile_test.py"
