#!/usr/bin/env bash
# An access token is replaced before it ends: once, however many brokers and requests want it, and whatever the
# provider does meanwhile. The refresh token is never lost without a word.
# timeout: 180
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
start_idp
make_browser

# connect KEY SECONDS [CLIENT-FIELDS]: a credential whose access tokens live that long, and a service of its own path
connect() {
  idp POST /clients "{\"client_id\": \"c-$1\", \"auth\": \"none\", \"access_token_seconds\": $2, \"redirect_uris\": [\"http://127.0.0.1/callback\"]${3:+, $3}}" >/dev/null
  av oauth connect "$1" --authorization-url https://idp.test/authorize --token-url https://idp.test/token --client-id "c-$1" \
    --public "${RUN_OPTIONS[@]}" >"$OUT/connect" 2>&1 || fail "connect $1: $(cat "$OUT/connect")"
  av vault service add --name "${1,,}" --host "idp.test/api/$1/*" --auth-type bearer --token-key "$1" 2>"$OUT/service" || fail "$(cat "$OUT/service")"
}
refreshes() { idp_value /counters 'd["refreshes_total"]'; }
api() { curl -sS -o "$OUT/answer" -w '%{http_code}' "https://idp.test/api/$1/x"; }
export -f api
export OUT

# Three brokers, 51 requests at once, a token that has ended: one refresh.
connect MANY 3
idp POST /clients '{"client_id": "c-MANY", "auth": "none", "redirect_uris": ["http://127.0.0.1/callback"]}' >/dev/null
cat >many.py <<'PY'
import concurrent.futures, sys, time, proxy_client as p
open(f"ready.{sys.argv[1]}", "w").close()
while True:
    try:
        open("go").close()
        break
    except FileNotFoundError:
        time.sleep(0.01)
with concurrent.futures.ThreadPoolExecutor(17) as pool:
    statuses = list(pool.map(lambda _: p.request("https://idp.test/api/MANY/x").status, range(17)))
assert statuses == [200] * 17, statuses
PY
export PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1
pids=()
for broker in 1 2 3; do
  av_run -- "$AV_PYTHON" "$PWD/many.py" $broker >"$OUT/many.$broker" 2>&1 &
  pids+=($!)
done
for broker in 1 2 3; do wait_for 30 test -e ready.$broker; done
sleep 3
touch go
for pid in "${pids[@]}"; do wait "$pid" || fail "a broker failed: $(cat "$OUT"/many.*)"; done
assert_eq 1 "$(refreshes)" "refreshes of 51 requests over three brokers"
assert_eq 0 "$(idp_value /counters 'd["reuse_detections"]')" "reuse detections"
av log --json >log.json
grep -c '"oauth.refresh"' log.json >/dev/null || fail "the refresh is not on the log"

# The old one is used while it is good and the provider is not; once it has ended the agent is told.
connect WEAK 4
idp POST /next '[{"kind": "status", "status": 503, "count": 50}]' >/dev/null
sleep 3.2
agent -- bash -c 'api WEAK'
assert_eq 200 "$(cat "$OUT/agent.out")" "with a good token and a provider that cannot"
av oauth status WEAK --json >status.json
assert_eq "('failing', 1)" "$(json status.json 'd["state"], d["failures"]')"
idp DELETE /next >/dev/null
av oauth refresh WEAK "${RUN_OPTIONS[@]}" 2>"$OUT/refresh" || fail "$(cat "$OUT/refresh")"
assert_eq "('connected', 0)" "$(av oauth status WEAK --json >status.json; json status.json 'd["state"], d["failures"]')"

connect ENDED 1
idp POST /next '[{"kind": "html", "count": 9}]' >/dev/null
sleep 1.2
agent -- bash -c 'api ENDED; cat "$OUT/answer"'
assert_contains "$OUT/agent.out" oauth_refresh_failed
idp DELETE /next >/dev/null

# What providers do: each refused for what it is, and the next attempt works. Where the refresh token came in an answer
# that is no good otherwise, the one before is void from then on: this provider has no patience with it.
connect ODD 100
for fault in '{"kind": "error_200"}' '{"kind": "garbage"}' '{"kind": "huge", "mib": 2}' '{"kind": "redirect_loop"}' \
  '{"kind": "missing_access_token"}' '{"kind": "token_value", "value": "crlf"}' '{"kind": "content_type"}' '{"kind": "status", "status": 500}' \
  '{"kind": "token_type", "value": "mac"}' '{"kind": "truncated"}'; do
  case $fault in *missing_access* | *token_value* | *token_type* | *truncated*) after=1 ;; *) after=0 ;; esac
  case $fault in *missing_access* | *token_type*) grace= ;; *) grace='"refresh_grace_seconds": 30' ;; esac
  connect ODD 100 "$grace"
  reused=$(idp_value /counters 'd["reuse_detections"]')
  idp POST /next "[$fault]" >/dev/null
  if av oauth refresh ODD "${RUN_OPTIONS[@]}" 2>"$OUT/odd"; then
    case $fault in *content_type*) ;; *) fail "taken for an answer: $fault: $(cat "$OUT/odd")" ;; esac
  fi
  idp DELETE /next >/dev/null
  av oauth refresh ODD "${RUN_OPTIONS[@]}" 2>"$OUT/odd" || fail "after $fault: $(cat "$OUT/odd")"
  [ -n "$grace" ] || assert_eq "$reused" "$(idp_value /counters 'd["reuse_detections"]')" "the void token was used after $fault"
done

# No expires_in: used until a server says 401, then refreshed by force, once, and the request repeated.
connect SILENT 3600 '"expires_in": "omit"'
agent -- bash -c 'api SILENT'
before=$(refreshes)
idp POST /expire '{}' >/dev/null
# Younger than a minute it is not replaced by force: whoever makes a server say 401 could have tokens made at will.
agent -- bash -c 'api SILENT'
assert_eq 401 "$(cat "$OUT/agent.out")" "a rejected token that is fresh"
assert_eq "$before" "$(refreshes)" "refreshes of a fresh token"

# The provider takes the refresh token no more: said so, with what to do.
connect VOID 1
idp POST /revoke '{}' >/dev/null
sleep 1.2
agent -- bash -c 'api VOID; cat "$OUT/answer"'
assert_contains "$OUT/agent.out" oauth_reconnect_required
assert_contains "$OUT/agent.out" 'agent-vault oauth connect VOID'
assert_eq reconnect "$(av oauth status VOID --json >status.json; json status.json 'd["state"]')"
av oauth connect VOID "${RUN_OPTIONS[@]}" >"$OUT/again" 2>&1 || fail "$(cat "$OUT/again")"
agent -- bash -c 'api VOID'
assert_eq 200 "$(cat "$OUT/agent.out")" "after connecting it again"

idp_canaries
canary_check
