#!/usr/bin/env bash
# Revoking an agent, deleting it, taking its vault away, rotating its token, and the end of --ttl cut
# what its runs have open within a second: a request that waits, server-sent events, a WebSocket, a
# quiet tunnel, a stream of HTTP/2. New connections get 407. A run of another agent, and one of none,
# go on.
# timeout: 170
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
need node
start_node h2
play echo.test
bearer_service echo.test TOKEN "$(new_canary)"
bearer_service h2.echo.test H2TOKEN "$(new_canary)"

cat >hold.py <<'PY'
import os, select, sys, time
import proxy_client as p, ws_client as ws, h2_client as h2, base64
name = sys.argv[1]

def tunnel(path, headers=()):
    sock = p.tls(p.connect("echo.test:443"), "echo.test")
    sock.sendall(p.compose("GET", path, "echo.test", headers))
    return sock

# Each is one state that a connection can be in.
waiting = tunnel("/slow?ms=60000")
events = tunnel("/sse?n=600&ms=100")
socket = tunnel("/ws", [("Connection", "Upgrade"), ("Upgrade", "websocket"),
                        ("Sec-WebSocket-Version", "13"),
                        ("Sec-WebSocket-Key", base64.b64encode(os.urandom(16)).decode())])
assert p.read_reply(socket).status == 101
socket.sendall(ws.frame(1, b"hello"))
assert ws.read_frame(socket) == (1, b"hello")
quiet = p.connect("echo.test:443")
http2 = h2.H2("h2.echo.test")
http2.request(1, "/sse?n=600&ms=100")
assert http2.pump(lambda: http2.of(1).status is not None), "no answer over HTTP/2"
assert b"200" in events.recv(4096)
held = {"waiting": waiting, "events": events, "websocket": socket, "quiet": quiet, "http2": http2.sock}
for sock in held.values():
    sock.setblocking(False)  # what shows may be TLS's own
open(name + ".up", "w").close()

ended, limit = {}, time.monotonic() + 150
while held and time.monotonic() < limit and not os.path.exists(name + ".stop"):
    pending = [s for s in held.values() if hasattr(s, "pending") and s.pending()]
    ready = pending or select.select(list(held.values()), [], [], 0.02)[0]
    for what, sock in list(held.items()):
        if sock not in ready:
            continue
        try:
            gone = not sock.recv(65536)
        except (BlockingIOError, p.ssl.SSLWantReadError):
            continue
        except OSError:
            gone = True
        if gone:
            ended[what] = time.time()
            del held[what]
with open(name + ".ended", "w") as out:
    out.write(" ".join(f"{what}={when:.3f}" for what, when in ended.items()) + "\n")
try:
    code = p.request("https://echo.test/echo").code
except OSError as error:
    code = repr(error)
with open(name + ".code", "w") as out:
    out.write(str(code))
PY

hold() { # NAME [OPTION...]
  local name=$1
  shift
  rm -f "$name".*
  PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 "$AV_BINARY" run "${RUN_OPTIONS[@]}" "$@" -- \
    "$AV_PYTHON" hold.py "$name" >"$OUT/$name.out" 2>&1 &
  eval "${name}_PID=$!"
}
up() {
  wait_for 25 test -e "$1.up"
}

# cut NAME SINCE CODE: all five ended within a second (and a bit, for the machine) of SINCE
cut() {
  wait_for 30 test -s "$1.code"
  "$AV_PYTHON" - "$1.ended" "$2" <<'PY' || { cat "$OUT/$1.out"; fail "$1: not cut in time"; }
import sys
ended = dict(pair.split("=") for pair in open(sys.argv[1]).read().split())
late = {what: float(when) - float(sys.argv[2]) for what, when in ended.items()}
print(sys.argv[1], {what: round(seconds, 3) for what, seconds in late.items()})
sys.exit(0 if len(late) == 5 and max(late.values()) < 1.5 else 1)
PY
  assert_eq "$3" "$(cat "$1.code")" "$1: the answer to a new connection"
}

av agent create cutme >/dev/null 2>&1
av agent create spared >/dev/null 2>&1
hold spared --agent spared
hold plain
for name in spared plain; do up $name; done

# Each way in turn; `cutme` can act again after each.
for way in revoke set rotate delete; do
  hold cutme --agent cutme
  up cutme
  since=$(date +%s.%N)
  case $way in
    set) av agent set cutme --vault elsewhere 2>/dev/null ;;
    rotate) av agent rotate cutme >/dev/null 2>&1 ;;
    revoke) av agent revoke cutme 2>/dev/null ;;
    delete) av agent delete cutme -y 2>/dev/null && av agent create cutme >/dev/null 2>&1 ;;
  esac
  cut cutme "$since" agent_revoked
  wait "$cutme_PID" || fail "$way: the client failed: $(cat "$OUT/cutme.out")"
  case $way in
    revoke) av agent rotate cutme >/dev/null 2>&1 ;;
    set) av agent set cutme --vault '*' 2>/dev/null ;;
  esac
done

# The others still had everything open all the time: the control.
for name in spared plain; do
  [ ! -e $name.ended ] || fail "$name was cut: $(cat $name.ended)"
  touch $name.stop
  wait_for 30 test -s $name.code
  assert_eq None "$(cat $name.code)" "$name: the answer to a new connection"
  assert_eq "" "$(cat $name.ended)" "$name: what was cut"
done

assert_eq 4 "$(audited '[x.get("agent") for x in r if x["event"] == "session.end" and x["detail"] == "agent_revoked"].count("cutme")')" "ends on the log"

# -- --ttl, with and without an agent; on the command line and in the configuration
since=$(date +%s.%N)
hold timed --ttl 15s --agent spared
up timed
wait_for 30 test -s timed.code
assert_eq session_expired "$(cat timed.code)"
# It began between the start of `run` and that of its command.
"$AV_PYTHON" - timed.ended "$since" <<'PY' || fail "--ttl did not cut at its time"
import os, sys
ended = [float(pair.split("=")[1]) for pair in open(sys.argv[1]).read().split()]
first, last = float(sys.argv[2]) + 15, os.stat("timed.up").st_mtime + 15
print("ttl 15s:", [round(x - first, 2) for x in ended], "of", round(last - first, 2))
sys.exit(0 if len(ended) == 5 and min(ended) > first - 0.01 and max(ended) < last + 1.5 else 1)
PY
agent --ttl 1s -- sh -c 'sleep 2; curl -sS -o body https://echo.test/ 2>err || true
  curl -sS -o body http://echo.test/; grep -q session_expired body'
for wrong in 0s 10 5w 366d -1h 1.5h; do
  expect_exit 2 av_run --ttl=$wrong -- true
  assert_error "a duration is a number"
done
mkdir -p "$AGENT_VAULT_HOME/config"
chmod 700 "$AGENT_VAULT_HOME/config"
printf '[run]\nttl = "1s"\n' >"$AGENT_VAULT_HOME/config/config.toml"
agent -- sh -c 'sleep 2; curl -sS -o body http://echo.test/; grep -q session_expired body'
agent --ttl 60s -- sh -c 'sleep 2; curl -sS -o body http://echo.test/; ! grep -q session_expired body'
