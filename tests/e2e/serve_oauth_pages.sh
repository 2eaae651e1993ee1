#!/usr/bin/env bash
# In Chromium, against a running serve and a provider on another site: somebody whom an invite waits for signs
# in with an issuer of identities, connects a credential, allows a proposal with an OAuth slot, and shows again who
# they are before a value is revealed.
# timeout: 170
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
. "$(dirname "$0")/serve_people.inc"
need chromium chromedriver
start_idp
issuer=http://localhost:$IDP_HTTP
idp POST /clients '{"client_id":"vault","auth":"client_secret_basic","redirect_uris":["http://127.0.0.1/v1/auth/oidc/callback"]}' >"$OUT/client"
json "$OUT/client" 'd["client_secret"]' >"$OUT/sso-secret"
chmod 600 "$OUT/sso-secret"
printf 'correct horse root' | av user add root@example.com --owner --password-stdin >/dev/null 2>&1
printf 'plain-value' | av vault credential set PLAIN --stdin >/dev/null 2>&1
agent=$(av agent create builder --vault default 2>/dev/null)
mkdir -p "$AGENT_VAULT_HOME/config"
cat >>"$AGENT_VAULT_HOME/config/config.toml" <<TOML
[serve.oidc]
issuer = "$issuer"
name = "Acme"
client_id = "vault"
client_secret_file = "$OUT/sso-secret"
TOML
av user invite ann@example.com --vault default --role member >/dev/null 2>&1
start_serve --allow-net 127.0.0.0/8
ask="{\"services\":[{\"action\":\"set\",\"name\":\"idp\",\"host\":\"api.idp.test\",\"auth\":{\"type\":\"bearer\",\"token\":\"SLOT\"}}],\"credentials\":[{\"action\":\"set\",\"key\":\"SLOT\",\"type\":\"oauth\",\"oauth\":{\"authorization_url\":\"$issuer/authorize\",\"token_url\":\"$issuer/token\",\"client_id\":\"post\",\"scopes\":\"read\"}}],\"user_message\":\"to read the calendar\"}"
curl -sS -m 20 -H "Authorization: Bearer $agent" -H 'Content-Type: application/json' --data "$ask" "$API/v1/proposals" >"$OUT/filed"
STORY_SECRET=$(idp_value /clients 'd["post"]["client_secret"]') \
  python3 "$AV_ROOT/tests/pages/oauth_story.py" "$API" "$(json "$OUT/filed" 'd["approval_url"]')" "$issuer" >"$OUT/story" 2>&1 ||
  fail "the browser: $(head -c 2500 "$OUT/story") $(grep -rhao 'by the provider[^"]*' "$AGENT_VAULT_HOME/audit" | head -3)"
av oauth status --json >"$OUT/status" 2>/dev/null
assert_eq '["API_TOKEN", "SLOT"]' "$(json "$OUT/status" 'sorted(c["key"] for c in d["credentials"])')" "what is connected"
idp_canaries
canary_check "$OUT/status" "$OUT/serve.err" "$AGENT_VAULT_HOME/audit"
kill -TERM "$SERVE"
wait "$SERVE"
