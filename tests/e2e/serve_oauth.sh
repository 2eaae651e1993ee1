#!/usr/bin/env bash
# A credential is connected over the API through a browser, refreshed, pasted and given back; a proposal's
# slot is connected and stored by allowing it. Another browser, another person, a used state, a provider at a
# private address: nothing is stored.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
. "$(dirname "$0")/serve_people.inc"
start_idp
secret=$(idp_value /clients 'd["post"]["client_secret"]')
for who in ann bob; do
  printf 'correct horse %s' $who | av user add $who@example.com $([ $who = ann ] && echo --owner) --password-stdin >/dev/null 2>&1
done
av vault member add bob@example.com --role member >/dev/null 2>&1
agent=$(av agent create builder --vault default 2>/dev/null)
start_serve
sign_in ann
sign_in bob
client="\"authorization_url\":\"https://idp.test/authorize\",\"token_url\":\"https://idp.test/token\",\"revocation_url\":\"https://idp.test/revoke\",\"client_id\":\"post\",\"client_secret\":\"$secret\",\"scopes\":\"read\""

# connect WHO KEY [MEMBERS]: the address that the provider sends the browser back to, in $OUT/back
connect() {
  page "$1" POST /v1/credentials/oauth/connect "{\"key\":\"$2\",${3:-$client}}" >"$OUT/connect"
  [ "$(cat "$OUT/page.status")" = 200 ] || fail "connect: $(cat "$OUT/connect")"
  provider "$(json "$OUT/connect" 'd["authorization_url"]')"
  attempt=$(json "$OUT/connect" 'd["attempt"]')
}

connect ann API_TOKEN
case $(json "$OUT/connect" 'd["authorization_url"]') in *"$secret"*) fail "the secret is in the address" ;; esac
# Another browser with the same answer, with and without somebody who is signed in.
code_of() { curl -sS -m 20 -o /dev/null -w '%{http_code} %{redirect_url}' "$@"; }
assert_eq "303 $API/oauth/complete" "$(code_of "$(cat "$OUT/back")")" "the answer in a browser without a cookie"
assert_eq "303 $API/oauth/complete" "$(code_of -b "$OUT/ann.jar" "$(cat "$OUT/back")")" "a state that is used up"
connect ann API_TOKEN
assert_eq "303 $API/oauth/complete" "$(code_of -b "$OUT/bob.jar" "$(cat "$OUT/back")")" "the answer in another person's browser"
assert_eq false "$(page ann GET '/v1/credentials/oauth/status?key=API_TOKEN' >"$OUT/s" && json "$OUT/s" 'd["connected"]')" "nothing stored"
assert_eq 0 "$(idp_value /requests 'sum(1 for r in d if r["endpoint"] == "token")')" "no code was exchanged"

connect ann API_TOKEN
come_back ann
assert_eq "/oauth/complete?attempt=$attempt" "$where" "where the browser ends"
page ann GET "/v1/oauth/attempts/$attempt" >"$OUT/outcome"
assert_eq done "$(json "$OUT/outcome" 'd["state"]')" "the outcome"
come_back ann
assert_eq /oauth/complete "$where" "the state once more"
av vault service add --host idp.test --auth-type bearer --token-key API_TOKEN 2>/dev/null
av ca show >"$OUT/ca.pem"
# What another command has added takes effect within a second.
takes_token() {
  curl -sS -m 30 --cacert "$OUT/ca.pem" -x "http://$agent:@$PROXY" https://idp.test/api >"$OUT/api"
  grep -q sha256 "$OUT/api"
}
wait_for 30 takes_token || fail "the API did not take the token: $(cat "$OUT/api")"
before=$(av vault credential get API_TOKEN)
page ann POST /v1/credentials/oauth/refresh '{"key":"API_TOKEN"}' >"$OUT/refreshed"
assert_eq connected "$(json "$OUT/refreshed" 'd["state"]')" "after the refresh: $(cat "$OUT/refreshed")"
[ "$(av vault credential get API_TOKEN)" != "$before" ] || fail "the same token as before"

# The provider says no; mixes up issuers; is at a private address.
idp POST /settings '{"consent": "deny"}' >/dev/null
connect ann OTHER
come_back ann
page ann GET "/v1/oauth/attempts/$attempt" >"$OUT/outcome"
assert_eq failed "$(json "$OUT/outcome" 'd["state"]')" "a refusal"
idp POST /settings '{"consent": "auto"}' >/dev/null
page ann POST /v1/credentials/oauth/tokens '{"key":"OTHER","refresh_token":"r","client_id":"c","token_url":"https://169.254.169.254/token"}' >"$OUT/private"
assert_eq 400 "$(cat "$OUT/page.status")" "a provider at a private address: $(cat "$OUT/private")"
page ann POST /v1/credentials/oauth/tokens "{\"key\":\"OTHER\",\"refresh_token\":\"none-such\",$client}" >"$OUT/refused"
assert_eq oauth_token_refused "$(json "$OUT/refused" 'd["error"]')" "a refresh token that is none"
page ann GET '/v1/credentials/oauth/status?key=OTHER' >"$OUT/s"
assert_eq false "$(json "$OUT/s" 'd["connected"]')" "nothing stored of these"

# A proposal with an OAuth slot: connected by ann, so bob's "Allow" does not have it.
ask='{"services":[{"action":"set","name":"idp","host":"api.idp.test","auth":{"type":"bearer","token":"SLOT"}}],"credentials":[{"action":"set","key":"SLOT","type":"oauth","oauth":{"authorization_url":"https://idp.test/authorize","token_url":"https://idp.test/token","client_id":"post","scopes":"read"}}],"message":"please"}'
curl -sS -m 20 -H "Authorization: Bearer $agent" -H 'Content-Type: application/json' --data "$ask" "$API/v1/proposals" >"$OUT/filed"
number=$(json "$OUT/filed" 'd["id"]')
connect ann SLOT "\"proposal\":$number,\"client_secret\":\"$secret\""
come_back ann
page ann GET "/v1/admin/proposals/$number/diff" >"$OUT/diff"
assert_eq '["SLOT"]' "$(json "$OUT/diff" 'd["connected"]')" "what waits for Allow"
page bob POST "/v1/admin/proposals/$number/approve" '{}' >"$OUT/bob"
assert_eq 400 "$(cat "$OUT/page.status")" "bob has connected nothing: $(cat "$OUT/bob")"
page ann POST "/v1/admin/proposals/$number/approve" '{}' >"$OUT/allowed"
assert_eq applied "$(json "$OUT/allowed" 'd["status"]')" "allowed: $(cat "$OUT/allowed")"
page ann GET '/v1/credentials/oauth/status?key=SLOT' >"$OUT/s"
assert_eq true "$(json "$OUT/s" 'd["has_refresh_token"]')" "the slot is an OAuth credential"

page ann POST /v1/credentials/oauth/disconnect '{"key":"API_TOKEN"}' >"$OUT/gone"
assert_eq "done" "$(json "$OUT/gone" 'd["revocation"]')" "given back"
idp_canaries
canary_check "$OUT/api" "$OUT/refreshed" "$OUT/outcome" "$OUT/refused" "$OUT/private" "$OUT/diff" "$OUT/allowed" "$OUT/gone" \
  "$OUT/serve.err" "$AGENT_VAULT_HOME"
kill -TERM "$SERVE"
wait "$SERVE"
