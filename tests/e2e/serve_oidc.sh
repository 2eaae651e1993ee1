#!/usr/bin/env bash
# People sign in with an issuer of identities; who they are is the issuer's subject, not an address. Forged and
# stale tokens, other browsers, used states and foreign places to go on to let nobody in.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
. "$(dirname "$0")/serve_people.inc"
start_idp
idp POST /clients '{"client_id":"vault","auth":"client_secret_basic","redirect_uris":["http://127.0.0.1/v1/auth/oidc/callback"]}' >"$OUT/client"
mkdir -p "$AGENT_VAULT_HOME/config"
json "$OUT/client" 'd["client_secret"]' >"$OUT/sso-secret"
chmod 600 "$OUT/sso-secret"
config=$AGENT_VAULT_HOME/config/config.toml
cat >>"$config" <<TOML
[serve.oidc]
issuer = "https://idp.test"
name = "Acme"
client_id = "vault"
client_secret_file = "$OUT/sso-secret"
TOML
printf 'correct horse ann' | av user add ann@example.com --owner --password-stdin >/dev/null 2>&1
start_serve
curl -sS -m 20 "$API/v1/status" >"$OUT/status"
assert_eq Acme "$(json "$OUT/status" 'd["oidc"]["name"]')" "the button"

# begin WHO [NEXT]: as far as the provider's answer, in $OUT/back
begin() {
  local url
  url=$(curl -sS -m 60 -b "$OUT/$1.jar" -c "$OUT/$1.jar" -o "$OUT/start" -w '%{redirect_url}' "$API/v1/auth/oidc/start?next=${2:-%2Fvaults%2Fdefault%2Flog}")
  case $url in https://idp.test/authorize*) ;; *) fail "start leads to $url: $(head -c 600 "$OUT/start") $(grep -rhao "by the provider.*" "$AGENT_VAULT_HOME/audit" | head -3)" ;; esac
  provider "$url"
}
whole() {
  : >"$OUT/$1.jar"
  begin "$@"
  come_back "$1"
}
nobody() { # WHO WHY: nobody is signed in
  assert_eq "/login?oidc=refused" "$where" "$2"
  page "$1" GET /v1/auth/me >/dev/null
  assert_eq 401 "$(cat "$OUT/page.status")" "$2: signed in"
}

whole ann
assert_eq /vaults/default/log "$where" "where the browser ends"
page ann GET /v1/auth/me >"$OUT/me"
assert_eq ann@example.com "$(json "$OUT/me" 'd["email"]')" "who is signed in"
for next in https%3A%2F%2Fevil.test %2F%2Fevil.test %2F%5Cevil.test; do
  whole ann "$next"
  assert_eq / "$where" "next=$next"
done

# The address changes at the provider: the same person. Somebody else gets the address: not that person.
idp POST /settings '{"user": {"sub": "user-1", "email": "ann.lee@example.com", "email_verified": true}}' >/dev/null
whole ann
page ann GET /v1/auth/me >"$OUT/me"
assert_eq ann@example.com "$(json "$OUT/me" 'd["email"]')" "after the change of address"
idp POST /settings '{"user": {"sub": "user-2", "email": "ann@example.com", "email_verified": true}}' >/dev/null
whole eve
nobody eve "another subject with a user's address"
idp POST /settings '{"user": {"sub": "user-3", "email": "eve@example.com", "email_verified": true}}' >/dev/null
whole eve
nobody eve "somebody who was not invited"
idp POST /settings '{"user": {"sub": "user-1", "email": "ann@example.com", "email_verified": true}}' >/dev/null

# An answer in another browser, a used state, another issuer's answer.
: >"$OUT/ann.jar"; : >"$OUT/eve.jar"
begin ann
come_back eve
nobody eve "the answer in another browser"
come_back ann
nobody ann "a state that is used up"
idp POST /settings '{"iss": "wrong"}' >/dev/null
whole ann
nobody ann "an answer that names another issuer"
idp POST /settings '{"iss": "right"}' >/dev/null

# Tokens that are forged, for somebody else, or not about a verified address.
for change in '{"sign": "none"}' '{"sign": "HS256"}' '{"sign": "other_key"}' '{"sign": "bad_signature"}' \
  '{"claims": {"aud": "another"}}' '{"claims": {"nonce": "another"}}' '{"claims": {"nonce": null}}' '{"claims": {"iss": "https://evil.test"}}' \
  '{"claims": {"exp": 1}}' '{"claims": {"sub": "new", "email_verified": false}}' '{"claims": {"sub": "new", "email": "eve@example.com"}}'; do
  idp POST /settings "{\"id_token\": $change}" >/dev/null
  whole ann
  nobody ann "$change"
done
idp POST /settings '{"id_token": {}}' >/dev/null
whole ann
assert_eq /vaults/default/log "$where" "and after all that, as it was"

# Who has no password shows the provider again who they are, before a value is shown.
printf 'value-%s' 1 | av vault credential set KEY --stdin >/dev/null 2>&1
page ann GET '/v1/credentials?reveal=true' >"$OUT/r"
assert_eq 403 "$(cat "$OUT/page.status")" "without showing who it is"
idp POST /settings '{"id_token": {"claims": {"auth_time": 1000}}}' >/dev/null
again() {
  page ann POST /v1/auth/oidc/reauthenticate >"$OUT/again"
  provider "$(json "$OUT/again" 'd["authorization_url"]')"
  come_back ann
  page ann GET '/v1/credentials?reveal=true' >"$OUT/r"
}
again
assert_eq 403 "$(cat "$OUT/page.status")" "shown long ago"
idp POST /settings '{"id_token": {}}' >/dev/null
again
assert_eq 200 "$(cat "$OUT/page.status")" "shown just now: $(cat "$OUT/r")"

idp_canaries
cat "$OUT/sso-secret" >>"$CANARIES"
canary_check "$OUT/serve.err" "$AGENT_VAULT_HOME"
kill -TERM "$SERVE"
wait "$SERVE"
