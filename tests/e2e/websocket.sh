#!/usr/bin/env bash
# A WebSocket: the credential goes into the handshake, then the tunnel carries frames of every length.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"

agent -- "$AV_PYTHON" "$SUPPORT/ws_client.py" wss://echo.test/ws hello '' bytes:125 bytes:126 bytes:65535 bytes:65536 bytes:1000000
assert_contains "$OUT/agent.out" 'HTTP/1.1 101'
assert_contains "$OUT/agent.out" 'Sec-WebSocket-Protocol: chat'
assert_contains "$OUT/agent.out" 'echoed 1000000'
assert_contains "$OUT/agent.out" closed
assert_eq "Bearer $real" "$(received_header authorization)"
assert_eq websocket "$(received_header upgrade)"
canary_check "$OUT/agent.out" "$OUT/agent.err"

# An upgrade that the server refuses is an ordinary response.
agent_python <<'PY'
import proxy_client as p
reply = p.request("https://echo.test/status/403", headers=[
    ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")])
assert reply.status == 403 and reply.code is None, reply.head
PY
