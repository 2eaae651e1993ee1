#!/usr/bin/env bash
# What HashiCorp Vault keeps is had when a request needs it, and is nowhere else: static values, leases, hosts that are
# mapped; an outage, a token that is revoked, malformed answers and a sealed server are the trouble of that host alone.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/external_stores.inc"
start_upstream
play kv.echo.test lease.echo.test mapped.echo.test plain.echo.test broken.echo.test
start_store fake_vault
control secrets >"$OUT/secrets"

# Paired with a token from a file; a wrong one is not kept.
printf 'wrong-token' >bad.txt
expect_exit 3 av vault store list --vault nobody
expect_exit 4 av vault store pair vault --set "url=$STORE_URL" --set-file token=bad.txt
assert_error
expect_exit 4 av vault store pair vault --set "url=$STORE_URL" --set-file token=bad.txt --set allow_net=127.0.0.1/32
assert_error
av vault store list --json >list.json
assert_eq '[]' "$(json list.json 'd["stores"]')"
expect_exit 2 av vault store pair vault --set "url=$STORE_URL" --set token=root-token
assert_error 'does not belong on a command line'
control token '{"policies": ["default", "app"], "ttl": 3600}' >token.json
json token.json 'd["token"]' >token.txt
json token.json 'd["token"]' >>"$CANARIES"
printf 'sk-vault-app\nkv1-token\n' >>"$CANARIES"
paired vault --name corp --set "url=$STORE_URL" --set-file token=token.txt

# A credential that is kept there; a host that is mapped; a lease of a database.
from KV_KEY 'vault://secret/app#api_key' kv.echo.test
from LEASE_USER 'vault://database/creds/app#username' lease.echo.test
av vault store map mapped.echo.test 'vault://kv1/app#token' 2>/dev/null
av vault store test >test.out || fail "$(cat test.out)"
assert_matches test.out 'corp +KV_KEY +ok'
assert_matches test.out 'corp +mapped.echo.test +ok'
control state >state.json
assert_eq 0 "$(json state.json 'len([l for l in d["leases"] if l["alive"]])')" "leases that a test leaves behind"

agent_python <<'PY'
import proxy_client as p
for _ in range(3):
    for host in ("kv", "mapped", "plain"):
        answer = p.request(f"https://{host}.echo.test/echo")
        assert answer.status == 200, (host, answer.body)
lease = p.request("https://lease.echo.test/echo")
assert lease.status == 200, lease.body
PY
received '[v for x in r for n, v in x["headers"] if n.lower() == "authorization"]' >sent.json
assert_contains sent.json 'Bearer sk-vault-app'
assert_contains sent.json 'Bearer kv1-token'
assert_contains sent.json 'Bearer v-'
# Once each, however many requests; the lease was given back when the run ended.
"$AV_PYTHON" - "$OUT/fake_vault.jsonl" >reads.txt <<'PY'
import collections, json, sys
print(dict(collections.Counter(r["path"] for line in open(sys.argv[1]) for r in [json.loads(line)] if "/creds/" in r["path"] or "data/app" in r["path"])))
PY
control state >state.json
assert_eq 0 "$(json state.json 'len([l for l in d["leases"] if l["alive"]])')" "leases after the run: $(cat reads.txt) $(cat state.json)"
audited '[x["event"] for x in r if x["event"].startswith("store.")]' >events.txt
assert_contains events.txt store.pair
assert_contains events.txt store.revoke

# Nothing of it is on disk, in the log, or in what the child has.
agent -- sh -c 'env; cat "$AGENT_VAULT_HOME"/* 2>/dev/null; true'
canary_check "$AGENT_VAULT_HOME" "$OUT/agent.out" "$OUT/audit.jsonl" "$HOME"
expect_exit 1 av vault credential get KV_KEY
assert_error 'is kept in the external store'
av vault store read KV_KEY >value.txt
assert_eq sk-vault-app "$(cat value.txt)"
rm value.txt
# The agent cannot ask for it.
av_run -- "$AV_BINARY" vault store read KV_KEY >"$OUT/stdout" 2>"$OUT/stderr" && fail 'a child of run reads a value'
assert_absent "$OUT/stdout" sk-vault-app
av_run -- "$AV_BINARY" vault store pair vault --name evil >"$OUT/stdout" 2>"$OUT/stderr" && fail 'a child of run pairs a store'

# Trouble is that host's alone, each kind with a code of its own; the store's words stay with the owner.
trouble() { # CODE [STATUS]
  agent_python <<PY
import json, proxy_client as p
bad = p.request("https://kv.echo.test/echo")
answer = json.loads(bad.body)
assert answer["error"] == "$1", answer
assert bad.status == ${2:-502}, bad.status
assert "sk-vault" not in str(answer)
assert p.request("https://plain.echo.test/echo").status == 200
PY
}
control faults '{"kind": "status", "status": 500, "times": 50}' >/dev/null
trouble external_store_unreachable
curl -sS -X DELETE "$STORE_URL/_control/faults" >/dev/null
control faults '{"kind": "malformed", "times": 50, "match": "data/app"}' >/dev/null
trouble external_store_malformed
curl -sS -X DELETE "$STORE_URL/_control/faults" >/dev/null
control faults '{"kind": "huge", "times": 50, "match": "data/app"}' >/dev/null
trouble external_store_malformed
curl -sS -X DELETE "$STORE_URL/_control/faults" >/dev/null
control kv '{"mount": "secret/", "path": "app", "delete": [1]}' >/dev/null
trouble external_store_not_found
av vault store status corp >status.txt
assert_contains status.txt 'not there any more'
control kv '{"mount": "secret/", "path": "app", "undelete": [1]}' >/dev/null
control mode '{"mode": "sealed"}' >/dev/null
trouble external_store_locked 503
control mode '{"mode": "active"}' >/dev/null
control revoke "{\"token\": \"$(cat token.txt)\"}" >/dev/null
trouble external_store_denied
expect_exit 1 av vault store test corp
assert_contains "$OUT/stdout" 'failed'

# Paired anew, the running broker goes on with the new token within a second.
control token '{"policies": ["default", "app"], "ttl": 3600}' >token.json
json token.json 'd["token"]' >token.txt
json token.json 'd["token"]' >>"$CANARIES"
start_run -- sh -c 'until [ -e go ]; do sleep 0.05; done; curl -sS -o "$0" -w "%{http_code}" https://kv.echo.test/echo' "$OUT/late"
paired vault --name corp --set "url=$STORE_URL" --set-file token=token.txt
sleep 0.5
touch go
wait "$RUN_PID" || fail "$(cat "$OUT/run.err")"
assert_eq 200 "$(cat "$OUT/run.out")"
canary_check "$AGENT_VAULT_HOME"

# What is referred to is not forgotten; then it is.
expect_exit 5 av vault store unpair corp
assert_error 'is kept in'
av vault credential delete KV_KEY LEASE_USER 2>/dev/null
av vault store unmap mapped.echo.test 2>/dev/null
av vault store unpair corp 2>/dev/null
expect_exit 3 av vault store status corp
