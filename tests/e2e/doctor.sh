#!/usr/bin/env bash
# `doctor` says of a good installation that it is one, and of each fault what it is and what to type; the isolation levels are attacked from
# inside, and one that has lost a layer is found out.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
state() { json "$OUT/stdout" "next(c['state'] for c in d['checks'] if c['check'] == '$1')"; }
fix() { json "$OUT/stdout" "next(c.get('fix', '') for c in d['checks'] if c['check'] == '$1')"; }

# A place that others cannot write to, whatever the mask of who has built it.
install -d -m 755 "$AV_CASE/bin"
install -m 755 "$AV_BINARY" "$AV_CASE/bin/agent-vault"
AV_BINARY=$AV_CASE/bin/agent-vault

# Before there is a store.
expect_exit 0 av doctor --json
assert_eq skipped "$(state store)"
set_credential TOKEN "$(new_canary)"
expect_exit 0 av doctor --json
for check in program "isolation store" "isolation network" "isolation strict" files store proxy clock; do
  case "$(state "$check")" in ok | warning) ;; *) fail "$check: $(cat "$OUT/stdout")" ;; esac
done
assert_matches "$OUT/stdout" '"isolation strict","state":"ok","detail":"1[0-9] ways'
assert_eq true "$(json "$OUT/stdout" 'd["ok"]')"
canary_check "$OUT/stdout" "$OUT/stderr"
expect_exit 0 av doctor
assert_contains "$OUT/stdout" "CHECK"

# Faults.
chmod 777 "$AV_CASE/bin"
expect_exit 1 av doctor --json
assert_eq failed "$(state program)"
chmod 755 "$AV_CASE/bin"
chmod 644 "$AGENT_VAULT_HOME/key"
expect_exit 1 av doctor --json
assert_eq failed "$(state files)"
assert_contains "$OUT/stdout" "chmod"
chmod 600 "$AGENT_VAULT_HOME/key"
cp -r "$AGENT_VAULT_HOME" "$OUT/copy"
page=$("$AV_PYTHON" -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT rootpage FROM sqlite_master WHERE name = \"key\"").fetchone()[0])' "$OUT/copy/vault.db")
head -c 64 /dev/urandom | dd of="$OUT/copy/vault.db" bs=1 seek=$(((page - 1) * 4096)) conv=notrunc 2>/dev/null
AGENT_VAULT_HOME=$OUT/copy expect_exit 1 av doctor --json
assert_eq failed "$(state store)"
touch -d '+10 days' "$AGENT_VAULT_HOME/vault.db"
expect_exit 1 av doctor --json
assert_eq failed "$(state clock)"
touch "$AGENT_VAULT_HOME/vault.db"
# A store that needs a passphrase is not asked for one.
printf 'correct horse battery' | av key set-passphrase --stdin
expect_exit 0 av doctor --json </dev/null
assert_eq skipped "$(state store)"
AGENT_VAULT_MASTER_PASSWORD='correct horse battery' expect_exit 0 av doctor --json
assert_eq ok "$(state key)"
assert_eq skipped "$(state proxy)"
# Nobody inside a run is told.
AGENT_VAULT_MASTER_PASSWORD='correct horse battery' expect_exit 4 av run --isolation off -- "$AV_BINARY" doctor
assert_contains "$OUT/stderr" "not available inside"

# Where a layer cannot be had, that is what is said: a filter forbids namespaces, as some containers do.
if [ -x /usr/bin/python3 ]; then
  cat >no_namespaces.py <<'PY'
import ctypes, os, struct, sys
# seccomp: clone with CLONE_NEWUSER is refused with EPERM.
def ins(code, jt, jf, k):
    return struct.pack("HBBI", code, jt, jf, k)
number = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
program = ins(0x20, 0, 0, 0) + ins(0x15, 0, 3, number) + ins(0x20, 0, 0, 16) + ins(0x45, 0, 1, 0x10000000) + ins(0x06, 0, 0, 0x00050001) + ins(0x06, 0, 0, 0x7FFF0000)
buffer = ctypes.create_string_buffer(program)
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer)), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
PY
  AGENT_VAULT_MASTER_PASSWORD='correct horse battery' expect_exit 0 python3 no_namespaces.py "$AV_BINARY" doctor --json
  assert_eq warning "$(state "isolation strict")"
  assert_contains "$OUT/stdout" "cannot be had"
  expect_exit 125 python3 no_namespaces.py "$AV_BINARY" run --isolation strict -- true
  assert_error
  export AGENT_VAULT_MASTER_PASSWORD='correct horse battery'
  expect_exit 0 python3 no_namespaces.py "$AV_BINARY" run -- true
  assert_contains "$OUT/stderr" "no isolation"
fi
