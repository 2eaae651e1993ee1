#!/usr/bin/env bash
# `codex login`, the real program, inside a run that keeps logins: its file holds stand-ins, and it works with them.
# timeout: 180
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
npm_program codex
codex=$NPM_PROGRAM
start_upstream
play chatgpt.com
start_idp --client '{"client_id": "app_EMoamEEZ73f0CkXaXp7hrann", "redirect_uris": ["http://localhost:1455/auth/callback", "http://127.0.0.1:1455/auth/callback"],
    "scopes": ["openid", "profile", "email", "offline_access", "api.connectors.read", "api.connectors.invoke"]}' \
  --setting 'user={"sub": "user-1", "email": "me@example.com", "https://api.openai.com/auth": {"chatgpt_plan_type": "plus", "chatgpt_account_id": "acc-1"}}' \
  --alias auth.openai.com/oauth/authorize=idp.test/authorize --alias auth.openai.com/oauth/token=idp.test/token
idp_hosts auth.openai.com
(exec 3<>/dev/tcp/127.0.0.1/1455) 2>/dev/null && skip "port 1455 is taken"

mkdir -p "$HOME/.codex"
BROWSER=/bin/true start_run --capture-logins -- "$codex" login
url() { grep -aohE 'https://auth\.openai\.com/oauth/authorize[^[:space:]]*' "$OUT/run.out" "$OUT/run.err" | head -1; }
has_url() { [ -n "$(url)" ]; }
wait_for 30 has_url
browse "$(url)" &
browser=$!
waiting() { av approval list --json >"$OUT/list.json" && [ "$(json "$OUT/list.json" 'len(d["approvals"])')" = 1 ]; }
wait_for 30 waiting
id=$(json "$OUT/list.json" 'd["approvals"][0]["id"]')
av approval show "$id" >"$OUT/show.txt"
assert_contains "$OUT/show.txt" 'CODEX_LOGIN'
assert_contains "$OUT/show.txt" 'chatgpt.com (the new service codex-login)'
av approval allow "$id" 2>/dev/null
wait "$browser" || fail "the browser: $(cat "$OUT/browsed")"
wait "$RUN_PID" || fail "codex login: $(cat "$OUT/run.out" "$OUT/run.err")"

real=$(av vault credential get CODEX_LOGIN)
assert_eq acc-1 "$(json "$HOME/.codex/auth.json" 'd["tokens"]["account_id"]')"
assert_contains "$HOME/.codex/auth.json" av_ph_
idp_value /tokens '"\n".join(x["value"] for x in (d if isinstance(d, list) else d["tokens"]))' >"$CANARIES"
canary_check "$HOME" "$AV_CASE/work" "$TMPDIR" "$AGENT_VAULT_HOME" "$OUT/run.out" "$OUT/run.err"

# A later run, and one without the stand-in of its own that `run` puts there for a known login.
agent --unmatched deny -- "$codex" exec --skip-git-repo-check 'say hi'
assert_contains "$OUT/agent.out" 'Hello from the fake model.'
assert_eq "Bearer $real" "$(received "dict((n.lower(), v) for n, v in [x for x in r if x['method'] == 'POST' and x['target'].startswith('/backend-api/codex/responses')][-1]['headers'])['authorization']")"
rm -r "$HOME/.codex"
