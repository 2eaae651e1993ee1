#!/usr/bin/env bash
# The run shares the terminal with the user's shell: TIOCSTI types a command into it, which the shell
# reads when the run is over.
set -eu
. "$(dirname "$0")/attack.inc"
[ "$(cat /proc/sys/dev/tty/legacy_tiocsti 2>/dev/null || echo 1)" = 1 ] || skip "the kernel forbids TIOCSTI"
cat >type.py <<'PY'
import fcntl, sys
for request in (0x5412, 0x541C):
    try:
        for letter in "echo typed\n":
            fcntl.ioctl(0, request, letter.encode())
        print("ioctl worked")
    except OSError as error:
        print("ioctl", hex(request), error.errno)
PY
cat >shell.py <<'PY'
import os, pty, select, subprocess, sys
pid, terminal = pty.fork()
if pid == 0:
    subprocess.run(sys.argv[1:], check=False)
    ready = select.select([0], [], [], 1)[0]
    print("GOT " + sys.stdin.readline() if ready else "nothing", flush=True)
    os._exit(0)
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    if not data:
        break
    sys.stdout.buffer.write(data)
os.waitpid(pid, 0)
PY
for level in off store; do
  "$AV_PYTHON" shell.py "$AV_BINARY" run --isolation $level -- "$AV_PYTHON" type.py >"$OUT/$level.out" 2>&1
done
assert_contains "$OUT/off.out" 'GOT echo typed'
assert_absent "$OUT/store.out" GOT
assert_contains "$OUT/store.out" 'ioctl 0x5412 1'
assert_contains "$OUT/store.out" 'ioctl 0x541c 1'
# The terminal is otherwise as it was.
"$AV_PYTHON" shell.py "$AV_BINARY" run --isolation store -- stty size >"$OUT/size.out" 2>&1
assert_matches "$OUT/size.out" '^[0-9]+ [0-9]+'
