#!/usr/bin/env bash
# Rules that look at bodies see the whole of them, however they are sent, and what they cannot see they
# do not let pass; bodies that were looked at arrive as they were.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
bearer_service echo.test TOKEN "$(new_canary)"
cat >"$OUT/rules.toml" <<'TOML'
[[rules]]
name = "no-big-model"
action = "block"
host = "echo.test/upload"
body = [{ pointer = "/model", equals = "gpt-big" }]

[[rules]]
name = "no-drop"
action = "block"
host = "echo.test/sql"
body = [{ contains = "drop table" }]
TOML
av rule add -f "$OUT/rules.toml"
agent_python <<'PY'
import gzip, hashlib, json, socket, time, zlib
import proxy_client as p

def post(path, body, headers=()):
    return p.request("https://echo.test" + path, "POST", headers=list(headers), body=body)
def outcome(path, body, headers=()):
    reply = post(path, body, headers)
    return reply.code or reply.status
def chunked(*parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in parts if c) + b"0\r\n\r\n"
BIG = b'{"model": "gpt-big"}'
SMALL = b'{"model": "gpt-small"}'
blocked = "blocked_by_policy"

# What was looked at arrives whole, by length and in chunks, also when it is long.
for body in (SMALL, b'{"model": "gpt-small", "pad": "' + b"x" * 1_000_000 + b'"}'):
    reply = post("/upload", body)
    assert reply.status == 200, reply.body
    assert reply.json["sha256"] == hashlib.sha256(body).hexdigest() and reply.json["bytes"] == len(body)
    cuts = [body[i:i + 70_001] for i in range(0, len(body), 70_001)]
    reply = p.request("https://echo.test/upload", "POST", [("Transfer-Encoding", "chunked")], chunked(*cuts))
    assert reply.json["sha256"] == hashlib.sha256(body).hexdigest()

# However it is said.
te = [("Transfer-Encoding", "chunked")]
for body, headers in (
        (BIG, ()), (chunked(*(bytes([c]) for c in BIG)), te),
        (b'\xef\xbb\xbf' + BIG, ()), (b'{"model":"gpt\\u002dbig"}', ()), (b'{"mod\\u0065l":"gpt-big"}', ()),
        (b'{"model":"x","model":"gpt-big"}', ()), (b'{"model":"gpt-big","model":"x"}', ()),
        (b'{"model":"gpt-big",}', ()), (b'/**/{"model":"gpt-big"}', ()), (b"{'model':'gpt-big'}", ()),
        (gzip.compress(BIG), [("Content-Encoding", "gzip")]), (zlib.compress(BIG), [("Content-Encoding", "deflate")]),
        (gzip.compress(gzip.compress(BIG)), [("Content-Encoding", "gzip, gzip")]),
        (BIG, [("Content-Encoding", "x-unknown")]), (gzip.compress(BIG)[:-3], [("Content-Encoding", "gzip")]),
        (gzip.compress(b" " * (2 << 20) + BIG), [("Content-Encoding", "gzip")]),
        (b" " * (1 << 20) + BIG, ()), (chunked(b" " * (1 << 20), BIG), te),
        (b'{"pad": "' + b"x" * (1 << 20) + b'", "model": "gpt-big"}', ()),
        (BIG.decode().encode("utf-16"), ()), (BIG.decode().encode("cp037"), [("Content-Type", "application/json; charset=cp037")]),
        (b"{}", [("Content-Type", "text/plain; charset=\"utf-7\"")]), (b"not json", ())):
    assert outcome("/upload", body, headers) == blocked, (body[:80], headers, outcome("/upload", body, headers))
reply = post("/upload", b" " * (1 << 20) + BIG)
assert reply.json["rule"] == "no-big-model" and "body" in reply.json["message"], reply.body
# Honest ones.
assert outcome("/upload", SMALL, [("Content-Type", "application/json; charset=UTF-8")]) == 200
assert outcome("/upload", gzip.compress(SMALL), [("Content-Encoding", "gzip")]) == 200
assert outcome("/upload", b"") == 200 and outcome("/upload", None) == 200

assert outcome("/sql", b"please drop table users") == blocked
assert outcome("/sql", b'{"q": "drop\\u0020table users"}') == blocked
assert outcome("/sql", b"q=drop+table+users") == blocked and outcome("/sql", b"q=%64rop%20table") == blocked
assert outcome("/sql", b"q=select") == 404 or outcome("/sql", b"q=select") == 200
# Elsewhere a body of any size streams.
assert outcome("/upload?x", b"x" * (3 << 20)) == blocked  # the query is not the path
assert post("/echo", b"drop table " * 10).status == 200

# A client that waits for 100 Continue gets it.
with p.tls(p.connect("echo.test:443"), "echo.test") as sock:
    head = p.compose("POST", "/upload", "echo.test", [("Expect", "100-continue"), ("Content-Length", str(len(SMALL)))])
    sock.sendall(head)
    seen = sock.recv(100)
    assert seen.startswith(b"HTTP/1.1 100"), seen
    sock.sendall(SMALL)
    reply = p.read_reply(sock)
    assert reply.status == 200 and reply.json["sha256"] == hashlib.sha256(SMALL).hexdigest(), reply.body
# Two requests on one connection, the first of which is refused after its body was read.
with p.tls(p.connect("echo.test:443"), "echo.test") as sock:
    sock.sendall(p.compose("POST", "/upload", "echo.test", (), BIG))
    assert p.read_reply(sock).code == blocked
    sock.sendall(p.compose("POST", "/upload", "echo.test", (), SMALL))
    assert p.read_reply(sock).status == 200
# One that leaves in the middle of its body.
for _ in range(20):
    sock = p.tls(p.connect("echo.test:443"), "echo.test")
    sock.sendall(p.compose("POST", "/upload", "echo.test", [("Content-Length", "100000")], b"half"))
    sock.close()
# What a WebSocket will say is not known.
reply = p.request("https://echo.test/upload", headers=[("Connection", "Upgrade"), ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")])
assert reply.code == blocked, reply.head
PY
assert_eq 0 "$(received 'sum(x["target"].startswith("/sql") and x.get("body_length") != 8 for x in r)')" "what should not have passed"
assert_eq none "$(audited 'next((x["credentials"] for x in r if x.get("error") == "blocked_by_policy" and x.get("credentials")), "none")')" \
  "credentials of blocked requests"
