#!/usr/bin/env bash
# The command of a run takes a person's place: changes policy, makes agents, decides, reveals values,
# with every disguise that it can put on. Control: the same words in the same disguise, outside of a run.
# timeout: 120
set -eu
. "$(dirname "$0")/attack.inc"
av vault service add --name echo --host echo.test --auth-type bearer --token-key TOKEN >/dev/null
cp -r "$AGENT_VAULT_HOME" "$OUT/pristine"

# The words after `agent-vault`, one attack a line.
cat >words <<'WORDS'
vault credential get TOKEN
vault credential list --reveal
vault credential set NEW_KEY=some-value-of-mine
vault service remove echo
vault settings --unmatched passthrough
agent create mole
WORDS
# These have come with rules and approvals.
if av rule remove --help >/dev/null 2>&1; then echo 'rule remove some-rule' >>words; fi
if av approval allow --help >/dev/null 2>&1; then echo 'approval allow apr_00' >>words; fi
if av proposal approve --help >/dev/null 2>&1; then printf 'proposal %s\n' 'approve 1' 'reject 1' review >>words; fi

cat >disguises.sh <<'SH'
# disguise NAME COMMAND...: runs it as somebody else
disguise() {
  local how=$1 fake=$PWD/fake own=-U
  unshare -Ur true 2>/dev/null && own=-Ur # root may not give itself away inside of a run
  shift
  mkdir -p "$fake"
  case $how in
    plain) "$@" ;;
    no-environment) env -i "HOME=$HOME" "AGENT_VAULT_HOME=$STORE" "$@" ;;
    other-home) env -i "HOME=$fake" "$@" ;;
    named-store) env -i "HOME=$fake" "AGENT_VAULT_HOME=$STORE" "$@" ;;
    own-namespace) unshare $own env -i "HOME=$HOME" "AGENT_VAULT_HOME=$STORE" "$@" ;;
    own-processes)
      # Where root may not mount a /proc of its own, that of the run has to do.
      unshare $own -mpf --mount-proc true 2>/dev/null && own="$own --mount-proc"
      unshare $own -mpf env -i "HOME=$HOME" "AGENT_VAULT_HOME=$STORE" "$@"
      ;;
    orphan)
      rm -f "$fake/code"
      (setsid sh -c 'env -i "HOME=$HOME" "AGENT_VAULT_HOME=$STORE" "$@"; echo $? >"$0"' "$fake/code" "$@" &)
      while [ ! -s "$fake/code" ]; do sleep 0.01; done
      return "$(cat "$fake/code")"
      ;;
  esac
}
DISGUISES="plain no-environment other-home named-store own-namespace own-processes orphan"
SH

cat >attack.sh <<'SH'
. ./disguises.sh
for how in $DISGUISES; do
  while read -r words; do
    code=0
    # shellcheck disable=SC2086
    disguise $how "$AV_BINARY" $words </dev/null >out 2>err || code=$?
    if [ $code = 4 ] && grep -q 'inside `agent-vault run`' err; then
      echo "refused $how: $words"
    else
      echo "GOT $how ($code): $words: $(head -c 200 err)"
    fi
  done <words
done
SH

export AV_BINARY
cp words disguises.sh attack.sh "$OUT"
count=$(wc -l <words)
for level in off store; do
  "$AV_BINARY" run --isolation $level -- bash attack.sh >"$OUT/$level.out" 2>"$OUT/$level.err" </dev/null
  # At `off` a namespace of PIDs of its own, with its own /proc, takes the launcher out of sight: what it
  # does there is done, and undone here.
  if [ $level = off ]; then
    sed -i '/^GOT own-processes /d' "$OUT/$level.out"
    rm -rf "$AGENT_VAULT_HOME"
    cp -r "$OUT/pristine" "$AGENT_VAULT_HOME"
  fi
  if grep GOT "$OUT/$level.out"; then
    fail "a guarded command works at level $level"
  fi
done
assert_eq $((count * 7)) "$(grep -c ^refused "$OUT/store.out")" "refusals at store"
[ "$(grep -c ^refused "$OUT/off.out")" -ge $((count * 6)) ] || fail "not every attack was made at off"
diff -r --exclude='audit' --exclude='*-wal' --exclude='*-shm' --exclude=lanes --exclude=config \
  "$OUT/pristine" "$AGENT_VAULT_HOME" || fail "something changed"
av vault credential get TOKEN >/dev/null

# The control: outside, each disguise in which the store can be reached works.
for how in plain no-environment named-store orphan; do
  expect_exit 0 bash -c ". ./disguises.sh; disguise $how '$AV_BINARY' vault credential get TOKEN"
done
# And what is said of `off`: a process that has outlived its run is nobody's child, and there the key
# file protects nothing.
av run --isolation off -- sh -c '(setsid sh -c "
    while [ ! -e ended ]; do sleep 0.02; done
    env -i HOME=$HOME AGENT_VAULT_HOME=$STORE $AV_BINARY vault credential get TOKEN >outlived 2>outlived.err
    echo done >>outlived" >/dev/null 2>&1 &) ; sleep 0.1' 2>/dev/null
touch ended
wait_for 30 grep -q done outlived
grep -qF "$(tail -n 1 "$CANARIES")" outlived || fail "the control of off: $(cat outlived.err)"

# -- A passphrase: the command neither has what opens the store nor can it be asked on no terminal.
printf 'correct horse battery' | av key set-passphrase --stdin 2>/dev/null
export AGENT_VAULT_MASTER_PASSWORD='correct horse battery'
cat >locked.sh <<'SH'
env | grep -q 'correct horse' && echo GOT environment
for file in /proc/[0-9]*/environ; do
  case $file in /proc/$$/*) continue ;; esac
  [ "$LEVEL" = store ] && grep -aq 'correct horse' "$file" 2>/dev/null && echo "GOT $file"
done
env -i HOME=$HOME AGENT_VAULT_HOME=$STORE "$AV_BINARY" vault list </dev/null >out 2>err && echo GOT store
exit 0
SH
for level in off store; do
  LEVEL=$level "$AV_BINARY" run --isolation $level -- setsid bash locked.sh >"$OUT/locked" 2>/dev/null </dev/null
  if grep GOT "$OUT/locked"; then
    fail "the passphrase of an outer environment reaches the command at $level"
  fi
done
av vault list >/dev/null # the control: with the variable it opens
