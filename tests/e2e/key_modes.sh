#!/usr/bin/env bash
# The three ways to hold the key: file, passphrase, SECRET_ENCRYPTION_KEY; changing between them and
# rotating keeps every value, and what opened the store before no longer does.
# timeout: 90
set -eu
. "$(dirname "$0")/common.inc"
store=$AGENT_VAULT_HOME
mode() { av key status --json >"$OUT/key.json"; json "$OUT/key.json" 'd["mode"]'; }
for i in 1 2 3 4 5; do
  set_credential "KEY_$i" "value $i"
done
set_credential KEY_1 'value 1 again'
assert_eq file "$(mode)"
assert_eq 600 "$(stat -c %a "$store/key")"
assert_eq 600 "$(stat -c %a "$store/vault.db")"
assert_eq 700 "$(stat -c %a "$store")"
av key status >"$OUT/status.txt"
assert_contains "$OUT/status.txt" file

cp "$store/key" "$OUT/old.key"
av key rotate >/dev/null 2>&1
assert_eq 'value 1 again' "$(av vault credential get KEY_1)"
assert_eq 'value 5' "$(av vault credential get KEY_5)"
cp "$store/key" "$OUT/new.key"
cat "$OUT/old.key" >"$store/key"
expect_exit 4 av vault credential get KEY_1
assert_error
cat "$OUT/new.key" >"$store/key"
av vault credential rollback KEY_1 >/dev/null 2>&1
assert_eq 'value 1' "$(av vault credential get KEY_1)" "history after a rotation"

# A passphrase.
printf 'correct horse\n' | av key set-passphrase --stdin >/dev/null 2>&1
[ ! -e "$store/key" ] || fail "the key file is still there"
expect_exit 4 av vault credential get KEY_2 </dev/null
assert_error
expect_exit 4 env AGENT_VAULT_MASTER_PASSWORD='wrong horse' "$AV_BINARY" vault credential get KEY_2
assert_error
export AGENT_VAULT_MASTER_PASSWORD='correct horse'
assert_eq 'value 2' "$(av vault credential get KEY_2)"
assert_eq passphrase "$(mode)"
av key rotate >/dev/null 2>&1
assert_eq 'value 2' "$(av vault credential get KEY_2)"
grep -raqF 'correct horse' "$store" && fail "the passphrase is on disk"
agent -- sh -c 'env >env.txt'
assert_absent env.txt 'correct horse'
unset AGENT_VAULT_MASTER_PASSWORD
# Typed at the terminal.
"$AV_PYTHON" "$SUPPORT/with_tty.py" 'expect=[Pp]assphrase' 'send=correct horse\n' 'expect=value 3' -- \
  "$AV_BINARY" vault credential get KEY_3 >"$OUT/tty.out" 2>&1 || { cat "$OUT/tty.out"; fail "prompt"; }
assert_absent "$OUT/tty.out" 'correct horse'

# A key from the environment, in a store of its own.
export AGENT_VAULT_HOME=$AV_CASE/second
SECRET_ENCRYPTION_KEY=$(head -c 32 /dev/urandom | base64)
export SECRET_ENCRYPTION_KEY
set_credential KEY_9 'value 9'
assert_eq 'value 9' "$(av vault credential get KEY_9)"
assert_eq environment "$(mode)"
[ ! -e "$AGENT_VAULT_HOME/key" ] || fail "a key file was made"
agent -- sh -c 'env >env2.txt'
assert_absent env2.txt SECRET_ENCRYPTION_KEY
good=$SECRET_ENCRYPTION_KEY
unset SECRET_ENCRYPTION_KEY
expect_exit 4 av vault credential get KEY_9
assert_error
expect_exit 4 env SECRET_ENCRYPTION_KEY="$(head -c 32 /dev/urandom | base64)" "$AV_BINARY" vault credential get KEY_9
expect_exit 1 env SECRET_ENCRYPTION_KEY=tooshort "$AV_BINARY" vault credential get KEY_9
assert_error SECRET_ENCRYPTION_KEY
SECRET_ENCRYPTION_KEY=$good av vault credential get KEY_9 >/dev/null
