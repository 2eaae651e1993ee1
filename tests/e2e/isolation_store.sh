#!/usr/bin/env bash
# Isolation `store`: the child sees neither the store nor the broker. The same attacks succeed with
# `--isolation off`, so they are real.
set -eu
. "$(dirname "$0")/common.inc"
real=$(new_canary)
set_credential TOKEN "$real"

cat >attack.sh <<'SH'
# Prints one word per attack that worked.
store=$1
[ -s "$store/vault.db" ] && echo read-db
ls "$store" 2>/dev/null | grep -q . && echo list-store
cat "$store/key" >/dev/null 2>&1 && echo read-key
touch "$store/x" 2>/dev/null && echo write-store
umount "$store" 2>/dev/null && [ -s "$store/vault.db" ] && echo umount
unshare -Urm sh -c "umount -l '$store' 2>/dev/null; [ -s '$store/vault.db' ]" 2>/dev/null && echo nested-umount
for p in /proc/[0-9]*; do
  [ -r "$p/cmdline" ] && tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -q "run --.*attack" &&
    [ "$(tr '\0' ' ' <"$p/cmdline" | cut -d' ' -f2)" = run ] && {
    [ "$p" = /proc/1 ] || echo see-broker # PID 1 is the run's own init, without a secret in it
    cat "$p/root$store/key" >/dev/null 2>&1 && echo broker-root
    cat "$p/environ" >/dev/null 2>&1 && echo broker-environ
    head -c 1 "$p/mem" >/dev/null 2>&1; dd if="$p/maps" of=/dev/null 2>/dev/null && echo broker-maps
  }
done
grep -q '^NoNewPrivs:.*1' /proc/self/status || echo may-gain-privileges
grep -q '^CapEff:.*0000000000000000' /proc/self/status || [ "$(id -u)" = 0 ] && grep -q '^CapBnd:.*[1-9a-f]' /proc/self/status && echo has-capabilities
for name in $(env | sed -n 's/^\(AGENT_VAULT_[A-Z]*\)=.*/\1/p' | grep -v HOME); do
  unset "$name" # by which the program knows that it runs inside a run
done
# The launcher among its ancestors gives it away, until it has a /proc of its own.
for own in "" "unshare -mpf --mount-proc" "unshare -Urmpf --mount-proc"; do
  AGENT_VAULT_HOME=$store $own "$AV_BINARY" vault credential get TOKEN 2>/dev/null && echo own-cli
done
exit 0
SH
agent --isolation store -- bash attack.sh "$AGENT_VAULT_HOME"
assert_eq '' "$(cat "$OUT/agent.out")" "attacks that worked at store"
canary_check "$OUT/agent.out" "$OUT/agent.err"


agent --isolation off -- bash attack.sh "$AGENT_VAULT_HOME"
for attack in read-db list-store read-key own-cli; do
  assert_contains "$OUT/agent.out" $attack
done
assert_matches "$OUT/agent.err" 'isolation|not enforced|nothing is enforced'
expect_exit 2 av run --isolation nonsense -- true
# The store was not harmed by the attacks.
assert_eq "$real" "$(av vault credential get TOKEN)"
