#!/usr/bin/env bash
# A name with an IPv6 and an IPv4 address of which one is dead or silent is reached through the other
# without a wait that a person would notice. The name is in an /etc/hosts of this case's own.
set -eu
. "$(dirname "$0")/common.inc"
need unshare mount
start_upstream
printf '127.0.0.1 localhost\n::1 dual.test\n127.0.0.1 dual.test\n' >"$OUT/hosts"
export HTTP_PORT HOSTS=$OUT/hosts REAL_BINARY=$AV_BINARY
cat >"$OUT/with-hosts" <<'SH'
#!/bin/sh
exec unshare -rm sh -c 'mount --bind "$HOSTS" /etc/hosts && exec "$@"' sh "$REAL_BINARY" "$@"
SH
chmod +x "$OUT/with-hosts"
AV_BINARY=$OUT/with-hosts
"$AV_BINARY" --version >/dev/null 2>&1 || skip "no mount namespace of one's own here"
RUN_OPTIONS+=(--isolation off)

cat >"$OUT/reach.py" <<'PY'
import os, time
import proxy_client as p
start = time.monotonic()
reply = p.request(f"http://dual.test:{os.environ['HTTP_PORT']}/echo")
print(reply.status, reply.code, round(time.monotonic() - start, 2))
assert reply.status == 200 and time.monotonic() - start < 3, (reply.head, time.monotonic() - start)
PY
# Nothing listens on ::1.
agent_python --allow-net 127.0.0.0/8 --allow-net ::1 <"$OUT/reach.py"
# Something does, and its queue is full: connections neither stand nor fail.
"$AV_PYTHON" -c 'import socket, sys, time
s = socket.socket(socket.AF_INET6); s.bind(("::1", int(sys.argv[1]))); s.listen(0)
held = []
for _ in range(3):
    c = socket.socket(socket.AF_INET6); c.setblocking(False)
    try: c.connect(s.getsockname())
    except BlockingIOError: pass
    held.append(c)
print("ready", flush=True); time.sleep(40)' "$HTTP_PORT" >"$OUT/silent" 2>"$OUT/silent.err" &
wait_for 30 test -s "$OUT/silent"
agent_python --allow-net 127.0.0.0/8 --allow-net ::1 <"$OUT/reach.py"
cat "$OUT/agent.out"
# The control: that address alone does not answer.
printf '::1 dual.test\n' >"$OUT/hosts"
cat >"$OUT/silence.py" <<'PY'
import os
import proxy_client as p
reply = p.request(f"http://dual.test:{os.environ['HTTP_PORT']}/echo")
assert (reply.status, reply.code) == (504, "connect_timeout"), reply.head
PY
agent_python --connect-timeout 1 --allow-net ::1 <"$OUT/silence.py"
# An address that the guard refuses is not tried, silent or not; the other one is.
printf '::1 dual.test\n127.0.0.1 dual.test\n' >"$OUT/hosts"
agent_python --allow-net 127.0.0.0/8 <"$OUT/reach.py"
