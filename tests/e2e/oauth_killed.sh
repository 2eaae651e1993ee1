#!/usr/bin/env bash
# kill -9 at any moment of a rotation: the refresh token is stored, or the state says that a person must connect again.
# timeout: 180
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
start_idp
make_browser
idp POST /clients '{"client_id": "c", "auth": "none", "access_token_seconds": 30, "redirect_uris": ["http://127.0.0.1/callback"]}' >/dev/null

connect() {
  av oauth connect KEY --authorization-url https://idp.test/authorize --token-url https://idp.test/token --client-id c --public \
    "${RUN_OPTIONS[@]}" >"$OUT/connect" 2>&1 || fail "connect: $(cat "$OUT/connect")"
}
refresh() { av oauth refresh KEY "${RUN_OPTIONS[@]}" >"$OUT/refresh" 2>&1; }
state() {
  av oauth status KEY --json >status.json
  json status.json 'd["state"]'
}
rotated() { [ "$(idp_value /counters 'd["refreshes_total"]')" -gt 0 ]; }

# The provider has rotated, the answer is on its way, the broker dies: nobody has the new token. No grace at this provider.
connect
idp DELETE /requests >/dev/null
idp POST /next '[{"kind": "slow_after", "seconds": 5}]' >/dev/null
"$AV_BINARY" oauth refresh KEY "${RUN_OPTIONS[@]}" >"$OUT/killed" 2>&1 &
pid=$!
wait_for 30 rotated
kill -9 $pid
wait $pid 2>/dev/null || true
# The lease died with its holder: nobody waits for a clock.
started=$SECONDS
refresh && fail "a refresh token that the provider has replaced was taken"
[ $((SECONDS - started)) -lt 8 ] || fail "the dead process still held the lease"
assert_eq reconnect "$(state)"
assert_contains status.json 'cut off before its answer was stored'
connect
refresh || fail "after connecting again: $(cat "$OUT/refresh")"

# It dies before the provider has acted: the token is as good as before.
idp DELETE /requests >/dev/null
idp POST /next '[{"kind": "drop"}]' >/dev/null
refresh && fail "no answer was taken for one"
assert_eq failing "$(state)"
refresh || fail "after a lost connection: $(cat "$OUT/refresh")"
assert_eq connected "$(state)"

# At moments nobody chose.
for delay in 0.002 0.005 0.01 0.015 0.02 0.025 0.03 0.035 0.04 0.05 0.06 0.08; do
  "$AV_BINARY" oauth refresh KEY "${RUN_OPTIONS[@]}" >"$OUT/killed" 2>&1 &
  pid=$!
  sleep $delay
  kill -9 $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  if refresh; then
    assert_eq connected "$(state)" "after a kill at $delay s"
  else
    assert_eq reconnect "$(state)" "after a kill at $delay s: $(cat "$OUT/refresh")"
    connect
  fi
done

idp_canaries
canary_check
