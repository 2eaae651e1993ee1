#!/usr/bin/env bash
# Python's requests, with nothing configured: a session, a streamed body, a streamed download.
set -eu
. "$(dirname "$0")/common.inc"
"$AV_PYTHON" -c 'import requests' 2>/dev/null || skip "python3-requests is not installed"
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"

agent_python <<'PY'
import hashlib, requests
session = requests.Session()
seen = session.post("https://echo.test/echo", json={"a": 1}).json()
assert seen["body"] == '{"a": 1}', seen
def pieces():
    for i in range(50):
        yield bytes([i]) * 1000
answer = session.post("https://echo.test/upload", data=pieces()).json()
whole = b"".join(pieces())
assert answer == {"bytes": 50000, "sha256": hashlib.sha256(whole).hexdigest(), "chunked": True}, answer
with session.get("https://echo.test/download?bytes=1000000", stream=True) as reply:
    assert sum(len(part) for part in reply.iter_content(4096)) == 1000000
print("fine")
PY
assert_contains "$OUT/agent.out" fine
assert_eq true "$(received "all(['Authorization', 'Bearer $real'] in x['headers'] for x in r)")"
canary_check "$AV_CASE/work" "$OUT/agent.out" "$OUT/agent.err"
