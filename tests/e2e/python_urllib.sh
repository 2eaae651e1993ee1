#!/usr/bin/env bash
# Python's urllib, with nothing configured.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"

agent_python <<'PY'
import json, urllib.request
with urllib.request.urlopen("https://echo.test/echo", data=b"ping") as reply:
    seen = json.load(reply)
assert seen["method"] == "POST" and seen["body"] == "ping", seen
try:
    urllib.request.urlopen("https://echo.test/status/418")
    raise SystemExit("418 did not arrive")
except urllib.error.HTTPError as error:
    assert error.code == 418
with urllib.request.urlopen("http://echo.test/echo") as reply:
    assert reply.status == 200
print("fine")
PY
assert_contains "$OUT/agent.out" fine
assert_eq "Bearer $real" "$(received_header authorization 0)"
assert_eq none "$(received_header authorization -1)" "cleartext"
canary_check "$AV_CASE/work" "$OUT/agent.out" "$OUT/agent.err"
