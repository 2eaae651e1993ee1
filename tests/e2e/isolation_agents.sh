#!/usr/bin/env bash
# The real Codex and Claude Code complete their prompts at every isolation level, and the same with a tool that they run; git, npm and pip
# fetch through the proxy at `strict`, and a server that the command starts is reached from outside.
# timeout: 400
set -eu
. "$(dirname "$0")/common.inc"
npm_program codex
codex=$NPM_PROGRAM
npm_program claude
claude=$NPM_PROGRAM
openai=$(new_canary sk-proj-)
anthropic=$(new_canary sk-ant-api03-)
printf '%s' "$openai" >"$OUT/openai.key"
printf '%s' "$anthropic" >"$OUT/anthropic.key"
start_upstream --expect-openai-key-file "$OUT/openai.key" --expect-anthropic-key-file "$OUT/anthropic.key"
play api.openai.com api.anthropic.com
set_credential OPENAI_API_KEY "$openai"
set_credential ANTHROPIC_API_KEY "$anthropic"
av vault service add --preset openai >/dev/null
av vault service add --preset anthropic >/dev/null
mkdir -p "$HOME/project"
cd "$HOME/project"
for level in off landlock store network strict; do
  # Programs in /tmp are not there at `strict` unless it is said.
  read=()
  [ $level != strict ] || read=(--read "$NPM_DIR")
  agent --unmatched deny --isolation $level "${read[@]}" -- "$codex" exec --skip-git-repo-check 'say hi'
  assert_contains "$OUT/agent.out" 'Hello from the fake model.'
  canary_check "$OUT/agent.out" "$OUT/agent.err" "$HOME"
  agent --unmatched deny --isolation $level "${read[@]}" -- "$claude" -p 'say hi'
  assert_contains "$OUT/agent.out" 'Hello from the fake model.'
  canary_check "$OUT/agent.out" "$OUT/agent.err" "$HOME"
done

# Codex runs a command by a sandbox of its own, which makes namespaces. Where none can be made, at `strict` it is switched off, and the
# user is told; below, and where the user asks for it, it is left to fail, and that is said too.
kill "$UPSTREAM_PID"
RUN_OPTIONS=()
start_upstream --expect-openai-key-file "$OUT/openai.key" --openai-tool 'echo "marks: $((40 + 2))"'
play api.openai.com
marks() { # LEVEL OPTION...
  local read=() level=$1
  shift
  [ "$level" != strict ] || read=(--read "$NPM_DIR")
  agent --unmatched deny --isolation "$level" "${read[@]}" -- "$codex" exec -m gpt-5-codex --skip-git-repo-check "$@" 'how many marks?'
}
marks strict
assert_contains "$OUT/agent.out" 'marks: 42'
assert_contains "$OUT/agent.err" "codex's own sandbox cannot be set up"
marks strict -s workspace-write
assert_absent "$OUT/agent.out" 'marks: 42'
assert_contains "$OUT/agent.err" "will fail"
marks landlock
assert_absent "$OUT/agent.out" 'marks: 42'
assert_contains "$OUT/agent.err" "will fail"
for level in landlock store network; do
  marks $level -s danger-full-access
  assert_contains "$OUT/agent.out" 'marks: 42'
  assert_absent "$OUT/agent.err" "own sandbox"
done
