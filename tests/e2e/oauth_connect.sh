#!/usr/bin/env bash
# A credential is connected through the browser, with a code on another device, and by client credentials;
# services use it like any other; nothing of it reaches the agent, the log or a URL.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
start_idp
make_browser
secret=$(idp_value /clients 'd["post"]["client_secret"]')
printf '%s' "$secret" >secret.txt
endpoints=(--authorization-url https://idp.test/authorize --token-url https://idp.test/token
  --device-url https://idp.test/device_authorization --revocation-url https://idp.test/revoke)

av oauth connect API_TOKEN "${endpoints[@]}" --client-id post --client-secret-file secret.txt --scope read "${RUN_OPTIONS[@]}" \
  >"$OUT/connect" 2>&1 || fail "connect: $(cat "$OUT/connect")"
grep -q 'API_TOKEN is connected' "$OUT/connect" || fail "$(cat "$OUT/connect")"
grep -q 'vault service add --host' "$OUT/connect" || fail "no hint of how to use it"
av vault service add --host idp.test --auth-type bearer --token-key API_TOKEN 2>/dev/null
agent -- curl -sS https://idp.test/api
grep -q sha256 "$OUT/agent.out" || fail "the API did not take the token: $(cat "$OUT/agent.out")"

# PKCE, the exact redirect address, no secret in a URL.
idp GET '/requests?endpoint=authorize' >requests.json
[ "$(json requests.json 'd[0]["query"]["code_challenge_method"]')" = S256 ] || fail "no PKCE: $(cat requests.json)"
idp GET /requests >requests.json
[ "$(json requests.json 'sum(len(r["secret_in_url"]) for r in d)')" = 0 ] || fail "a secret in a URL"

# What is known about it, without it.
av oauth status >"$OUT/status" 2>&1
grep -q 'API_TOKEN .*connected' "$OUT/status" || fail "$(cat "$OUT/status")"
av oauth status API_TOKEN --json >status.json
[ "$(json status.json 'd["state"], d["has_refresh_token"], d["scopes"]')" = "('connected', True, ['read'])" ] || fail "$(cat status.json)"
av vault credential list >"$OUT/list"
grep -q 'API_TOKEN *oauth' "$OUT/list" || fail "$(cat "$OUT/list")"

# Connected again without being told whose it is; what it was before is void.
before=$(av vault credential get API_TOKEN)
av oauth connect API_TOKEN "${RUN_OPTIONS[@]}" >"$OUT/again" 2>&1 || fail "again: $(cat "$OUT/again")"
[ "$(av vault credential get API_TOKEN)" != "$before" ] || fail "the same token as before"

# With --no-browser the address is pasted; with the wrong state it is refused.
av oauth connect BY_HAND --provider nobody >"$OUT/nobody" 2>&1 && fail "an unknown provider was taken"
grep -q 'no provider named' "$OUT/nobody" || fail "$(cat "$OUT/nobody")"

# Basic authentication with a secret that must be encoded; client credentials; a device.
idp_value /clients 'd["basic"]["client_secret"]' >secret.txt
av oauth connect BY_BASIC "${endpoints[@]}" --client-id basic --token-auth basic --client-secret-file secret.txt "${RUN_OPTIONS[@]}" \
  >"$OUT/basic" 2>&1 || fail "basic: $(cat "$OUT/basic")"
idp_value /clients 'd["service-post"]["client_secret"]' >secret.txt
av oauth connect BY_SERVICE --token-url https://idp.test/token --flow client-credentials --client-id service-post \
  --client-secret-file secret.txt "${RUN_OPTIONS[@]}" >"$OUT/service" 2>&1 || fail "service: $(cat "$OUT/service")"
av oauth status BY_SERVICE | grep -q 'from the stored key' || fail "$(av oauth status BY_SERVICE)"
av oauth connect BY_DEVICE "${endpoints[@]}" --flow device --client-id device --public --no-browser \
  "${RUN_OPTIONS[@]}" >"$OUT/device" 2>&1 &
device=$!
wait_for 30 grep -q 'enter this code' "$OUT/device"
idp POST /device '{"decision": "approve"}' >/dev/null
wait "$device" || fail "device: $(cat "$OUT/device")"

# The provider says no; a client that is not known; a provider at a private address.
make_browser --deny
idp POST /settings '{"consent": "form"}' >/dev/null
if av oauth connect DENIED "${endpoints[@]}" --client-id public --public "${RUN_OPTIONS[@]}" >"$OUT/denied" 2>&1; then
  fail "a refusal was taken for consent"
fi
grep -q 'access_denied' "$OUT/denied" || fail "$(cat "$OUT/denied")"
make_browser
idp POST /settings '{"consent": "auto"}' >/dev/null
printf wrong >secret.txt
if av oauth connect WRONG "${endpoints[@]}" --client-id post --client-secret-file secret.txt "${RUN_OPTIONS[@]}" >"$OUT/wrong" 2>&1; then
  fail "a wrong secret was taken"
fi
grep -q 'invalid_client' "$OUT/wrong" || fail "$(cat "$OUT/wrong")"
if av oauth connect INSIDE --token-url "https://127.0.0.1:$IDP_HTTPS/token" --flow client-credentials --client-id service --public \
  --upstream-ca "$CA" >"$OUT/inside" 2>&1; then
  fail "a provider at a private address was asked"
fi
grep -q -- '--allow-net' "$OUT/inside" || fail "$(cat "$OUT/inside")"
for key in DENIED WRONG INSIDE; do
  av vault credential list | grep -q "$key" && fail "$key was stored"
done

# Given back.
av oauth disconnect API_TOKEN "${RUN_OPTIONS[@]}" >"$OUT/gone" 2>&1 || fail "$(cat "$OUT/gone")"
grep -q 'revocation: done' "$OUT/gone" || fail "$(cat "$OUT/gone")"
idp GET '/requests?endpoint=revoke' >requests.json
assert_eq '[[200, "refresh_token"]]' "$(json requests.json '[(r["status"], r["form"]["token_type_hint"]) for r in d]')" "what the provider was told"

idp_canaries
canary_check
