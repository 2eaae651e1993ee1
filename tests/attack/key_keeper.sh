#!/usr/bin/env bash
# The keeper of an unlocked key (`agent-vault unlock`): the command of a run looks for its socket, asks it with a program of its own and with
# agent-vault itself, and looks for its process to trace it and to read its memory. Outside of runs the same program is given the key.
# timeout: 180
set -eu
. "$(dirname "$0")/attack.inc"
printf 'correct horse\n' | av key set-passphrase --stdin 2>/dev/null
AGENT_VAULT_MASTER_PASSWORD='correct horse' av unlock 2>/dev/null
KEK_ID=$("$AV_PYTHON" -c 'import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute("SELECT hex(kek_id) FROM key").fetchone()[0])' "$STORE/vault.db")
export AV_BINARY AV_PYTHON KEK_ID
cat >"$AV_CASE/work/ask.py" <<'PY'
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(os.environ["STORE"] + "/unlocked.sock")
print("GOT a connection to the keeper")
files = [open("/proc/self/maps", "rb")]
s.sendmsg([b"AVkeep01k" + bytes.fromhex(os.environ["KEK_ID"])],
          [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [f.fileno() for f in files]))])
if s.recv(4096)[8:9] == b"K":
    print("KEY given to another program")
PY

# The control: outside, without a question.
av vault credential list </dev/null >/dev/null || fail "outside of runs the key is not given: the cases below prove nothing"

export SIGHT=GOT
keeper_case() {
  attack_case <<'SH'
"$AV_PYTHON" ask.py 2>/dev/null
# Non-guarded commands, by this very program, with the store's own place and without the marks of the run.
for words in "vault credential list" "key status"; do
  env -u AGENT_VAULT_RUN AGENT_VAULT_HOME="$STORE" "$AV_BINARY" $words </dev/null >/dev/null 2>&1 && echo "KEY used by $words"
  env -u AGENT_VAULT_RUN AGENT_VAULT_HOME="$STORE" setsid -f sh -c "\"\$AV_BINARY\" $words </dev/null >orphan.out 2>&1 && echo KEY >orphan.got"
done
sleep 0.5
[ -e orphan.got ] && echo "KEY used by an orphan"
for p in /proc/[0-9]*; do
  [ "$(cat "$p/comm" 2>/dev/null)" = agent-vault-key ] || continue
  echo "$SIGHT sight of the keeper"
  (exec 3<"$p/mem") 2>/dev/null && echo "GOT its memory"
  cat "$p/maps" >/dev/null 2>&1 && echo "GOT its maps"
  readlink "$p/exe" >/dev/null && echo "GOT its program"
done
"$AV_PYTHON" - <<'PY'
import ctypes, glob
libc = ctypes.CDLL(None)
for path in glob.glob("/proc/[0-9]*/comm"):
    try:
        if open(path).read().strip() == "agent-vault-key" and libc.ptrace(0x4206, int(path.split("/")[2]), 0, 0) == 0:
            print("GOT a trace of the keeper")
    except OSError:
        pass
PY
SH
}
KEPT="store network strict"
keeper_case
# At landlock the process is seen, and nothing else.
KEPT=landlock SIGHT=got
keeper_case
# At `off` the agent sees it all, and as the same user it can do what a debugger can; but asking as it is, it is told no.
for level in off landlock store network strict; do
  ! grep KEY "$OUT/$level.out" || fail "the keeper gave the key to the run at $level"
done
# It is there all the same, and serves those outside.
av vault credential list </dev/null >/dev/null || fail "the keeper is gone"
av lock 2>/dev/null
