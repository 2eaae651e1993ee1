#!/usr/bin/env bash
# Where the broker puts a stand-in login or a skill for an agent, the command of an earlier run, or of
# this one, has left links and pipes: what the broker writes, copies or removes would be theirs to say.
set -eu
. "$(dirname "$0")/attack.inc"
set_credential OPENAI_API_KEY "$(new_canary)"
av vault service add --preset openai >/dev/null
mkdir bin
cat >bin/codex <<'SH'
#!/bin/bash
home=${CODEX_HOME:-$HOME/.codex}
grep -o '"auth_mode":"apikey"' "$home/auth.json"
ln -sn "$STORE" "$home/loot" && ln -s "$STORE/key" "$home/loot-key"
mv "$home/auth.json" "$home/old" 2>/dev/null && ln -s "$STORE/key" "$home/auth.json"
ls "$home/../.agents/skills/agent-vault/" 2>/dev/null
exit 0
SH
printf '#!/bin/sh\n' >bin/claude
chmod +x bin/*
export PATH=$PWD/bin:$PATH
# Nothing of the store may be in what the user's home holds afterwards; the links alone are no harm.
no_loot() {
  find "$HOME" -type f -exec cmp -s {} "$STORE/key" \; -print >"$OUT/loot"
  assert_eq '' "$(cat "$OUT/loot")" "copies of the key"
}
listing() { (cd "$1" && find . ! -name '*-wal' ! -name '*-shm' ! -path './audit*' | sort); }
av run --isolation store -- true
before=$(listing "$STORE")

# The ordinary way: a login for the time of the run, and nothing left of it.
mkdir -p "$HOME/.agents/skills"
for level in store off; do
  av run --isolation $level -- codex >"$OUT/$level.out" 2>/dev/null
  assert_contains "$OUT/$level.out" '"auth_mode":"apikey"'
  [ ! -e "$HOME/.codex/auth.json" ] || fail "a login was left behind at $level"
  [ ! -e "$HOME/.agents/skills/agent-vault" ] || fail "a skill was left behind at $level"
  no_loot
done
rm -rf "$HOME/.codex"
# A login of the user's own is as it was.
mkdir -m 700 "$HOME/.codex"
echo '{"real": 1}' >"$HOME/.codex/auth.json"
av run --isolation store -- codex >"$OUT/own.out" 2>/dev/null
assert_contains "$OUT/own.out" '"auth_mode":"apikey"'
assert_eq '{"real": 1}' "$(cat "$HOME/.codex/auth.json")"
no_loot
# Without that mask the same command moves it away.
av run --isolation off -- bash -c 'mv ~/.codex/auth.json ~/.codex/old && echo GOT' >"$OUT/control" 2>/dev/null
assert_contains "$OUT/control" GOT
rm -rf "$HOME/.codex"

# Links in the places that the broker writes to.
(: >"$STORE/probe") && rm "$STORE/probe" # the broker could
for place in .codex .agents .agents/skills .agents/skills/agent-vault; do
  rm -rf "$HOME/.codex" "$HOME/.agents"
  mkdir -p "$(dirname "$HOME/$place")"
  ln -s "$STORE" "$HOME/$place"
  timeout 20 "$AV_BINARY" run --isolation store -- codex >"$OUT/linked.out" 2>"$OUT/linked.err" || true
  assert_eq "$before" "$(listing "$STORE")" "the store after a link at $place"
  no_loot
done
for kind in pipe link; do
  rm -rf "$HOME"/{.codex,.agents,.claude}
  mkdir -p "$HOME"/{.agents,.claude}/skills/agent-vault "$HOME/.codex"
  for file in "$HOME"/{.agents,.claude}/skills/agent-vault/SKILL.md "$HOME/.codex/auth.json"; do
    case $kind in
    pipe) mkfifo "$file" ;;
    link) ln -s "$STORE/key" "$file" ;;
    esac
  done
  got=0
  timeout 20 "$AV_BINARY" run --isolation store -- true || got=$?
  assert_eq 0 $got
  got=0
  timeout 20 "$AV_BINARY" run --isolation store -- claude >/dev/null 2>&1 || got=$?
  [ $got != 124 ] || fail "the run hangs at a $kind"
  timeout 20 "$AV_BINARY" run --isolation store -- codex exec >/dev/null 2>&1 </dev/null || got=$?
  [ $got != 124 ] || fail "the run hangs at a $kind"
  assert_eq "$before" "$(listing "$STORE")" "the store after a $kind"
  no_loot
done
