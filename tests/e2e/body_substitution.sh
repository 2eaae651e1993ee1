#!/usr/bin/env bash
# Placeholders in bodies become values in the form of the body, in one piece and streamed; lengths and
# digests are right; what cannot be rewritten is refused, what exceeds max_count is broken off.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
value="q\"uo\\te&<d> '100%' $(new_canary)"
set_credential TOKEN "$value"
service_file <<'JSON'
{"services": [
  {"name": "body", "host": "echo.test", "auth": {"type": "passthrough"},
   "substitutions": [{"key": "TOKEN", "placeholder": "__TOKEN__", "in": ["body", "header"], "max_count": 3}]}
]}
JSON
export VALUE_LENGTH=${#value}
agent_python <<'PY'
import os
import proxy_client as p

def send(body, type, headers=(), path="/echo?record"):
    return p.request("https://echo.test" + path, "POST", headers=[("Content-Type", type), *headers], body=body)

def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in pieces) + b"0\r\n\r\n"

for type in ("application/json", "application/vnd.x+json", "application/x-www-form-urlencoded",
             "text/xml", "text/plain", "multipart/form-data; boundary=b"):
    reply = send(b"[__TOKEN__]", type)
    assert reply.status == 200, (type, reply.head, reply.body)
    cut = send(chunked(b"[__TO", b"KEN_", b"_]"), type, [("Transfer-Encoding", "chunked")])
    assert cut.status == 200, (type, cut.head, cut.body)
# Digests of what the client had do not go along.
assert send(b"[__TOKEN__]", "text/plain", [("Content-MD5", "x"), ("Digest", "y"), ("X-Keep", "1")]).status == 200
# A large body: streamed, each end of it a placeholder.
big = b"__TOKEN__" + b"0123456789abcdef" * (1 << 18) + b"__TOKEN__"
assert send(big, "text/plain", path="/echo?record").status == 200
# Head and body together.
assert send(b"__TOKEN__ __TOKEN__ __TOKEN__", "text/plain").status == 200
assert send(b"__TOKEN__ __TOKEN__ __TOKEN__", "text/plain", [("X-T", "__TOKEN__")]).code == "placeholder_misuse"
assert send(b"__TOKEN__" * 4, "text/plain").code == "placeholder_misuse"
assert send(chunked(b"__TOKEN__" * 2, b"x" * 100000, b"__TOKEN__" * 2), "text/plain",
            [("Transfer-Encoding", "chunked")]).code == "placeholder_misuse"
reply = send(b"\x1f\x8b", "text/plain", [("Content-Encoding", "gzip")])
assert (reply.status, reply.code) == (415, "body_uninspectable"), reply.head
PY
# What arrived, judged by another implementation of each form.
VALUE=$value "$AV_PYTHON" - "$UPSTREAM_LOG" <<'PY'
import html, json, os, sys, urllib.parse
value = os.environ["VALUE"]
seen = [json.loads(line) for line in open(sys.argv[1])]
seen = [x for x in seen if x["event"] == "request"]
assert all("body" in x for x in seen), seen
def get(x, name):
    return next((v for n, v in x["headers"] if n.lower() == name), None)
def plain(x):
    type, body = get(x, "content-type"), x["body"]
    if "json" in type:
        return json.loads(body)[0] if body.startswith('["') else json.loads('"' + body[1:-1] + '"')
    if "urlencoded" in type:
        return urllib.parse.unquote_plus(body[1:-1])
    if "xml" in type:
        return html.unescape(body[1:-1])
    return body[1:-1]
small = [x for x in seen if x["body"].startswith("[") and get(x, "x-keep") is None]
assert len(small) == 12, len(small)
for x in small:
    assert plain(x) == value, (get(x, "content-type"), x["body"])
# In one piece it keeps a length, the right one.
assert [get(x, "content-length") == str(len(x["body"])) for x in small] == [True, False] * 6, small
digest = next(x for x in seen if get(x, "x-keep") is not None)
assert get(digest, "content-md5") is None and get(digest, "digest") is None and get(digest, "x-keep") == "1"
big = next(x for x in seen if len(x["body"]) > 1 << 20)
assert get(big, "transfer-encoding") == "chunked"
assert big["body"] == value + "0123456789abcdef" * (1 << 18) + value
assert not any("__TOKEN__" in x["body"] for x in seen)
# What was broken off never looked complete to the server.
assert not any(x["body"].count(value) > 3 for x in seen)
PY
canary_check "$OUT/agent.out" "$OUT/agent.err"
