#!/usr/bin/env bash
# The cover lies on the store's directory alone: one above it is moved away, and the next run covers
# what is new at the old path while the store lies open beside it. Or a configuration is planted.
set -eu
. "$(dirname "$0")/attack.inc"
unset AGENT_VAULT_HOME
set_credential TOKEN "$(new_canary)"
mkdir -p "$HOME/.config/agent-vault"
printf '[run]\n' >"$HOME/.config/agent-vault/config.toml"
# mv(1) would copy what it may not rename.
printf '#!%s\nimport os, sys\nos.rename(*sys.argv[1:])\n' "$AV_PYTHON" >move
chmod +x move
export PATH=$PWD:$PATH
STORE=$HOME/.local/share/agent-vault

# What the first run moves, the second reads.
for moved in .local .local/share; do
  for level in off store; do
    av run --isolation $level -- move "$HOME/$moved" "$HOME/old" 2>/dev/null || true
    mkdir -p -m 700 "$STORE"
    av run --isolation store -- bash -c 'find ~/old -name key -size +0 2>/dev/null | grep . && echo GOT' \
      >"$OUT/second.$level" 2>/dev/null || true
    if [ -d "$HOME/old" ]; then
      rm -rf "${HOME:?}/$moved"
      mv "$HOME/old" "$HOME/$moved"
    fi
  done
  assert_contains "$OUT/second.off" GOT
  assert_absent "$OUT/second.store" GOT
done

attack_case <<'SH'
for moved in .local .local/share .config; do
  move ~/$moved ~/old && echo "GOT $moved out of the way" && move ~/old ~/$moved
done
echo '[run]' >~/.config/agent-vault/config.toml && echo GOT a configuration
SH

# A later run without AGENT_VAULT_HOME obeys the default place, also when this one has another.
rm -rf "$HOME/.config"
export AGENT_VAULT_HOME=$AV_CASE/store
attack_case <<'SH'
mkdir -p ~/.config/agent-vault && echo '[run]' >~/.config/agent-vault/config.toml &&
  echo GOT a configuration planted && rm -r ~/.config
move ~/.config ~/old && echo GOT the directory above && move ~/old ~/.config
SH
