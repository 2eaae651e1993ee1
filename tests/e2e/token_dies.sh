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

# Nor does the token of one run open another run of the same agent, however many live at one time; and
# the agent's own token opens none.
av agent create builder >agent-token.txt 2>/dev/null
agent --agent builder -- sh -c 'printf %s "$HTTPS_PROXY" >proxy.txt'
start_run --agent builder -- sh -c 'printf %s "$HTTPS_PROXY" >other.txt; until [ -e stop ]; do sleep 0.02; done'
wait_for 30 test -s other.txt
cat >replay.py <<'PY'
import proxy_client as p
ended, other = (open(name).read().split("//")[1].split(":")[0] for name in ("proxy.txt", "other.txt"))
own = open("agent-token.txt").read().strip()
assert len({ended, other, own, p.token()}) == 4
for token in (ended, other, own):
    for auth in (p.basic(token), p.basic("any", token), "Bearer " + token):
        reply = p.request("https://echo.test/echo", auth=auth)
        assert (reply.status, reply.code) == (407, "proxy_authentication_required"), reply.head
assert p.request("https://echo.test/echo").status == 200
PY
PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 agent --agent builder -- "$AV_PYTHON" replay.py
touch stop
wait "$RUN_PID"
