#!/usr/bin/env bash
# WebSocket messages: placeholders become values, across fragments too; the echo is masked again; a
# foreign one ends the tunnel and is an alarm.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test second.test
real=$(new_canary)
other=$(new_canary)
set_credential TOKEN "$real"
set_credential OTHER "$other"
service_file <<'JSON'
{"services": [
  {"name": "chat", "host": "echo.test", "auth": {"type": "passthrough"},
   "substitutions": [{"key": "TOKEN", "placeholder": "__TOKEN__", "in": ["websocket"], "max_count": 4}]},
  {"name": "other", "host": "second.test", "auth": {"type": "bearer", "token": "OTHER"}, "env": {"OTHER": "OTHER"}}
]}
JSON
export REAL_LENGTH=${#real}
agent_python <<'PY'
import base64, os, struct
import proxy_client as p
import ws_client as ws

other = os.environ["OTHER"].encode()
size = int(os.environ["REAL_LENGTH"])

def fragment(opcode, payload, fin):
    data = bytearray(ws.frame(opcode, payload))
    data[0] = (0x80 if fin else 0) | opcode
    return bytes(data)

def open_socket(host):
    sock = p.tls(p.connect(host + ":443"), host)
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall((f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n").encode())
    reply = p.read_reply(sock)
    assert reply.status == 101, reply.head
    return sock

def message(sock):
    opcode, payload = ws.read_frame(sock)
    return opcode, payload

def masked(payload):
    return b"redacted" in payload or b"*" * size in payload

sock = open_socket("echo.test")
sock.sendall(ws.frame(1, b"say __TOKEN__ now"))
opcode, back = message(sock)
assert opcode == 1 and len(back) == len(b"say  now") + size and masked(back), back
sock.sendall(ws.frame(9, b"beat") + fragment(1, b'{"t": "__TO', False) + fragment(0, b'KEN__"}', True))
got = [message(sock), message(sock)]
assert (10, b"beat") in got, got
back = next(m for m in got if m[0] == 1)[1]
assert len(back) == len(b'{"t": ""}') + size and masked(back), back
large = b"x" * 300000 + b"__TOKEN__"
sock.sendall(ws.frame(1, large))
opcode, back = message(sock)
assert len(back) == 300000 + size and masked(back), len(back)
# max_count is the connection's.
sock.sendall(ws.frame(1, b"__TOKEN__"))
message(sock)
sock.sendall(ws.frame(1, b"__TOKEN__"))
try:
    closing = ws.read_frame(sock)
    assert closing[0] == 8 and struct.unpack(">H", closing[1][:2])[0] == 1008, closing
except (SystemExit, OSError):
    raise AssertionError("no reason given")

# Foreign ones, in text and in binary, whole and in fragments.
for host in ("echo.test", "second.test"):
    for frames in (ws.frame(1, b"my key: " + other), ws.frame(2, other),
                   fragment(1, other[:9], False) + fragment(0, other[9:], True)):
        sock = open_socket(host)
        sock.sendall(ws.frame(1, b"fine"))
        assert message(sock) == (1, b"fine")
        sock.sendall(frames)
        try:
            assert ws.read_frame(sock)[0] == 8
        except (SystemExit, OSError):
            pass
PY
assert_eq 0 "$(received "sum(any(n.lower() == 'sec-websocket-extensions' for n, v in x['headers']) for x in r)")" "extensions offered"
av log --json --limit 0 >log.json
assert_eq 6 "$(json log.json "sum(x.get('error') == 'placeholder_misuse' and x.get('detail') == 'placeholder of OTHER in a WebSocket message' for x in d)")"
assert_eq 1 "$(json log.json "sum(x.get('detail') == 'placeholder of TOKEN more than 4 times' for x in d)")"
canary_check "$OUT/agent.out" "$OUT/agent.err" log.json
