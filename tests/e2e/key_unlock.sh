#!/usr/bin/env bash
# `unlock` asks once, and commands then open the store without asking until the time is over, nobody has used it, or `lock`; the
# keeper answers this program of this user for this row, and nobody else.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
need sqlite3 pgrep
store=$AGENT_VAULT_HOME
socket=$store/unlocked.sock
get() { "$AV_BINARY" vault credential get KEY </dev/null; }
is_locked() { ! get; }
unlock() { # [OPTION...]
  "$AV_PYTHON" "$SUPPORT/with_tty.py" 'expect=passphrase of the store' 'send=correct horse\n' 'expect=stays unlocked' -- \
    "$AV_BINARY" unlock "$@" >"$OUT/tty" 2>&1 || { cat "$OUT/tty"; fail "unlock $*"; }
}
# The case's supervisor adopts it, and does not collect those that have ended.
keeper() { pgrep -P $PPID -r R,S,D -x agent-vault-key; }
is_gone() { ! keeper | grep -qx "$1"; }
value=$(new_canary)
set_credential KEY "$value"
expect_exit 1 av unlock
assert_error 'nothing to unlock'
printf 'correct horse\n' | av key set-passphrase --stdin 2>/dev/null
expect_exit 4 get
assert_error 'agent-vault'

# Once, and then no more.
unlock
assert_contains "$OUT/tty" '8 h'
assert_absent "$OUT/tty" 'correct horse'
for _ in 1 2 3; do
  assert_eq "$value" "$(get)"
done
agent -- true
av key status >"$OUT/status"
assert_matches "$OUT/status" 'unlocked +for another 7 h 59 min'
assert_eq true "$(av key status --json | "$AV_PYTHON" -c 'import json,sys; d=json.load(sys.stdin); print(str(d["asks"] and 28000 < d["unlocked_s"] <= 28800).lower())')"
assert_eq 600 "$(stat -c %a "$socket")"

# What the process has: nothing but what it needs.
pid=$(keeper) || fail "there is no keeper"
tr '\0' '\n' <"/proc/$pid/environ" >"$OUT/environ" 2>/dev/null || true
[ ! -s "$OUT/environ" ] || fail "the keeper has an environment"
assert_matches "/proc/$pid/status" '^NoNewPrivs:.1'
assert_matches "/proc/$pid/limits" '^Max core file size +0 +0'
assert_matches "/proc/$pid/status" '^VmLck:.* [1-9][0-9]* kB'
if [ "$(id -u)" = 0 ]; then
  assert_eq / "$(readlink "/proc/$pid/cwd")"
  for fd in /proc/"$pid"/fd/*; do
    case "$(readlink "$fd")" in /dev/null | socket:* | 'anon_inode:[timerfd]') ;; *) fail "the keeper has $(readlink "$fd")" ;; esac
  done
fi
assert_eq "$pid" "$(awk '{print $6}' "/proc/$pid/stat")" "the session of the keeper"

# Another program, with what it can show of itself or of others, gets nothing; this one did, above.
cat >"$OUT/ask.py" <<'PY'
"""ask.py SOCKET KEK_ID FILE WORD: the byte of the answer, and its size. FILE is handed over as the asker's maps."""
import array, socket, sys
path, kek_id, shown, word = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(path)
with open(shown, "rb") as file:
    s.sendmsg([b"AVkeep01" + word.encode() + bytes.fromhex(kek_id)],
              [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()]))])
data = s.recv(4096)
print(chr(data[8]), len(data))
PY
kek_id_of() { sqlite3 "$1/vault.db" 'SELECT hex(kek_id) FROM key'; }
ask() { "$AV_PYTHON" "$OUT/ask.py" "$socket" "$(kek_id_of "$store")" "$@"; }
assert_eq 'N 16' "$(ask /proc/self/maps k)" "another program"
assert_eq 'N 16' "$(ask /proc/self/maps s)" "another program, for the state"
sed 's/.*/x/' /proc/self/maps >"$OUT/maps"
assert_eq 'N 16' "$(ask "$OUT/maps" k)" "files"
if [ "$(id -u)" = 0 ]; then
  # Only root can open this of another process, and it is not the asker's.
  assert_eq 'N 16' "$(ask "/proc/$pid/maps" k)" "the evidence of somebody else"
fi
cp "$AV_BINARY" "$OUT/another-file"
expect_exit 4 "$OUT/another-file" vault credential get KEY </dev/null
# Garbage does no harm.
"$AV_PYTHON" - "$socket" <<'PY'
import socket, sys
for data in (b"", b"x", b"AVkeep01", b"AVkeep01k" + b"\0" * 8, b"\xff" * 4096):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sys.argv[1])
    s.send(data)
    s.close()
PY
assert_eq "$value" "$(get)"

# Another row: what is kept does not fit, also when nobody has told the keeper.
kek_id=$(kek_id_of "$store")
sqlite3 "$store/vault.db" "UPDATE key SET kek_id = x'0000000000000000'"
expect_exit 4 get
sqlite3 "$store/vault.db" "UPDATE key SET kek_id = x'$kek_id'"
assert_eq "$value" "$(get)"

# lock ends it; a second one has nothing to do.
av lock 2>"$OUT/words"
assert_contains "$OUT/words" locked
expect_exit 4 get
[ ! -e "$socket" ] || fail "the socket is still there"
wait_for 10 is_gone "$pid"
av lock 2>"$OUT/words"
assert_contains "$OUT/words" 'nothing was unlocked'
AGENT_VAULT_MASTER_PASSWORD='correct horse' av log --limit 50 >"$OUT/log" 2>/dev/null || AGENT_VAULT_MASTER_PASSWORD='correct horse' av log >"$OUT/log"
assert_contains "$OUT/log" key.unlock
assert_contains "$OUT/log" key.lock

# The time that was asked for; the time that nobody used it; what the settings say.
unlock --for 6s
assert_eq "$value" "$(get)"
wait_for 30 is_locked
unlock --idle 2s
assert_contains "$OUT/tty" 'after its last use'
wait_for 15 test ! -e "$socket"
expect_exit 4 get
mkdir -p "$store/config"
printf '[key]\nunlock_for = "90m"\nunlock_idle = "20m"\n' >"$store/config/config.toml"
unlock
assert_contains "$OUT/tty" '1 h 30 min, or 20 min after its last use'
agent -- true
printf '[key]\nunlock_for = "soon"\n' >"$store/config/config.toml"
expect_exit 1 av unlock
assert_error unlock_for
rm "$store/config/config.toml"
expect_exit 2 av unlock --for 0s
assert_error

# Another passphrase ends it. So does the end of its socket, and a keeper that was killed is no obstacle.
printf 'battery staple\n' | av key set-passphrase --stdin 2>"$OUT/words"
assert_contains "$OUT/words" 'asked for again'
expect_exit 4 get
printf 'correct horse\n' | AGENT_VAULT_MASTER_PASSWORD='battery staple' av key set-passphrase --stdin 2>/dev/null
unlock
kill -9 "$(keeper)"
expect_exit 4 get
unlock
assert_eq "$value" "$(get)"
# A wrong passphrase unlocks nothing, and leaves what is unlocked.
"$AV_PYTHON" "$SUPPORT/with_tty.py" 'expect=passphrase of the store' 'send=wrong horse\n' 'expect=wrong passphrase' -- \
  "$AV_BINARY" unlock >"$OUT/tty" 2>&1 && fail "a wrong passphrase unlocks"
assert_eq "$value" "$(get)"
# A store under a long name.
long=$AV_CASE/$(printf 'a%.0s' $(seq 150))/$(printf 'b%.0s' $(seq 150))
mkdir -p "$(dirname "$long")"
cp -r "$store" "$long"
rm -f "$long/unlocked.sock"
AGENT_VAULT_HOME=$long
unlock
assert_eq "$value" "$(get)"
av lock 2>/dev/null

# An ordinary user, whose keeper cannot look at /proc/PID/exe of this program.
AGENT_VAULT_HOME=$store
[ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || exit 0
base=$(mktemp -d /var/tmp/av-user-XXXXXX)
user=4712 # nobody has this number
as_user() { env -i PATH="$PATH" HOME="$base/home" AGENT_VAULT_HOME="$base/home/store" setpriv --reuid $user --regid $user --clear-groups "$@"; }
trap 'as_user "$base/agent-vault" lock 2>/dev/null; rm -rf "$base"' EXIT
chmod 711 "$base"
install -d -o $user -g $user -m 700 "$base/home" "$base/home/store"
install -m 755 "$AV_BINARY" "$base/agent-vault"
printf user-secret | as_user "$base/agent-vault" vault credential set KEY --stdin 2>/dev/null
printf 'correct horse\n' | as_user "$base/agent-vault" key set-passphrase --stdin 2>/dev/null
as_user env AGENT_VAULT_MASTER_PASSWORD='correct horse' "$base/agent-vault" unlock 2>/dev/null
assert_eq user-secret "$(as_user "$base/agent-vault" vault credential get KEY </dev/null)" "as an ordinary user"
install -m 644 "$OUT/ask.py" "$base/ask.py"
kek_id=$(as_user sqlite3 "$base/home/store/vault.db" 'SELECT hex(kek_id) FROM key')
assert_eq 'N 16' "$(as_user "$AV_PYTHON" "$base/ask.py" "$base/home/store/unlocked.sock" "$kek_id" /proc/self/maps k)"
# One that looks like ours from outside: not dumpable, with our file mapped as code.
cat >"$base/disguised.py" <<'PY'
import ctypes, mmap, os, runpy, sys
program = os.open(os.path.dirname(sys.argv[0]) + "/agent-vault", os.O_RDONLY)
held = mmap.mmap(program, 1 << 16, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
sys.argv[0] = os.path.dirname(sys.argv[0]) + "/ask.py"
runpy.run_path(sys.argv[0])
PY
assert_eq 'N 16' "$(as_user "$AV_PYTHON" "$base/disguised.py" "$base/home/store/unlocked.sock" "$kek_id" /proc/self/maps k)"
install -m 755 "$AV_BINARY" "$base/another-file"
as_user "$base/another-file" vault credential get KEY </dev/null >"$OUT/stdout" 2>&1 && fail "another file is given the key"
# Another user does not even reach the socket.
env -i PATH="$PATH" HOME="$base/home" AGENT_VAULT_HOME="$base/home/store" setpriv --reuid 4713 --regid 4713 --clear-groups \
  "$base/agent-vault" vault credential get KEY </dev/null >"$OUT/stdout" 2>&1 && fail "another user is given the key"
assert_eq user-secret "$(as_user "$base/agent-vault" vault credential get KEY </dev/null)" "after all that"
as_user "$base/agent-vault" lock 2>/dev/null
as_user "$base/agent-vault" vault credential get KEY </dev/null >"$OUT/stdout" 2>&1 && fail "locked, it opens"
exit 0
