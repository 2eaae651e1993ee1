#!/usr/bin/env bash
# Claude Code, the real program, completes a prompt with nothing but the key set and the preset added.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
npm_program claude

real=$(new_canary sk-ant-api03-)
printf '%s' "$real" >"$OUT/anthropic.key"
start_upstream --expect-anthropic-key-file "$OUT/anthropic.key"
play api.anthropic.com

set_credential ANTHROPIC_API_KEY "$real"
av vault service add --preset anthropic >/dev/null
agent --unmatched deny -- "$NPM_PROGRAM" -p 'say hi'

assert_contains "$OUT/agent.out" 'Hello from the fake model.'
assert_eq "$real" "$(received "dict((n.lower(), v) for n, v in [x for x in r if x['method'] == 'POST' and x['target'] == '/v1/messages?beta=true'][-1]['headers'])['x-api-key']")"
canary_check "$HOME" "$AV_CASE/work" "$TMPDIR" "$AGENT_VAULT_HOME" "$OUT/agent.out" "$OUT/agent.err"
