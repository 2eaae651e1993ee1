#!/usr/bin/env bash
# An upstream that repeats what it received does not give the agent the credential: in a body, a gzip
# body, a header, a trailer, or cut in two at any place.
# timeout: 90
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
real=$(new_canary 'k+y/=')
bearer_service echo.test TOKEN "$real"

printf '%s' "${#real}" >length
agent_python <<'PY'
import gzip, proxy_client as p
length = int(open("length").read())
out = open("seen.bin", "wb")
def take(path, headers=()):
    reply = p.request("https://echo.test" + path, headers=headers)
    assert reply.status in (200, 404, 502), reply.head
    body = reply.body
    if reply.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    out.write((reply.head + "\n").encode("latin-1") + body + "\n".join(reply.trailers).encode() + b"\n")
    return reply, body
reply, body = take("/echo")
assert b"Bearer" in body, body
take("/echo-gzip", [("Accept-Encoding", "gzip")])
take("/echo-header")
take("/trailers")
take("/bad/unasked-101")
for how in ("length", "chunked", "gzip"):
    for at in range(0, length + 8, 1 if how == "chunked" else 5):
        reply, body = take(f"/split?at={at}&as={how}", [("Accept-Encoding", "gzip")])
        assert body.startswith(b"before Bearer ") and body.endswith(b" after\n"), (how, at, body)
reply, body = take("/status/404")
PY
canary_check seen.bin
assert_eq "Bearer $real" "$(received_header authorization 0)"
