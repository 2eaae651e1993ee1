#!/usr/bin/env bash
# Completions for bash, zsh and fish parse in their shells and know the commands.
set -eu
. "$(dirname "$0")/common.inc"
av completion bash >c.bash
bash -n c.bash
assert_contains c.bash credential
av completion zsh >c.zsh
assert_contains c.zsh credential
av completion fish >c.fish
assert_contains c.fish credential
if command -v zsh >/dev/null; then
  zsh -n c.zsh
fi
if command -v fish >/dev/null; then
  fish -n c.fish
fi
expect_exit 2 av completion tcsh
# In bash, typing does complete.
bash --norc -c '
  source ./c.bash
  COMP_WORDS=(agent-vault vault cred) COMP_CWORD=2 COMP_LINE="agent-vault vault cred" COMP_POINT=22
  function=$(complete -p agent-vault | sed "s/.*-F \([^ ]*\).*/\1/")
  $function agent-vault cred vault
  printf "%s\n" "${COMPREPLY[@]}"' >words
assert_matches words '^credential *$'
