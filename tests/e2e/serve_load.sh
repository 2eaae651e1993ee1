#!/usr/bin/env bash
# Many agents at one serve: none is starved, memory is bounded, and a server that is killed under load has lost no write
# that it said was done. LOAD_AGENTS=500 LOAD_SECONDS=60 for the long form.
# timeout: 120 + LOAD_SECONDS
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
. "$(dirname "$0")/serve_people.inc"
AGENTS=${LOAD_AGENTS:-40}
SECONDS_OF_LOAD=${LOAD_SECONDS:-4}
ulimit -n "$(ulimit -Hn)"
start_upstream
play echo.test
value=$(new_canary)
bearer_service echo.test TOKEN "$value"
av ca show >"$OUT/ca.pem"
printf 'correct horse battery' | av user add ann@example.com --owner --password-stdin >/dev/null 2>&1

api() { # METHOD PATH [JSON] -> body; fails unless 2xx. PATIENCE: seconds in which a 429 is asked again
  curl -sS --fail -m "${PATIENCE:-20}" ${PATIENCE:+--retry 60} -X "$1" -H 'Content-Type: application/json' -H "Authorization: Bearer $SESSION" ${3+--data-binary "$3"} "$API$2"
}
rss_kib() { awk '/^VmRSS/ {print $2}' "/proc/$SERVE/status"; }
api_session() {
  curl -sS --fail -m 20 -H 'Content-Type: application/json' --data '{"email":"ann@example.com","password":"correct horse battery"}' \
    "$API/v1/auth/login" >"$OUT/login.json"
  SESSION=$(json "$OUT/login.json" 'd["token"]')
}

start_serve
api_session
: >tokens.txt
for i in $(seq "$AGENTS"); do
  PATIENCE=120 api POST /v1/agents "{\"name\":\"load-$i\",\"vaults\":[{\"vault_name\":\"default\"}]}" >"$OUT/agent.json"
  json "$OUT/agent.json" 'd.get("av_agent_token") or d.get("token") or d["agent_token"]' >>tokens.txt
done
before=$(rss_kib)
"$AV_PYTHON" "$SUPPORT/load_agents.py" --proxy "$PROXY" --ca "$OUT/ca.pem" --tokens tokens.txt --host echo.test \
  --seconds "$SECONDS_OF_LOAD" >"$OUT/load.json" 2>"$OUT/load.err" || fail "load: $(cat "$OUT/load.json" "$OUT/load.err" | head -c 1000)"
after=$(rss_kib)
echo "$(cat "$OUT/load.json") rss $before -> $after KiB"
[ "$(json "$OUT/load.json" 'd["least"]')" -gt 0 ] || fail "an agent was starved: $(cat "$OUT/load.json")"
assert_eq '{}' "$(json "$OUT/load.json" 'd["failed"]')" "requests that failed"
# 100 KiB for an agent with a connection on both sides, beside 30 MiB.
[ $((after - before)) -lt $((30720 + AGENTS * 100)) ] || fail "memory grew from $before to $after KiB"
canary_check "$OUT/load.json"

# Killed while it writes: what was acknowledged is there.
"$AV_PYTHON" "$SUPPORT/load_agents.py" --proxy "$PROXY" --ca "$OUT/ca.pem" --tokens tokens.txt --host echo.test --seconds 3 \
  >"$OUT/load2.json" 2>&1 &
load=$!
: >acknowledged.txt
(
  i=0
  while api POST /v1/credentials "{\"credentials\":{\"WRITE_$i\":\"value-$i\"}}" >/dev/null 2>&1; do
    echo "WRITE_$i" >>acknowledged.txt
    i=$((i + 1))
  done
) &
writer=$!
wait_for 30 grep -q WRITE_8 acknowledged.txt
kill -9 "$SERVE"
wait "$SERVE" 2>/dev/null || true
wait "$writer" || true
start_serve
av vault credential list >"$OUT/list.txt"
while read -r key; do
  grep -q "^$key " "$OUT/list.txt" || fail "$key was acknowledged and is lost"
done <acknowledged.txt
wait "$load" || true
kill -TERM "$SERVE"
wait "$SERVE" || fail "serve did not end in order: $(cat "$OUT/serve.err")"
av audit verify >"$OUT/verify" 2>&1 || fail "the log after it: $(cat "$OUT/verify")"
