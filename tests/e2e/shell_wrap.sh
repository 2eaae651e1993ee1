#!/usr/bin/env bash
# Typing an agent's name runs it wrapped, in three shells; `run` without a command opens the user's shell with a mark in its prompt; and
# profiles of the configuration say how a program is run.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
set_credential TOKEN "$(new_canary)"
mkdir -p programs "$HOME/project" "$AGENT_VAULT_HOME/config"
export PATH="$PWD/programs:$PATH"
cat >programs/gemini <<'SH'
#!/bin/sh
echo "gemini run=${AGENT_VAULT_RUN:+wrapped} $*"
SH
chmod +x programs/gemini
config=$AGENT_VAULT_HOME/config/config.toml

# -- shell-init
in_shell() { # SHELL TEXT: what a session prints that has the functions
  case $1 in
  bash) bash --norc -c "eval \"\$('$AV_BINARY' shell-init bash)\"; $2" ;;
  zsh) zsh -f -c "eval \"\$('$AV_BINARY' shell-init zsh)\"; $2" ;;
  fish) fish --no-config -c "'$AV_BINARY' shell-init fish | source; $2" ;;
  esac 2>/dev/null
}
shells=
for shell in bash zsh fish; do
  command -v $shell >/dev/null || continue
  shells="$shells $shell"
  assert_eq "gemini run=wrapped two words -- end" "$(in_shell $shell "gemini 'two words' -- end")" "$shell"
  # A run cannot be started in a run: there the agent itself is meant.
  assert_eq "gemini run=wrapped inside" "$(AGENT_VAULT_RUN=run_x in_shell $shell 'gemini inside')" "$shell inside of a run"
  # What is not installed is not defined, and what was an alias is one no more.
  assert_eq none "$(in_shell $shell 'type opencode >/dev/null 2>&1 || echo none')" "$shell"
  expect_exit 2 av shell-init $shell --wrap 'x; rm -rf /'
  assert_error
done
echo "shells:$shells"
expect_exit 2 av shell-init tcsh
assert_error "no functions"
# The program that is meant is this one, and not another of its name on PATH.
printf '#!/bin/sh\necho planted\n' >programs/agent-vault
chmod +x programs/agent-vault
assert_eq "gemini run=wrapped x" "$(in_shell bash 'gemini x')" "with another agent-vault on PATH"
printf '[shell]\nwrap = ["mine"]\n' >"$config"
expect_exit 0 av shell-init bash
assert_contains "$OUT/stdout" "function mine"
assert_absent "$OUT/stdout" gemini

# -- profiles
cat >"$config" <<'TOML'
[run]
isolation = "store"
unmatched = "deny"

[profile.gemini]
isolation = "network"

[profile.build]
isolation = "off"
command = ["gemini", "as the profile says"]
vault = "other"

[profile.broken]
isolaton = "strict"
TOML
av vault create other >/dev/null 2>&1
level='[ "$(readlink /proc/self/ns/net)" = "$OUTER_NET" ] && net=same || net=own; [ "$(readlink /proc/self/ns/mnt)" = "$OUTER_MNT" ] && mnt=same || mnt=own; echo "$net $mnt $AGENT_VAULT_VAULT"'
OUTER_NET=$(readlink /proc/self/ns/net) OUTER_MNT=$(readlink /proc/self/ns/mnt)
export OUTER_NET OUTER_MNT
printf '#!/bin/sh\n%s\n' "$level" >programs/gemini
ran() { "$AV_BINARY" run "$@" 2>/dev/null; }
assert_eq "own own default" "$(ran -- gemini)" "by the name of the program"
assert_eq "own own default" "$(ran -- "$PWD/programs/gemini")" "by its path"
assert_eq "same own default" "$(ran --profile - -- gemini)" "none"
assert_eq "same own default" "$(ran --isolation store -- gemini)" "the command line wins"
assert_eq "same own default" "$(ran -- sh programs/gemini)" "another program"
assert_eq "same same other" "$(ran --profile build)" "command and vault of a profile"
assert_eq "same same default" "$(ran --profile build --vault default)" "the command line wins"
mkdir -p "$HOME/notes"
printf '[profile.strictly]\nisolation = "strict"\nwrite = "~/notes"\n' >>"$config"
(cd "$HOME/project" && ran --profile strictly -- sh -c 'echo kept >~/notes/file; echo lost >~/file') || true
assert_eq kept "$(cat "$HOME/notes/file")" "a home in a path"
[ ! -e "$HOME/file" ] || fail "the home could be written to"
expect_exit 125 av run --profile nosuch -- true
assert_error "no [profile.nosuch]"
assert_contains "$OUT/stderr" "broken, build, gemini, strictly"
expect_exit 125 av run --profile broken -- true
assert_error "unknown key profile.broken.isolaton"
expect_exit 2 av run </dev/null
assert_error "no command to run"
rm "$config"

# -- a shell of one's own
cd "$HOME/project"
printf 'PS1="mine> "\nalias hello="echo from my rc"\n' >"$HOME/.bashrc"
printf 'PROMPT="mine> "\nalias hello="echo from my rc"\n' >"$HOME/.zshrc"
printf 'export FROM_ZSHENV=yes\n' >"$HOME/.zshenv"
mkdir -p "$HOME/.config/fish"
printf 'function fish_prompt; echo -n "mine> "; end\nalias hello="echo from my rc"\nset -U fish_greeting\n' >"$HOME/.config/fish/config.fish"
for shell in $shells; do
  SHELL=$(command -v "$shell") TERM=dumb "$AV_PYTHON" "$SUPPORT/with_tty.py" 'expect=\(agent-vault\) .*mine> ' 'send=hello; echo in $AGENT_VAULT_RUN\n' \
    'expect=from my rc' 'expect=in run_' 'send=exit 5\n' -- "$AV_BINARY" run >"$OUT/tty.$shell" 2>&1 && got=0 || got=$?
  assert_eq 5 "$got" "the exit code of $shell: $(cat "$OUT/tty.$shell")"
done
SHELL=/bin/sh "$AV_PYTHON" "$SUPPORT/with_tty.py" 'expect=\(agent-vault\) ' 'send=exit 6\n' -- "$AV_BINARY" run >"$OUT/tty.sh" 2>&1 && got=0 || got=$?
assert_eq 6 "$got" "sh: $(cat "$OUT/tty.sh")"
