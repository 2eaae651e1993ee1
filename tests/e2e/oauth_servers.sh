#!/usr/bin/env bash
# Against an independent server (npm oidc-provider): discovery, registration, code, refresh with rotation, client
# credentials. And tokens made of a key: a service account, a GitHub App. An MCP server names its issuer.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
start_oidc_provider --certs
start_idp
BROWSER_OPTIONS+=(--resolve "oidc.idp.test:443:127.0.0.1:$OIDC_PORT")
idp_hosts mcp.test oauth2.googleapis.com api.github.com
make_browser --forms 3

av oauth connect REGISTERED --url https://oidc.idp.test --scope openid --scope offline_access --auth-param prompt=consent "${RUN_OPTIONS[@]}" \
  >"$OUT/registered" 2>&1 || fail "oidc-provider: $(cat "$OUT/registered")"
assert_contains "$OUT/registered" 'registered with https://oidc.idp.test/reg'
before=$(av vault credential get REGISTERED)
av oauth refresh REGISTERED "${RUN_OPTIONS[@]}" 2>"$OUT/refreshed" || fail "refresh: $(cat "$OUT/refreshed")"
av oauth refresh REGISTERED "${RUN_OPTIONS[@]}" 2>"$OUT/refreshed" || fail "refresh after a rotation: $(cat "$OUT/refreshed")"
[ "$(av vault credential get REGISTERED)" != "$before" ] || fail "the same token after a refresh"
assert_eq connected "$(av oauth status REGISTERED --json >status.json; json status.json 'd["state"]')"

# An MCP server says whose tokens it takes; the token is for that resource.
av oauth connect MCP --url https://mcp.test/mcp "${RUN_OPTIONS[@]}" >"$OUT/mcp" 2>&1 || fail "mcp: $(cat "$OUT/mcp")"
idp GET '/requests?endpoint=token' >requests.json
assert_eq https://mcp.test/mcp "$(json requests.json 'd[-1]["form"]["resource"]')" "the resource that the token is for"

# Keys that sign.
idp POST /service-accounts '{"client_email": "sa@project.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token"}' >sa.json
av oauth connect SERVICE --service-account sa.json --scope read "${RUN_OPTIONS[@]}" >"$OUT/service" 2>&1 || fail "service account: $(cat "$OUT/service")"
av oauth refresh SERVICE "${RUN_OPTIONS[@]}" 2>"$OUT/refreshed" || fail "service account again: $(cat "$OUT/refreshed")"
idp POST /github-apps '{"app_id": 7, "installations": [42]}' >app.json
"$AV_PYTHON" -c 'import json; print(json.load(open("app.json"))["private_key"])' >app.pem
av oauth connect GITHUB_APP --installation 42 --client-id 7 --private-key-file app.pem "${RUN_OPTIONS[@]}" >"$OUT/app" 2>&1 ||
  fail "GitHub App: $(cat "$OUT/app")"
assert_contains "$OUT/app" 'in 59 min'
rm -f sa.json app.json app.pem

idp_canaries
canary_check "$HOME" "$AGENT_VAULT_HOME" "$OUT/registered" "$OUT/mcp" "$OUT/service" "$OUT/app"
