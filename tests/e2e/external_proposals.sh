#!/usr/bin/env bash
# Where the value of a proposed credential is kept is the reviewer's to say: an agent may write a reference as text, which decides
# nothing. At a server an admin may say it, and a member may not.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/external_stores.inc"
. "$(dirname "$0")/serve_people.inc"
start_upstream
play kv.echo.test
start_store fake_vault
printf 'sk-vault-app\nkv1-token\n' >>"$CANARIES"
printf 'root-token' >token.txt
paired vault --name corp --set "url=$STORE_URL" --set-file token=token.txt
file() { printf '%s' "$1" | av proposal create - >/dev/null 2>"$OUT/file.err" || fail "$(cat "$OUT/file.err")"; }
asks() { # KEY HOST
  printf '{"services":[{"name":"%s","host":"%s","auth":{"type":"bearer","token":"%s"}}],"credentials":[{"key":"%s",
    "obtain_instructions":"it is vault://kv1/app#token in corp"}]}' "$(printf '%s' "$1" | tr 'A-Z_' 'a-z-')" "$2" "$1" "$1"
}

# What the agent wrote is shown, and is not done: without a word of the reviewer there is no value.
file "$(asks KV_KEY kv.echo.test)"
av proposal show 1 >show.txt
assert_contains show.txt 'vault://kv1/app#token'
expect_exit 2 av proposal approve 1 </dev/null
assert_error 'no value for KV_KEY'

# What is no reference may be a value in the wrong place: it is not repeated.
expect_exit 2 av proposal approve 1 --from KV_KEY=sk-typed-in-the-wrong-place
assert_error 'wants KEY=REFERENCE'
assert_absent "$OUT/stderr" sk-typed
expect_exit 3 av proposal approve 1 --from KV_KEY=op://a/b/c
expect_exit 1 av proposal approve 1 --from KV_KEY=vault://secret/app#api_key --from OTHER=vault://secret/app#api_key
assert_error 'does not ask for OTHER'
printf 'a-value' >value.txt
expect_exit 1 av proposal approve 1 KV_KEY --stdin --from KV_KEY=vault://secret/app#api_key <value.txt
assert_error 'give one of them'
av proposal show 1 --json >show.json
assert_eq pending "$(json show.json 'd["status"]')"

av proposal approve 1 --from KV_KEY=vault://secret/app#api_key 2>"$OUT/approve.err" || fail "$(cat "$OUT/approve.err")"
av vault credential list --json >list.json
assert_eq '["external", "corp", "vault://secret/app#api_key"]' \
  "$(json list.json '[[c["type"], c["store"], c["reference"]] for c in d["credentials"] if c["key"] == "KV_KEY"][0]')"
agent -- curl -sS -o "$OUT/echo" https://kv.echo.test/echo
assert_eq 'Bearer sk-vault-app' "$(received_header authorization)"
audited '[x.get("detail", "") for x in r if x["event"] == "proposal.approve"]' >events.txt
assert_contains events.txt 'KV_KEY from corp'

# A value for it is refused from then on: by hand, and by a proposal that brings one.
expect_exit 5 av vault credential set KV_KEY --stdin <value.txt
assert_error 'is kept in the external store'
assert_contains "$OUT/stderr" 'vault://secret/app#api_key'
file '{"credentials":[{"key":"KV_KEY","value":"brought-by-an-agent"}]}'
expect_exit 5 av proposal approve 2
av vault store read KV_KEY >read.txt
assert_eq sk-vault-app "$(cat read.txt)"
rm read.txt

# -- at a server
paired file --name disk
for who in bea mia; do printf 'correct horse %s' $who | av user add $who@example.com --password-stdin >/dev/null 2>&1; done
av vault member add bea@example.com --role admin >/dev/null 2>&1
av vault member add mia@example.com --role member >/dev/null 2>&1
start_serve
for who in bea mia; do sign_in $who; done
expect_page() { # STATUS WHO METHOD PATH [JSON]
  local want=$1
  shift
  page "$@" >"$OUT/reply"
  assert_eq "$want" "$(cat "$OUT/page.status")" "$*: $(head -c 400 "$OUT/reply")"
}
file '{"credentials":[{"key":"SRV_KEY"}]}'
approve=/v1/admin/proposals/3/approve?vault=default
source='{"sources":{"SRV_KEY":{"reference":"vault://kv1/app#token","store":"corp"}}}'
expect_page 403 mia POST $approve "$source"
assert_contains "$OUT/reply" 'only an admin'
expect_page 403 bea POST $approve '{"sources":{"SRV_KEY":{"reference":"file:///etc/hostname"}}}'
assert_contains "$OUT/reply" 'only the owner'
expect_page 404 bea POST $approve '{"sources":{"SRV_KEY":{"reference":"op://a/b/c"}}}'
expect_page 400 bea POST $approve '{"sources":{"SRV_KEY":"vault://kv1/app#token"}}'
expect_page 400 bea POST $approve '{"sources":[]}'
expect_page 200 bea POST $approve "$source"
expect_page 409 bea POST /v1/credentials '{"vault":"default","credentials":{"SRV_KEY":"another"}}'
assert_contains "$OUT/reply" 'is changed there'
# By the command of another machine; a member may still give a value, which is the control.
LAPTOP=$AV_CASE/laptop
mkdir -m 700 "$LAPTOP"
far() { env AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_ADDR="$API" "$AV_BINARY" "$@"; }
file '{"credentials":[{"key":"FAR_KEY"}]}'
printf 'correct horse mia\n' | far login --email mia@example.com --password-stdin 2>/dev/null
expect_exit 4 far proposal approve 4 --from FAR_KEY=vault://kv1/app#token
printf 'correct horse bea\n' | far login --email bea@example.com --password-stdin 2>/dev/null
far proposal approve 4 --from FAR_KEY=vault://kv1/app#token 2>"$OUT/approve.err" || fail "$(cat "$OUT/approve.err")"
assert_eq kv1-token "$(far vault store read FAR_KEY)"
expect_exit 5 far vault credential set FAR_KEY --stdin <value.txt
file '{"credentials":[{"key":"MIA_KEY"}]}'
expect_page 200 mia POST /v1/admin/proposals/5/approve?vault=default '{"credentials":{"MIA_KEY":"a-value-of-hers"}}'
kill -TERM "$SERVE"
wait "$SERVE" || fail "serve: $(cat "$OUT/serve.err")"
rm -f "$OUT/reply" "$OUT/page.body"
canary_check "$AGENT_VAULT_HOME" "$OUT/agent.out" "$OUT/agent.err" "$OUT/serve.out" "$OUT/serve.err"
