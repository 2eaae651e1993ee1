#!/usr/bin/env bash
# When run ends, its token and its port end with it, and the token never opens another run.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
bearer_service echo.test TOKEN "$(new_canary)"

agent -- sh -c 'printf %s "$HTTPS_PROXY" >proxy.txt; printf %s "$SSL_CERT_FILE" >bundle.txt; cat "$SSL_CERT_FILE" >bundle.pem'
old=$(cat proxy.txt)
port=${old##*:}
port=${port%/}
if curl -sS --max-time 5 --cacert bundle.pem -x "$old" https://echo.test/echo >"$OUT/x" 2>&1; then
  fail "the old proxy still answers"
fi
[ ! -e "$(cat bundle.txt)" ] || fail "the CA bundle was left behind"

cat >o.py <<'PY'
import os, sys, proxy_client as p
old = open("proxy.txt").read().split("//")[1].split(":")[0]
reply = p.request("https://echo.test/echo", auth=p.basic(old))
assert reply.status == 407, reply.head
assert p.token() != old
assert p.request("https://echo.test/echo").status == 200
PY
PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 agent -- "$AV_PYTHON" o.py
find "$TMPDIR" /tmp -maxdepth 2 -newer "$OUT/upstream.out" -user "$(id -u)" -path '*agent-vault*' | grep -v "^$AV_CASE" >"$OUT/left" || true
[ -z "$(find "$TMPDIR" -type f -o -type s)" ] || fail "left in TMPDIR: $(find "$TMPDIR" -type f -o -type s)"
