#!/usr/bin/env bash
# Server-sent events arrive one by one, each as soon as it was sent. The fake stamps them with the
# machine's monotonic clock, which the client shares.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
bearer_service echo.test TOKEN "$(new_canary)"

agent_python <<'PY'
import time, proxy_client as p
sock = p.tls(p.connect("echo.test:443"), "echo.test")
sock.sendall(p.compose("GET", "/sse?n=8&ms=100", "echo.test"))
file, late = sock.makefile("rb"), []
while len(late) < 8:
    line = file.readline()
    assert line, "the stream ended early"
    if line.startswith(b"data: "):
        late.append(time.monotonic() - float(line.split()[2]))
print("latest %.4f s" % max(late))
# An event that was held back would be late by a whole period.
assert sorted(late)[len(late) // 2] < 0.03 and max(late) < 0.09, late
PY
cat "$OUT/agent.out"
