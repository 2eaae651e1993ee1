#!/usr/bin/env bash
# A store that cannot be used is a clear error with a hint; nothing is overwritten, and the store works
# again when the cause is gone.
# timeout: 90
set -eu
. "$(dirname "$0")/common.inc"
store=$AGENT_VAULT_HOME
set_credential TOKEN kept
cp -a "$store" "$OUT/good"
restore() { rm -rf "$store"; cp -a "$OUT/good" "$store"; }
state() { { cat "$store"/vault.db "$store"/key 2>/dev/null || true; } | sha256sum; }
broken() { # CODE WHAT
  local before after
  before=$(state)
  expect_exit "$1" av vault credential get TOKEN
  assert_error
  grep -q '^agent-vault: hint: ' "$OUT/stderr" || grep -q '^hint: ' "$OUT/stderr" || fail "$2: no hint: $(cat "$OUT/stderr")"
  after=$(state)
  assert_eq "$before" "$after" "$2: the files"
  printf '%s: %s\n' "$2" "$(grep error: "$OUT/stderr")"
  expect_exit 125 av run -- true
  restore
  assert_eq kept "$(av vault credential get TOKEN)" "after $2"
}
AGENT_VAULT_HOME=$OUT/other av vault list >/dev/null
cat "$OUT/other/key" >"$store/key"
broken 4 "wrong key file"
head -c "$(stat -c %s "$store/key")" /dev/urandom >"$store/key"
broken 4 "garbage key file"
rm "$store/key"
broken 4 "no key file"
: >"$store/key"
broken 4 "empty key file"
truncate -s 5000 "$store/vault.db"
rm -f "$store"/vault.db-*
broken 1 "truncated database"
head -c 20000 /dev/urandom >"$store/vault.db"
rm -f "$store"/vault.db-*
broken 1 "garbage database"
if command -v sqlite3 >/dev/null; then
  sqlite3 "$store/vault.db" 'PRAGMA user_version = 9999' >/dev/null
  broken 1 "newer schema"
fi
chmod 777 "$store"
expect_exit 0 av vault credential get TOKEN
assert_eq 700 "$(stat -c %a "$store")" "mode of a store that was open to others"

# An unwritable home, as somebody who is not root.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
  mkdir -m 755 "$AV_CASE/locked"
  expect_exit 4 setpriv --reuid=65534 --regid=65534 --clear-groups env AGENT_VAULT_HOME="$AV_CASE/locked/store" \
    "$AV_BINARY" vault credential list
  assert_error
fi

# A full disk: the write is refused, what was there stays.
if unshare -Urm true 2>/dev/null || unshare -m true 2>/dev/null; then
  flags=-Urm
  [ "$(id -u)" = 0 ] && flags=-m
  cat >"$OUT/full.sh" <<'SH'
set -eu
mount -t tmpfs -o size=1m,mode=700 none "$1"
export AGENT_VAULT_HOME=$1
printf first | "$AV_BINARY" vault credential set FIRST --stdin >/dev/null 2>&1
dd if=/dev/zero of="$1/filler" bs=4k 2>/dev/null || true
code=0
head -c 60000 /dev/zero | tr '\0' x | "$AV_BINARY" vault credential set BIG --stdin >"$2.out" 2>"$2.err" || code=$?
echo "code $code" >"$2.code"
rm "$1/filler"
"$AV_BINARY" vault credential get FIRST >"$2.first"
code=0
"$AV_BINARY" vault credential get BIG >/dev/null 2>&1 || code=$?
echo "big $code" >>"$2.code"
SH
  mkdir "$AV_CASE/full"
  unshare $flags sh "$OUT/full.sh" "$AV_CASE/full" "$OUT/full"
  assert_contains "$OUT/full.code" 'code 1'
  assert_contains "$OUT/full.code" 'big 3'
  assert_matches "$OUT/full.err" '^agent-vault: error: .*(space|full)'
  assert_eq first "$(cat "$OUT/full.first")"
fi
