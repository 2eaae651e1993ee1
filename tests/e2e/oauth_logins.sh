#!/usr/bin/env bash
# Codex and Claude Code, the real programs, with a subscription login: the broker has the tokens, the programs'
# own files hold stand-ins, and what they would refresh is answered by the broker.
# timeout: 180
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
npm_program codex
codex=$NPM_PROGRAM
npm_program claude
claude=$NPM_PROGRAM
start_upstream
play chatgpt.com
play api.anthropic.com
for client in app_EMoamEEZ73f0CkXaXp7hrann 9d1c250a-e61b-44d9-88ed-5944d1962f5e; do
  clients+=(--client "{\"client_id\": \"$client\", \"auth\": \"none\"}")
done
start_idp "${clients[@]}" --alias auth.openai.com/oauth/token=idp.test/token --alias platform.claude.com/v1/oauth/token=idp.test/token
idp_hosts auth.openai.com platform.claude.com

# mint CLIENT: a pair of tokens that the program has got itself, in pair.json
mint() { idp POST /tokens "{\"client_id\": \"$1\", \"scope\": \"openid\"}" >pair.json; }
token() { json pair.json "d[\"$1\"]"; }

claims=$(printf '{"email":"me@example.com","https://api.openai.com/auth":{"chatgpt_plan_type":"plus","chatgpt_account_id":"acc-1"}}' | base64 -w0 | tr '+/' '-_' | tr -d =)
mint app_EMoamEEZ73f0CkXaXp7hrann
mkdir -p "$HOME/.codex" "$HOME/.claude"
printf '{"auth_mode":"chatgpt","OPENAI_API_KEY":null,"tokens":{"id_token":"e30.%s.sig","access_token":"%s","refresh_token":"%s","account_id":"acc-1"},"last_refresh":"2026-01-01T00:00:00Z"}' \
  "$claims" "$(token access_token)" "$(token refresh_token)" >"$HOME/.codex/auth.json"
av oauth import codex "${RUN_OPTIONS[@]}" >"$OUT/codex" 2>&1 || fail "import codex: $(cat "$OUT/codex")"
assert_contains "$OUT/codex" 'agent-vault run -- codex'
agent --unmatched deny -- "$codex" exec --skip-git-repo-check 'say hi'
assert_contains "$OUT/agent.out" 'Hello from the fake model.'
real=$(av vault credential get CODEX_LOGIN)
assert_eq "Bearer $real" "$(received "dict((n.lower(), v) for n, v in [x for x in r if x['method'] == 'POST' and x['target'].startswith('/backend-api/codex/responses')][-1]['headers'])['authorization']")"
assert_eq acc-1 "$(received "dict((n.lower(), v) for n, v in [x for x in r if x['method'] == 'POST' and x['target'].startswith('/backend-api/codex/responses')][-1]['headers'])['chatgpt-account-id']")"

# What it finds in its file, and what it gets where it would refresh: nothing that is worth anything, no request.
idp DELETE /requests >/dev/null
# What is set up for a program goes by its name.
cat >codex <<'SH'
#!/bin/sh
cat ~/.codex/auth.json >auth.seen
curl -sS https://auth.openai.com/oauth/token -H "Content-Type: application/json" \
  -d '{"grant_type":"refresh_token","refresh_token":"x"}' >answer.json
SH
chmod +x codex
agent --unmatched deny -- ./codex
assert_eq '[]' "$(idp GET /requests)" "requests that reached the provider"
assert_eq chatgpt "$(json auth.seen 'd["auth_mode"]')"
[ "$(json answer.json 'd["expires_in"]')" -gt 86400 ] || fail "$(cat answer.json)"
[ "$(json auth.seen 'd["tokens"]["refresh_token"]')" != "$(token refresh_token)" ] || fail "the real refresh token is in the file"

# Claude Code: from its file, and where there is none.
mint 9d1c250a-e61b-44d9-88ed-5944d1962f5e
printf '{"claudeAiOauth":{"accessToken":"%s","refreshToken":"%s","expiresAt":1,"scopes":["user:inference","user:profile"],"subscriptionType":"max"}}' \
  "$(token access_token)" "$(token refresh_token)" >"$HOME/.claude/.credentials.json"
av oauth import claude "${RUN_OPTIONS[@]}" >"$OUT/claude" 2>&1 || fail "import claude: $(cat "$OUT/claude")"
real=$(av vault credential get CLAUDE_LOGIN)
for file in with without; do
  [ $file = with ] || rm "$HOME/.claude/.credentials.json"
  agent --unmatched deny -- "$claude" -p 'say hi'
  assert_contains "$OUT/agent.out" 'Hello from the fake model.'
  assert_eq "Bearer $real" "$(received "dict((n.lower(), v) for n, v in [x for x in r if x['method'] == 'POST' and x['target'].startswith('/v1/messages')][-1]['headers'])['authorization']")" "$file a file"
done

# A login that is void already is not taken over, and the vault is as it was.
printf '{"claudeAiOauth":{"accessToken":"a.b","refreshToken":"%s","expiresAt":1}}' "$(token refresh_token)" >"$HOME/.claude/.credentials.json"
if av oauth import claude "${RUN_OPTIONS[@]}" >"$OUT/void" 2>&1; then fail "a void login was taken over"; fi
assert_contains "$OUT/void" 'tried and not taken'
assert_eq "$real" "$(av vault credential get CLAUDE_LOGIN)"
rm "$HOME/.claude/.credentials.json" "$HOME/.codex/auth.json" pair.json

idp_canaries
canary_check "$HOME" "$AV_CASE/work" "$TMPDIR" "$AGENT_VAULT_HOME" "$OUT/agent.out" "$OUT/agent.err"
