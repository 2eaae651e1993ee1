#!/usr/bin/env bash
# A child of `run` tries to get past a block: other spellings of the path, the host, the method. Each
# attempt is refused, and nothing of it reaches the server. The control: with the rule switched off the same
# requests arrive, and the laxest of servers reads each as the one that is blocked.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test sub.echo.test
bearer_service echo.test TOKEN "$(new_canary)"
av rule add block 'echo.test/admin/keys' --name keys >/dev/null 2>&1
av rule add block 'echo.test/v1/item:delete' --name custom >/dev/null 2>&1
av rule add block 'echo.test/files/*' --method GET --name files >/dev/null 2>&1

cat >"$OUT/attack.py" <<'PY'
import sys
import proxy_client as p
expect = sys.argv[1]
paths = [
    "/admin/keys", "/Admin/Keys", "/ADMIN/keys", "/admin//keys", "/admin///keys", "/admin/keys/", "/admin/keys//",
    "/admin/./keys", "/x/../admin/keys", "/x/%2e%2e/admin/keys", "/%61dmin/keys", "/admin%2Fkeys", "/admin%2fkeys",
    "/admin/%6Beys", "/admin/keys;v=1", "/admin;a=b/keys", "/admin;/keys;", "/admin/keys%3Bv=1", "/admin%252Fkeys",
    "/%2561dmin/keys", "/admin/keys?x=1", "/admin/keys?", "/admin%2F%2Fkeys", "/Admin;x%2FKEYS", "/admin/%C1%ABeys",
    "/admin%C0%AFkeys", "/admin%E0%80%AFkeys", "/admin%F0%80%80%AFkeys", "/admin/%E0%81%ABeys", "/admin/keys.",
    "/admin./keys", "/admin/keys%20", "/admin%20/keys...", "/admin/keys%3Fx", "/admin/keys%23x", "/admin/keys%253Fx",
]
def ask(method, host, target, tls_name="echo.test", port=443):
    sock = p.tls(p.connect(f"{host}:{port}"), tls_name)
    with sock:
        sock.sendall(p.compose(method, target, host if port == 443 else f"{host}:{port}"))
        return p.read_reply(sock, method)
bad = 0
def judge(what, reply):
    global bad
    got = reply.code or "passed"  # whatever the server makes of it
    if got != expect:
        print("BAD", what, reply.status, got)
        bad = 1
for path in paths:
    judge(path, ask("POST", "echo.test", path))
for host in ("ECHO.test", "echo.TEST", "echo.test."):
    judge(host, ask("POST", host, "/admin/keys"))
judge("http", p.request("http://echo.test/admin/keys", method="POST"))
for path in ("/v1/item:delete", "/v1/item%3Adelete", "/v1/item%3adelete", "/v1/Item%253ADelete"):
    judge(path, ask("POST", "echo.test", path))
judge("GET", ask("GET", "echo.test", "/files/x"))
head = ask("HEAD", "echo.test", "/files/x")
if (head.status == 403) != (expect != "passed"):
    print("BAD HEAD", head.status)
    bad = 1
sys.exit(bad)
PY
attack() { # blocked_by_policy | passed
  cp "$OUT/attack.py" "$AV_CASE/work/attack.py"
  PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 agent -- "$AV_PYTHON" "$AV_CASE/work/attack.py" "$1" ||
    fail "the attack should have been: $1"
}
attack blocked_by_policy
assert_eq 0 "$(received 'len(r)')" "requests that reached the server"

# What is near and not the same is not blocked.
agent_python <<'PY'
import proxy_client as p
for method, path in (("POST", "/admin/keys2"), ("POST", "/admin"), ("POST", "/x/admin/keys"), ("POST", "/files/x"),
                     ("POST", "/v1/item")):
    reply = p.request("https://echo.test" + path, method=method)
    assert reply.code is None, (path, reply.status, reply.body)
PY
: >"$UPSTREAM_LOG"

for name in keys custom files; do
  av rule disable $name >/dev/null 2>&1
done
attack passed
"$AV_PYTHON" - "$UPSTREAM_LOG" <<'PY' || fail "the control proves nothing"
import json, re, sys, urllib.parse
requests = [r for r in map(json.loads, open(sys.argv[1])) if r["event"] == "request"]
def lax(target):  # as the laxest of servers reads it
    found = set()
    for drop_first in (True, False):
        path = target.split("?")[0]
        for _ in range(3):
            path = re.sub(r";[^/]*", "", path) if drop_first else path
            raw = urllib.parse.unquote_to_bytes(path)
            raw = re.sub(rb"(?:[\xc0\xc1]|(?:\xe0|\xf0\x80)[\x80\x81])[\x80-\xbf]",
                     lambda m: bytes([(m[0][-2] & 1) << 6 | m[0][-1] & 0x3f]), raw)
            path = raw.decode("latin-1")
        path = re.sub(r"[. ]+(?=/|$)", "", re.sub(r"[?#].*", "", re.sub(r";[^/]*", "", path)))
        found.add(re.sub("/+", "/", path).rstrip("/").lower())
    return found
meant = {"/admin/keys", "/v1/item:delete", "/files/x"}
strays = [r["target"] for r in requests if not lax(r["target"].split("echo.test")[-1]) & meant]
if strays or len(requests) < 35:
    print(len(requests), strays)
    sys.exit(1)
PY

# Another method than the one that is judged, for servers that take it from somewhere else: from a field, the query,
# or a form. There is no service for this host, so nothing but the rule is in the way.
: >"$UPSTREAM_LOG"
av rule add block 'sub.echo.test/*' --method DELETE --name nodelete >/dev/null 2>&1
cat >"$OUT/methods.py" <<'PY'
import sys
import proxy_client as p
blocked = sys.argv[1] == "blocked"
part = '--b\r\nContent-Disposition: form-data; name="_method"\r\n\r\nDELETE\r\n--b--\r\n'
form = [("Content-Type", "application/x-www-form-urlencoded")]
tries = [("?_method=DELETE", [], b""), ("?a=b&%5Fmethod=delete", [], b""), ("", form, b"a=1&_method=DELETE"),
         ("", [], b"_method=DELETE"), ("", [("Content-Type", "multipart/form-data; boundary=b")], part.encode())]
bad = []
for query, headers, body in tries:
    reply = p.request("https://sub.echo.test/echo" + query, method="POST", headers=headers, body=body)
    if (reply.code == "blocked_by_policy") != blocked:
        bad.append((query, body, reply.status, reply.code))
fields = ["X-HTTP-Method-Override", "HTTP-Method-Override", "X-Method-Override", "X_HTTP_Method", "X-Original-Method",
          "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri"]
for name in fields:
    reply = p.request("https://sub.echo.test/echo", method="POST", headers=[(name, "DELETE")], body=b"x")
    there = name.lower() in [n.lower() for n, _ in reply.json["headers"]]
    if reply.status != 200 or there == blocked:
        bad.append((name, reply.status, there))
plain = p.request("https://sub.echo.test/echo?q=_method", method="POST", headers=form, body=b"method=DELETE")
if plain.status != 200:
    bad.append(("plain", plain.status))
if bad:
    sys.exit(str(bad))
PY
methods() { # blocked | passed
  cp "$OUT/methods.py" "$AV_CASE/work/methods.py"
  PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 agent -- "$AV_PYTHON" "$AV_CASE/work/methods.py" "$1" ||
    fail "other methods should have been: $1"
}
methods blocked
av rule disable nodelete >/dev/null 2>&1
methods passed
