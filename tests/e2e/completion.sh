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
# Proposals are known by their numbers: those that wait, and all to look at.
for key in ONE TWO THREE; do printf '{"credentials":[{"key":"%s"}]}' $key | av proposal create - >/dev/null 2>&1; done
av proposal reject 2 2>/dev/null
mkdir -p bin
ln -sf "$AV_BINARY" bin/agent-vault
complete_at() { # WORD...: what may follow these, the last one being begun
  PATH="$PWD/bin:$PATH" bash --norc -c '
    source ./c.bash
    COMP_WORDS=(agent-vault "$@" "") COMP_CWORD=$(($# + 1))
    _agent_vault
    printf "%s\n" "${COMPREPLY[@]}"' bash "$@" | grep -E '^[0-9]+$' | sort | tr '\n' ' '
}
assert_eq '1 3 ' "$(complete_at proposal approve)"
assert_eq '1 2 3 ' "$(complete_at vault proposal show)"
# A locked store is not asked about, whoever sits there.
printf 'correct horse battery' | av key set-passphrase --stdin 2>/dev/null
assert_eq '' "$(complete_at proposal approve || true)"
