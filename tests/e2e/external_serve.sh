#!/usr/bin/env bash
# External stores of serve: an admin pairs one over the API, another by remote commands, with a password manager each; an
# agent's request through serve gets the value. Members and agents pair nothing; what is about the server's machine or its
# private networks is the owner's (who may). Nothing secret in an answer, on the log, in metrics or on disk; an outage shows;
# a store that is paired anew is known to the running proxy; pages of other origins read only where they were named.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/external_stores.inc"
. "$(dirname "$0")/serve_people.inc"
start_upstream
play kv.echo.test mapped.echo.test inf.echo.test file.echo.test new.echo.test

start_store fake_vault
VAULT_URL=$STORE_URL
start_store fake_infisical
INFISICAL_URL=$STORE_URL
at_vault() { STORE_URL=$VAULT_URL control "$@"; }
at_vault token '{"policies": ["default", "app"], "ttl": 3600}' >token.json
token=$(json token.json 'd["token"]')
client_secret=cs-infisical-agent-0123456789
printf '%s\n' "$token" "$client_secret" sk-vault-app kv1-token inf-api-key >>"$CANARIES"
file_value=$(new_canary)
printf '%s' "$file_value" >"$OUT/of-the-server"
chmod 600 "$OUT/of-the-server"

for who in ann bea mia; do
  owner=()
  [ $who = ann ] && owner=(--owner)
  printf 'correct horse %s' $who | av user add $who@example.com ${owner[@]+"${owner[@]}"} --password-stdin >/dev/null 2>&1
done
av vault member add bea@example.com --role admin >/dev/null 2>&1
av vault member add mia@example.com --role member >/dev/null 2>&1
agent=$(av agent create builder --vault default 2>/dev/null)
another=$(av agent create another --vault default 2>/dev/null)
printf '%s\n' "$agent" "$another" >>"$CANARIES"
av ca show >"$OUT/ca.pem"
# What the owner of the server has named by hand may be reached; everything else of this machine may not.
start_serve --resolve "vault.test:8200:127.0.0.1:${VAULT_URL##*:}" --resolve "infisical.test:8080:127.0.0.1:${INFISICAL_URL##*:}" \
  --cors-origin https://app.example.org
for who in ann bea mia; do sign_in $who; done

expect_page() { # STATUS WHO METHOD PATH [JSON]
  local want=$1
  shift
  page "$@" >"$OUT/reply"
  assert_eq "$want" "$(cat "$OUT/page.status")" "$*: $(head -c 400 "$OUT/reply")"
}
stores=/v1/vaults/default/stores
vault_body() { # TOKEN [SETTINGS...]
  printf '{"kind":"vault","name":"corp","settings":{"url":"http://vault.test:8200","plain_http":"yes"%s},"secrets":{"token":"%s"}}' "${2-}" "$1"
}
ask() { curl -sS -m 30 --cacert "$OUT/ca.pem" -x "http://$agent:@$PROXY" "https://$1/echo" -o "$OUT/echo" -w '%{http_code}' 2>"$OUT/curl.err" || cat "$OUT/curl.err" >&2; }
sent() { received_header authorization; }

# -- who may
expect_page 403 mia POST $stores "$(vault_body "$token")"
assert_eq 403 "$(curl -sS -m 20 -o "$OUT/reply" -w '%{http_code}' -H "Authorization: Bearer $agent" -H 'Content-Type: application/json' --data "$(vault_body "$token")" "$API$stores")" "an agent pairs"
assert_eq 403 "$(curl -sS -m 20 -o "$OUT/reply" -w '%{http_code}' -H "Authorization: Bearer $agent" "$API$stores")" "an agent lists"
# A private address, by an admin: nobody is asked. By who may say where the server connects: it is.
before=$(wc -l <"$OUT/fake_vault.jsonl")
expect_page 403 bea POST $stores "{\"kind\":\"vault\",\"name\":\"inside\",\"settings\":{\"url\":\"$VAULT_URL\"},\"secrets\":{\"token\":\"$token\"}}"
assert_contains "$OUT/reply" external_store_refused
expect_page 403 bea POST $stores "{\"kind\":\"vault\",\"name\":\"inside\",\"settings\":{\"url\":\"$VAULT_URL\",\"allow_net\":\"127.0.0.1/32\"},\"secrets\":{\"token\":\"$token\"}}"
assert_contains "$OUT/reply" 'only the owner'
assert_eq "$before" "$(wc -l <"$OUT/fake_vault.jsonl")" "requests that an admin made the server send into its own network"
expect_page 200 ann POST $stores "{\"kind\":\"vault\",\"name\":\"inside\",\"settings\":{\"url\":\"$VAULT_URL\",\"allow_net\":\"127.0.0.1/32\"},\"secrets\":{\"token\":\"$token\"}}"
[ "$(wc -l <"$OUT/fake_vault.jsonl")" -gt "$before" ] || fail 'the control: the owner reaches nothing either'
# Files of the server, likewise; also a reference to them, once the owner has paired them.
expect_page 403 bea POST $stores '{"kind":"file"}'
expect_page 200 ann POST $stores '{"kind":"file"}'
reference="{\"vault\":\"default\",\"key\":\"FILE_KEY\",\"reference\":\"file://$OUT/of-the-server\"}"
expect_page 403 bea POST /v1/credentials/source "$reference"
expect_page 200 ann POST /v1/credentials/source "$reference"

# -- an admin pairs; a wrong token is told and not kept
expect_page 403 bea POST $stores "$(vault_body wrong-token)"
assert_contains "$OUT/reply" external_store_denied
expect_page 404 bea GET $stores/corp
expect_page 200 bea POST $stores "$(vault_body "$token")"
expect_page 200 bea POST /v1/credentials/source '{"vault":"default","key":"KV_KEY","reference":"vault://secret/app#api_key","store":"corp"}'
expect_page 200 bea POST /v1/vaults/default/mappings '{"host":"mapped.echo.test","reference":"vault://kv1/app#token","store":"corp"}'
expect_page 200 bea GET $stores/corp
canary_check "$OUT/reply"
service() { av vault service add --name "of-$1" --host "$2" --auth-type bearer --token-key "$3" >/dev/null 2>&1; }
service kv kv.echo.test KV_KEY
service file file.echo.test FILE_KEY
works() { [ "$(ask "$1")" = 200 ] && [ "$(sent)" = "Bearer $2" ]; }
wait_for 30 works kv.echo.test sk-vault-app
canary_check "$OUT/echo"
works mapped.echo.test kv1-token || fail "mapped: $(cat "$OUT/echo")"
wait_for 30 works file.echo.test "$file_value"

# -- the same by the remote commands, of another admin's machine
LAPTOP=$AV_CASE/laptop
mkdir -m 700 "$LAPTOP"
far() { env AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_ADDR="$API" "$AV_BINARY" "$@"; }
printf 'correct horse bea\n' | far login --email bea@example.com --password-stdin 2>/dev/null
printf '%s' "$client_secret" >secret.txt
far vault store pair infisical --name shop --set url=http://infisical.test:8080 --set plain_http=yes --set client_id=client-agent \
  --set project=11111111-2222-3333-4444-555555555555 --set environment=prod --set-file client_secret=secret.txt 2>"$OUT/pair.err" || fail "$(cat "$OUT/pair.err")"
rm secret.txt
assert_contains "$OUT/pair.err" "paired 'shop'"
expect_exit 4 far vault store pair env
assert_error 'only the owner'
expect_exit 2 far vault store test --allow-net 127.0.0.1/32
assert_error 'for connections of this machine'
far vault credential set INF_KEY --from infisical://API_KEY 2>/dev/null
service inf inf.echo.test INF_KEY
wait_for 30 works inf.echo.test inf-api-key
same() { # COMMAND...
  far "$@" >"$OUT/far" 2>"$OUT/far.err" || { cat "$OUT/far.err" >&2; fail "over the server: $*"; }
  av "$@" >"$OUT/near" 2>"$OUT/near.err" || { cat "$OUT/near.err" >&2; fail "here: $*"; }
  cmp -s "$OUT/near" "$OUT/far" || { diff "$OUT/near" "$OUT/far" >&2 || true; fail "not the same over the server: $*"; }
}
for command in 'vault store list' 'vault store status corp' 'vault store status shop' 'vault store mappings' 'vault credential list'; do
  same $command
  same $command --json
done
far vault store test corp >test.out || fail "$(cat test.out)"
assert_matches test.out 'corp +KV_KEY +ok'
assert_matches test.out 'corp +mapped.echo.test +ok'
far vault store test corp 'vault://kv1/app#token' >test.out || fail "$(cat test.out)"
assert_matches test.out 'corp +vault://kv1/app#token +ok'
expect_exit 4 far vault store test file "file://$OUT/of-the-server"
assert_error 'only the owner'
expect_exit 1 far vault store test corp 'vault://kv1/nothing#token'
far vault store map '*' 'vault://kv1/{host}#token' --store corp 2>/dev/null
same vault store mappings
same vault store mappings --json
far vault store unmap '*' --store corp 2>/dev/null
far vault store browse corp vault://kv1 >browse.out
assert_contains browse.out vault://kv1/app
assert_eq sk-vault-app "$(far vault store read KV_KEY)"
assert_eq kv1-token "$(far vault store read vault://kv1/app#token --store corp)"
expect_exit 1 far vault credential get KV_KEY
assert_error 'is kept in the external store'
far vault store map other.echo.test vault://kv1/app#token --store corp --header 'X-Key: {{ VALUE }}' 2>/dev/null
same vault store mappings
far vault store unmap other.echo.test 2>/dev/null
expect_exit 3 far vault store unmap other.echo.test
printf 'correct horse mia\n' | far login --email mia@example.com --password-stdin 2>/dev/null
far vault store list >"$OUT/stdout"
assert_contains "$OUT/stdout" shop
expect_exit 4 far vault store test corp
expect_exit 4 far vault store read vault://kv1/app#token --store corp
assert_eq sk-vault-app "$(far vault store read KV_KEY)" "a member sees a credential's value"
printf 'correct horse bea\n' | far login --email bea@example.com --password-stdin 2>/dev/null

# -- a value in a browser: with the password once more, on the log
expect_page 200 bea POST /v1/auth/reauthenticate '{"password":"correct horse bea"}'
expect_page 200 bea POST $stores/corp/read '{"key":"KV_KEY"}'
assert_contains "$OUT/reply" sk-vault-app
rm "$OUT/reply"
assert_eq true "$(audited "any(x['event'] == 'credential.reveal' and 'bea@example.com' in x.get('detail', '') for x in r)")" 'who looked'

# -- figures: kinds and whys, no name of anything
curl -sS -m 10 "$API/metrics" >metrics
assert_matches metrics '^agent_vault_store_fetch_seconds_count\{kind="vault"\} [1-9]'
assert_matches metrics '^agent_vault_store_fetch_seconds_count\{kind="infisical"\} [1-9]'
assert_matches metrics '^agent_vault_store_cache_misses_total [1-9]'
# What one agent's request has brought another's finds.
agent=$another works kv.echo.test sk-vault-app || fail 'another agent'
curl -sS -m 10 "$API/metrics" >metrics
assert_matches metrics '^agent_vault_store_cache_hits_total [1-9]'
assert_matches metrics '^agent_vault_store_fetch_failures_total\{kind="vault",why="unreachable"\} 0'
assert_absent metrics '://'
assert_absent metrics KV_KEY

# -- an outage shows, is counted, and is that host's alone
at_vault faults '{"kind": "status", "status": 500, "times": 500}' >/dev/null
far vault credential set NEW_KEY --from 'vault://secret/app?version=1#api_key' --store corp 2>/dev/null # an item that is not known yet
service new new.echo.test NEW_KEY
fails() { [ "$(ask new.echo.test)" = 502 ]; }
wait_for 30 fails
assert_contains "$OUT/echo" external_store_unreachable
failing() { far vault store status corp | grep -q '^state *failing'; }
wait_for 30 failing
expect_page 200 mia GET $stores/corp
assert_eq true "$(json "$OUT/reply" 'd["state"] == "failing" and d["health"]["failed"] > 0 and d["health"]["rests_seconds"] > 0 and d["health"]["last_failure"] == "unreachable"')" "$(cat "$OUT/reply")"
expect_page 200 mia GET /v1/vaults
assert_eq 1 "$(json "$OUT/reply" '[v["failing_stores"] for v in d["vaults"] if v["name"] == "default"][0]')"
works inf.echo.test inf-api-key || fail 'the other store'
curl -sS -m 10 "$API/metrics" >metrics
assert_matches metrics '^agent_vault_store_fetch_failures_total\{kind="vault",why="unreachable"\} [1-9]'
assert_matches metrics '^agent_vault_store_cooldowns_total [1-9]'
curl -sS -X DELETE "$VAULT_URL/_control/faults" >/dev/null

# -- the token is revoked, the store is paired anew over the API: the running proxy goes on, without its minute of rest
at_vault revoke "{\"token\": \"$token\"}" >/dev/null
at_vault token '{"policies": ["default", "app"], "ttl": 3600}' >token.json
token=$(json token.json 'd["token"]')
printf '%s\n' "$token" >>"$CANARIES"
expect_page 200 bea POST $stores "$(vault_body "$token")"
wait_for 30 works new.echo.test sk-vault-app
expect_page 200 bea GET $stores/corp
assert_eq works "$(json "$OUT/reply" 'd["state"]')"

# -- other origins
preflight() { curl -sS -m 10 -D "$OUT/head" -o /dev/null -X OPTIONS -H "Origin: $1" -H 'Access-Control-Request-Method: GET' "$API/v1/vaults"; }
preflight https://app.example.org
assert_contains "$OUT/head" 'Access-Control-Allow-Origin: https://app.example.org'
assert_absent "$OUT/head" 'Allow-Credentials'
preflight https://evil.example.org
assert_absent "$OUT/head" Access-Control
expect_exit 2 av serve --any-port --cors-origin '*'
assert_error 'is not an origin'

# -- the end of one: with what refers to it; the store is told
expect_page 409 bea DELETE $stores/corp '{}'
expect_page 200 bea DELETE $stores/corp '{"remove_references":true}'
assert_contains "$OUT/reply" KV_KEY
assert_contains "$OUT/reply" mapped.echo.test
expect_exit 3 far vault store status corp
far vault credential delete INF_KEY 2>/dev/null
far vault store unpair shop 2>"$OUT/unpair.err"
assert_contains "$OUT/unpair.err" 'not paired'

# Nothing that is secret is on disk, in the log, in what was printed.
kill -TERM "$SERVE"
wait "$SERVE" || fail "serve: $(cat "$OUT/serve.err")"
rm -f "$OUT/of-the-server" token.json "$OUT/page.body" "$OUT"/*.jar "$OUT/stdout" browse.out
canary_check "$AGENT_VAULT_HOME" "$OUT/serve.out" "$OUT/serve.err" metrics test.out
av log --json >"$OUT/log"
canary_check "$OUT/log"
