#!/usr/bin/env bash
# Codex, the real program, completes a prompt; a new user has done nothing but set the key and add the
# preset. The WebSocket that it tries first is refused, so this is POST with server-sent events.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
npm_program codex

real=$(new_canary sk-proj-)
printf '%s' "$real" >"$OUT/openai.key"
start_upstream --expect-openai-key-file "$OUT/openai.key"
play api.openai.com

set_credential OPENAI_API_KEY "$real"
av vault service add --preset openai >/dev/null
agent --unmatched deny -- "$NPM_PROGRAM" exec --skip-git-repo-check 'say hi'

assert_contains "$OUT/agent.out" 'Hello from the fake model.'
assert_eq "Bearer $real" "$(received "dict((n.lower(), v) for n, v in [x for x in r if x['method'] == 'POST' and x['target'] == '/v1/responses'][-1]['headers'])['authorization']")"
assert_eq true "$(received "any(x['method'] == 'GET' and x['target'] == '/v1/responses' for x in r)")" "a WebSocket was tried"
canary_check "$HOME" "$AV_CASE/work" "$TMPDIR" "$AGENT_VAULT_HOME" "$OUT/agent.out" "$OUT/agent.err"
