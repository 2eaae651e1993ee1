#!/usr/bin/env bash
# An upload that the upstream does not want, or that stops half-way: the agent gets an answer at once
# and does not wait for its own next byte; a client that leaves takes its upstream request along.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"
av vault service add --name nobody --host nobody.test --auth-type bearer --token-key TOKEN >/dev/null
RUN_OPTIONS+=(--resolve nobody.test:443:127.0.0.1:9)

agent_python --header-timeout 3 <<'PY'
import json, time
import proxy_client as p

def half(host, target):
    """Sends a head and one chunk of a body that never ends; the reply and how long it took."""
    sock = p.tls(p.connect(host + ":443"), host)
    sock.settimeout(20)
    started = time.monotonic()
    sock.sendall((f"POST {target} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "5\r\nhello\r\n").encode())
    reply = p.read_reply(sock)
    return reply, time.monotonic() - started

reply, took = half("echo.test", "/early-413")
assert reply.status == 413 and took < 5, (reply.head, took)
reply, took = half("echo.test", "/upload")
assert reply.status == 504 and json.loads(reply.body)["error"] == "upstream_timeout", reply.head
assert took < 15, took
reply, took = half("nobody.test", "/")
assert reply.status == 502 and json.loads(reply.body)["error"] == "connect_refused", reply.head

# Leaves while the upstream thinks; the broker serves on, and does not keep the request alive.
sock = p.tls(p.connect("echo.test:443"), "echo.test")
sock.sendall(p.compose("GET", "/stall-head", "echo.test"))
time.sleep(0.3)
sock.close()
assert p.request("https://echo.test/echo").status == 200
PY
