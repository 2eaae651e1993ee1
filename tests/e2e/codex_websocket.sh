#!/usr/bin/env bash
# Codex over the Responses WebSocket, which it prefers: one tunnel carries the whole conversation.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
npm_program codex

real=$(new_canary sk-proj-)
printf '%s' "$real" >"$OUT/openai.key"
start_upstream --expect-openai-key-file "$OUT/openai.key" --openai-ws serve
play api.openai.com

set_credential OPENAI_API_KEY "$real"
av vault service add --preset openai >/dev/null
agent --unmatched deny -- "$NPM_PROGRAM" exec --skip-git-repo-check 'say hi'

assert_contains "$OUT/agent.out" 'Hello from the fake model.'
assert_contains "$UPSTREAM_LOG" '"event": "ws"'
assert_eq false "$(received "any(x['method'] == 'POST' and x['target'] == '/v1/responses' for x in r)")" "a POST was needed"
canary_check "$HOME" "$AV_CASE/work" "$TMPDIR" "$OUT/agent.out" "$OUT/agent.err"
