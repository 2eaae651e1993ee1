#!/usr/bin/env bash
# In Chromium, against a mock of the API: the approve page: from the link to the decision with the keyboard alone; the link alone decides nothing.
# timeout: 200
set -eu
. "$(dirname "$0")/common.inc"
need chromium chromedriver
python3 "$AV_ROOT/tests/pages/approve_test.py"
