#!/usr/bin/env bash
# In Chromium, against a mock of the API: every view of the web pages in light, dark and on a phone: names, contrast, focus, no sideways scrolling.
# timeout: 400
set -eu
. "$(dirname "$0")/common.inc"
need chromium chromedriver
python3 "$AV_ROOT/tests/pages/views_test.py"
