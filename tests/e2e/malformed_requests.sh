#!/usr/bin/env bash
# Malformed requests are refused with a code and never reach the upstream, before and inside a tunnel;
# the broker goes on serving others.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"

agent_python <<'PY'
import proxy_client as p
auth = "Proxy-Authorization: " + p.own_auth() + "\r\n"
def good():
    assert p.request("https://echo.test/status/200").status == 200
def refused(name, reply, statuses):
    if reply is not None:
        assert reply.status in statuses and reply.code, (name, reply.head, reply.body)
    print(name, reply.status if reply else "closed", reply.code if reply else "")
    good()

outside = {
    "garbage": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no-version": "GET http://echo.test/echo\r\n\r\n",
    "version-3": f"GET http://echo.test/echo HTTP/3.0\r\nHost: echo.test\r\n{auth}\r\n",
    "two-hosts": f"GET http://echo.test/echo HTTP/1.1\r\nHost: echo.test\r\nHost: evil.test\r\n{auth}\r\n",
    "no-host": f"GET http://echo.test/echo HTTP/1.1\r\n{auth}\r\n",
    "connect-no-port": f"CONNECT echo.test HTTP/1.1\r\nHost: echo.test\r\n{auth}\r\n",
    "connect-user": f"CONNECT a@echo.test:443 HTTP/1.1\r\nHost: echo.test:443\r\n{auth}\r\n",
    "connect-port": f"CONNECT echo.test:99999 HTTP/1.1\r\nHost: echo.test:99999\r\n{auth}\r\n",
    "connect-nul": f"CONNECT echo.test\0.evil.test:443 HTTP/1.1\r\nHost: echo.test:443\r\n{auth}\r\n",
    "connect-unicode": f"CONNECT \u00e9cho.test:443 HTTP/1.1\r\nHost: echo.test:443\r\n{auth}\r\n",
    "host-mismatch": f"GET http://echo.test/echo HTTP/1.1\r\nHost: evil.test\r\n{auth}\r\n",
    "space-in-target": f"GET http://echo.test/a b HTTP/1.1\r\nHost: echo.test\r\n{auth}\r\n",
    "scheme": f"GET ftp://echo.test/a HTTP/1.1\r\nHost: echo.test\r\n{auth}\r\n",
    "bare-lf": f"GET http://echo.test/echo HTTP/1.1\nHost: echo.test\n\n",
}
for name, text in outside.items():
    refused("outside " + name, p.raw(text.encode("latin-1")), (400, 407, 421, 431, 505))

head = "POST /echo HTTP/1.1\r\nHost: echo.test\r\n"
inside = {
    "length-and-chunked": head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two-lengths": head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "length-list": head + "Content-Length: 5, 5\r\n\r\nhello",
    "length-plus": head + "Content-Length: +5\r\n\r\nhello",
    "length-hex": head + "Content-Length: 0x5\r\n\r\nhello",
    "length-huge": head + "Content-Length: 99999999999999999999999\r\n\r\n",
    "chunked-identity": head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "xchunked": head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked-twice": head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked-tab": head + "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked-1.0": "POST /echo HTTP/1.0\r\nHost: echo.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space-before-colon": head + "Content-Length : 5\r\n\r\nhello",
    "folded": head + "X-A: 1\r\n 2\r\n\r\n",
    "leading-space": "POST /echo HTTP/1.1\r\n Host: echo.test\r\nHost: echo.test\r\n\r\n",
    "nul-in-value": head + "X-A: a\0b\r\n\r\n",
    "cr-in-value": head + "X-A: a\rb\r\n\r\n",
    "empty-name": head + ": x\r\n\r\n",
    "no-colon": head + "Whatever\r\n\r\n",
    "bare-lf": "POST /echo HTTP/1.1\nHost: echo.test\n\n",
    "two-hosts": "GET /echo HTTP/1.1\r\nHost: echo.test\r\nHost: echo.test\r\n\r\n",
    "no-host": "GET /echo HTTP/1.1\r\n\r\n",
    "other-host": "GET /echo HTTP/1.1\r\nHost: second.test\r\n\r\n",
    "absolute-other": "GET https://second.test/echo HTTP/1.1\r\nHost: second.test\r\n\r\n",
    "dot-segments-encoded": "GET /a%2f..%2fb HTTP/1.1\r\nHost: echo.test\r\n\r\n",
    "backslash": "GET /a\\..\\b HTTP/1.1\r\nHost: echo.test\r\n\r\n",
    "fragment": "GET /a#b HTTP/1.1\r\nHost: echo.test\r\n\r\n",
    "bad-escape": "GET /%zz HTTP/1.1\r\nHost: echo.test\r\n\r\n",
    "nested-connect": "CONNECT second.test:443 HTTP/1.1\r\nHost: second.test:443\r\n\r\n",
    "method": "GE(T /echo HTTP/1.1\r\nHost: echo.test\r\n\r\n",
    "huge-field": head + "X-A: " + "a" * (1 << 20) + "\r\n\r\n",
    "many-fields": head + "X-A: a\r\n" * 10000 + "\r\n",
}
for name, text in inside.items():
    try:
        reply = p.raw_inside("echo.test", text.encode("latin-1"))
    except OSError:
        reply = None  # refused while we were still writing
    refused("inside " + name, reply, (400, 405, 413, 414, 421, 431, 501, 505))
# A broken body can only be noticed on the way: the connection ends, the request does not complete.
for name, body in (("bad-chunk-size", "zz\r\nhello\r\n0\r\n\r\n"), ("chunk-end", "5\r\nhelloXX0\r\n\r\n"),
                   ("chunk-lf", "5\nhello\n0\n\n"), ("chunk-huge", "fffffffffffffffff\r\n")):
    reply = p.raw_inside("echo.test", (head + "Transfer-Encoding: chunked\r\n\r\n" + body).encode())
    assert reply is None or reply.code or not reply.complete, (name, reply.head)
    good()
# An upgrade to anything but WebSocket may be ignored; it must not be passed on.
for token in ("h2c", "TLS/1.0", "websocket, h2c"):
    reply = p.raw_inside("echo.test", ("GET /echo?upgrade HTTP/1.1\r\nHost: echo.test\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                                       f"Upgrade: {token}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n").encode())
    assert reply.code or reply.status == 200 and b"pgrade:" not in reply.body and b"h2c" not in reply.body, reply.body
PY
assert_eq true "$(received "all(x['target'] in ('/status/200', '/echo?upgrade') or x['chunked'] for x in r)")" "nothing malformed reached the upstream"
assert_absent "$UPSTREAM_LOG" second.test
canary_check "$OUT/agent.out" "$OUT/agent.err"
