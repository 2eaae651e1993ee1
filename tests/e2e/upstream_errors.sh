#!/usr/bin/env bash
# Everything that can go wrong on the way to the upstream is an answer with a code of its own; the
# broker serves the others meanwhile and afterwards.
# timeout: 90
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test expired.test wronghost.test untrusted.test
closed=$("$AV_PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
RUN_OPTIONS+=(--resolve "refused.test:443:127.0.0.1:$closed")
bearer_service echo.test TOKEN "$(new_canary)"

agent_python --header-timeout 2 <<'PY'
import ssl
import proxy_client as p
def good():
    assert p.request("https://echo.test/echo").status == 200
codes = {}
def bad(name, url, status):
    reply = p.request(url)
    assert reply.status == status, (name, reply.head, reply.body)
    assert reply.code, (name, "no code", reply.head)
    for key in ("error", "message"):
        assert isinstance(reply.json[key], str), (name, reply.body)
    codes[name] = reply.code
    good()
good()
bad("dns", "https://no-such-host.invalid/", 502)
bad("refused", "https://refused.test/", 502)
bad("expired", "https://expired.test/echo", 502)
bad("wronghost", "https://wronghost.test/echo", 502)
bad("untrusted", "https://untrusted.test/echo", 502)
bad("stall", "https://echo.test/stall-head", 504)
bad("reset", "https://echo.test/reset", 502)
for kind in ("two-lengths", "length-list", "length-and-chunked", "negative-length", "unknown-coding",
             "coding-after-chunked", "huge-head", "bare-lf", "nul-in-head", "bare-cr",
             "space-before-colon", "folded", "bad-status-line", "bad-status-code", "not-http", "empty",
             "unasked-101"):
    bad("bad/" + kind, "https://echo.test/bad/" + kind, 502)
# What goes wrong after the head has been forwarded must at least not look complete.
for kind in ("bad-chunk-size", "bad-chunk-end", "short-body", "cut-chunk"):
    try:
        reply = p.request("https://echo.test/bad/" + kind)
    except EOFError:
        good()
        continue
    assert reply.status == 502 and reply.code or not reply.complete, (kind, reply.head, reply.body)
    good()
reply = p.request("https://echo.test/reset?after=1000")
assert not reply.complete or reply.code, reply.head
good()
# A body that ends with the connection is as complete for the client as it was for us.
for cut in (0, 1):
    sock = p.tls(p.connect("echo.test:443"), "echo.test", strict_end=True)
    sock.sendall(p.compose("GET", f"/close-delimited?cut={cut}", "echo.test"))
    data, orderly = b"", True
    try:
        while part := sock.recv(4096):
            data += part
    except ssl.SSLError as error:
        assert "EOF" in str(error), error
        orderly = False
    assert data.endswith(b"until the end\n") and orderly == (cut == 0), (cut, orderly, data)
good()
for name, code in codes.items():
    print(name, code)
transport = [codes[n] for n in ("dns", "refused", "stall", "reset")] + [codes["bad/two-lengths"]]
assert len(set(transport)) == len(transport), transport
assert codes["expired"] not in transport, codes
PY
cat "$OUT/agent.out"
