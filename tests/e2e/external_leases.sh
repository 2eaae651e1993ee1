#!/usr/bin/env bash
# A run that is killed cannot give its leases back. They are noted on disk, sealed, and whoever comes next gives them back:
# another run, `vault store test`, a run that has been there all the while. The control: the leases of a run that lives stay.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/external_stores.inc"
start_upstream
play lease.echo.test kv.echo.test
start_store fake_vault
control token '{"policies": ["default", "app"], "ttl": 3600}' >token.json
json token.json 'd["token"]' >token.txt
paired vault --name corp --set "url=$STORE_URL" --set-file token=token.txt
from LEASE_USER 'vault://database/creds/app#username' lease.echo.test
from KV_KEY 'vault://secret/app#api_key' kv.echo.test

alive() {
  control state >state.json
  json state.json 'len([l for l in d["leases"] if l["alive"]])'
}
leased() { # a run that has a lease, and waits; RUN_PID
  rm -f ready
  start_run -- sh -c 'curl -sS -o "$0" -w "%{http_code}" https://lease.echo.test/echo >code && touch ready && exec sleep 1000' "$OUT/echo"
  wait_for 20 test -e ready
  assert_eq 200 "$(cat code)" "$(cat "$OUT/echo" "$OUT/run.err")"
}
killed() { # PID
  kill -9 "$1"
  wait "$1" 2>/dev/null || true
}
none_alive() { [ "$(alive)" = 0 ]; }

# What is on disk while a lease is open: that there is one, and not how the store calls it.
leased
assert_eq 1 "$(alive)"
lease=$(json state.json '[l["id"] for l in d["leases"] if l["alive"]][0]')
printf '%s\n' "$lease" "$(json state.json '[l["username"] for l in d["leases"] if l["alive"]][0]')" >>"$CANARIES"
canary_check "$AGENT_VAULT_HOME"
av vault store status corp >status.txt
assert_matches status.txt '^leases +1$'

# The control: it is alive, so another run and a test leave its lease alone.
av_run -- true
av vault store test corp >test.out || fail "$(cat test.out)"
assert_eq 1 "$(alive)" 'the lease of a run that lives'

# Killed; the next run gives it back, although it asks for nothing.
killed "$RUN_PID"
assert_eq 1 "$(alive)"
av vault store status corp >status.txt
assert_matches status.txt '^leases +1, of which programs that were killed have left 1$'
start_run -- sleep 1000
other=$RUN_PID
wait_for 20 none_alive
logged() { [ "$(audited 'any(x["event"] == "store.revoke" and x.get("detail") == "left by a process that is gone" for x in r)')" = true ]; }
wait_for 10 logged
no_leases() { ! av vault store status corp | grep -q '^leases'; }
wait_for 10 no_leases
kill "$other"
wait "$other" 2>/dev/null || true

# `vault store test` does as well; and what cannot be given back now is kept for later.
leased
killed "$RUN_PID"
control mode '{"mode": "sealed"}' >/dev/null
av_run -- true
expect_exit 1 av vault store test corp
control mode '{"mode": "active"}' >/dev/null
assert_eq 1 "$(alive)"
assert_matches <(av vault store status corp) '^leases +1, of which'
"$AV_PYTHON" - "$AGENT_VAULT_HOME" <<'PY'
import glob, sqlite3, sys
# As if the five minutes were over after which it is tried again.
(path,) = [p for p in glob.glob(sys.argv[1] + "/*.db")]
with sqlite3.connect(path, timeout=10) as db:
    assert db.execute("UPDATE store_lease SET retry_ms = 1 WHERE retry_ms != 0").rowcount <= 1
PY
av vault store test corp >test.out 2>"$OUT/test.err" || fail "$(cat test.out)"
assert_contains "$OUT/test.err" 'gave back leases that killed programs have left: 1'
assert_eq 0 "$(alive)"

# Two are killed, two come at once: each lease is given back, and once.
leased
first=$RUN_PID
leased
killed "$RUN_PID"
killed "$first"
assert_eq 2 "$(alive)"
: >"$OUT/fake_vault.jsonl"
av_run -- sleep 2 &
one=$!
av_run -- sleep 2 &
two=$!
wait "$one" "$two"
assert_eq 0 "$(alive)"
assert_eq 2 "$(grep -c leases/revoke "$OUT/fake_vault.jsonl")" 'questions to the store'

# A store that is unpaired is told first.
leased
killed "$RUN_PID"
av vault credential delete KV_KEY LEASE_USER 2>/dev/null
av vault store unpair corp 2>/dev/null
assert_eq 0 "$(alive)"
canary_check "$AGENT_VAULT_HOME"
