#!/usr/bin/env bash
# A program of an external store loads files that the agent may write. It runs behind covers of its own: what the agent has it do
# gets neither the store nor its key, gains nothing of a process outside, and does not outlive the request. The control is the
# same attack with the covers off. Where there can be no covers, the program is not run.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/external_stores.inc"
start_upstream
play h.echo.test g.echo.test

stored=$(new_canary)
STORE_DIR=$AGENT_VAULT_HOME NAP=$((100000 + RANDOM))
export STORE_DIR NAP AV_CASE AV_BINARY
mkdir -p "$AV_CASE/work"
printf '%s' "$stored" | av vault credential set STORED --stdin >/dev/null 2>&1

# A helper with a configuration file, as most have one: this one obeys it as a shell would.
mkdir -m 700 "$HOME/bin"
cat >"$HOME/bin/helper" <<'EOF'
#!/bin/bash
[ -r "$HOME/.helperrc" ] && . "$HOME/.helperrc"
cat >/dev/null
echo username=me
echo password=value-of-the-helper-1
EOF
chmod 700 "$HOME/bin/helper"
printf 'secret-of-the-helper-1' >"$OUT/own"
pair_helper() { # ISOLATION
  av vault store pair cmd --name tool --set "program=$HOME/bin/helper" --set "isolation=$1" --set-file "secret=$OUT/own" \
    --set secret_variable=HELPER_SECRET 2>"$OUT/pair.err" || fail "$(cat "$OUT/pair.err")"
}
pair_helper store
from HELPED cmd://h.echo.test h.echo.test

# What the agent does: the helper's configuration is its own program, which takes what it can get.
cat >"$OUT/agent.sh" <<'EOF'
LOOT=$AV_CASE/work/loot
cat >"$HOME/.helperrc" <<RC
{
  echo "ran"
  cat "$STORE_DIR/key" && echo KEY-READ
  ls "$STORE_DIR"
  "$AV_BINARY" vault credential get STORED
  HOME=$HOME AGENT_VAULT_HOME=$STORE_DIR "$AV_BINARY" vault credential get STORED
  unshare -Urm sh -c 'umount -l "$STORE_DIR"; cat "$STORE_DIR/key"' && echo KEY-READ
  for each in /proc/[0-9]*; do tr '\\0' ' ' <\$each/cmdline; echo; done | grep -c 'bash .*agent[.]sh' | sed 's/^/others: /'
  grep -E 'NoNewPrivs|CapBnd' /proc/self/status
  (setsid sleep $NAP & )
} >"$LOOT" 2>&1
RC
curl -sS "https://h.echo.test/echo" >"$LOOT.answer" 2>&1
EOF
attack() { # OPTION...
  rm -f "$AV_CASE/work/loot" "$HOME/.helperrc"
  (cd "$AV_CASE/work" && av_run "$@" -- bash "$OUT/agent.sh") ||
    fail "the run"
  cp "$AV_CASE/work/loot" "$OUT/loot" || fail "the helper did not run: $(cat "$AV_CASE/work/loot.answer")"
  rm -f "$AV_CASE/work/loot"
}
left_running() { pgrep -u "$(id -u)" -f "^sleep $NAP\$" || true; }

for level in store off; do
  attack --isolation $level
  assert_contains "$OUT/loot" ran
  assert_contains "$AV_CASE/work/loot.answer" 'Bearer' # the helper's value was sent all the same
  assert_absent "$OUT/loot" "$stored"
  assert_absent "$OUT/loot" KEY-READ
  assert_contains "$OUT/loot" 'others: 0'
  assert_matches "$OUT/loot" 'NoNewPrivs:.1'
  assert_matches "$OUT/loot" 'CapBnd:.0000000000000000'
  assert_eq '' "$(left_running)" "processes of the helper that outlive it ($level)"
done
# By the commands of the owner, too.
av vault store read cmd://h.echo.test >"$OUT/read" 2>&1 || fail "$(cat "$OUT/read")"
assert_contains "$OUT/read" value-of-the-helper-1
cp "$AV_CASE/work/loot" "$OUT/loot"
assert_absent "$OUT/loot" "$stored"
assert_absent "$OUT/loot" KEY-READ
assert_eq '' "$(left_running)" "processes of the helper that outlive vault store read"

# The control: without covers the same files are the whole vault.
pair_helper off
attack --isolation store
assert_contains "$OUT/loot" "$stored"
assert_contains "$OUT/loot" KEY-READ
assert_matches "$OUT/loot" 'others: [1-9]'
for pid in $(left_running); do kill "$pid"; done
av vault store status tool >"$OUT/status"
assert_contains "$OUT/status" isolation
pair_helper store

# Where no namespaces can be had, the helper is not run, and says why; a run that is off is without covers in any case.
rm -f "$HOME/.helperrc"
cat >"$OUT/bare.sh" <<'EOF'
echo 0 >/proc/sys/user/max_user_namespaces || exit 42
exec "$@"
EOF
if unshare -Ur sh "$OUT/bare.sh" true 2>/dev/null; then
  expect_exit 4 unshare -Ur sh "$OUT/bare.sh" "$AV_BINARY" vault store read cmd://h.echo.test
  assert_contains "$OUT/stderr" 'cannot be isolated'
  assert_absent "$OUT/stderr" value-of-the-helper-1
fi

# pass, with the GnuPG that there is: the agent names another gpg-agent in gpg.conf.
if command -v gpg >/dev/null; then
  mkdir -m 700 "$HOME/pass" "$HOME/.password-store" "$HOME/.gnupg"
  cat >"$HOME/pass/pass" <<'EOF'
#!/bin/bash
case "$1" in
  ls) echo "Password Store" ;;
  show) exec gpg -q --batch --no-tty -d "$HOME/.password-store/$2.gpg" ;;
esac
EOF
  chmod 700 "$HOME/pass/pass"
  gpg --batch --passphrase '' --quick-gen-key me@x.test default default >"$OUT/gpg.out" 2>&1 || skip "gpg makes no key here"
  echo value-of-pass-1 | gpg --batch -q -e -r me@x.test -o "$HOME/.password-store/api.gpg" 2>>"$OUT/gpg.out"
  gpgconf --kill gpg-agent
  av vault store pair pass --set "program=$HOME/pass/pass" 2>"$OUT/pair.err" || fail "$(cat "$OUT/pair.err")"
  from PASS_KEY pass://api g.echo.test
  cat >"$OUT/gpg.sh" <<'EOF'
# At this level the directory is not there to be written to; as one that was written before it was closed:
cat "$HOME/.gnupg/gpg.conf" >"$AV_CASE/work/seen" 2>&1 && echo SEEN >>"$AV_CASE/work/seen"
curl -sS "https://g.echo.test/echo" >"$AV_CASE/work/answer" 2>&1
EOF
  cat >"$HOME/evil" <<EOF
#!/bin/sh
{ cat "$AGENT_VAULT_HOME/key" && echo KEY-READ; echo ran; } >"$AV_CASE/work/loot" 2>&1
EOF
  chmod 755 "$HOME/evil"
  echo "# nothing" >"$HOME/.gnupg/gpg.conf"
  (cd "$AV_CASE/work" && av_run -- bash "$OUT/gpg.sh")
  assert_contains "$AV_CASE/work/answer" Bearer
  assert_absent "$AV_CASE/work/seen" SEEN
  echo "agent-program $HOME/evil" >"$HOME/.gnupg/gpg.conf"
  gpgconf --kill gpg-agent 2>/dev/null || true
  rm -f "$AV_CASE/work/loot"
  av vault store read pass://api >"$OUT/read" 2>&1 || true
  assert_contains "$AV_CASE/work/loot" ran
  assert_absent "$AV_CASE/work/loot" KEY-READ
  av vault store pair pass --set "program=$HOME/pass/pass" --set isolation=off >/dev/null 2>&1
  av vault store read pass://api >"$OUT/read" 2>&1 || true
  assert_contains "$AV_CASE/work/loot" KEY-READ
  rm -f "$HOME/.gnupg/gpg.conf"
  gpgconf --kill gpg-agent 2>/dev/null || true
fi
