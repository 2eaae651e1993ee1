#!/usr/bin/env bash
# Isolation `network`: everything that a program of the run does on the network ends at the broker or
# nowhere, whether or not the program knows of a proxy; --expose and --allow-local lead in and out.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
need curl
start_upstream
play echo.test other.echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"
RUN_OPTIONS+=(--isolation network)

# Programs that use the proxy, and programs that have never heard of one.
cat >c.sh <<'SH'
set -eu
curl -sS -o proxied.json https://echo.test/echo
bare() { env -u HTTPS_PROXY -u https_proxy -u HTTP_PROXY -u http_proxy -u ALL_PROXY -u all_proxy "$@"; }
bare curl -sS -o direct.json https://echo.test/echo
bare curl -sS --http1.1 -o direct1.json https://echo.test/echo
bare curl -sS -o direct80.json http://echo.test/echo
bare curl -sS -o other.json https://other.echo.test/echo
# The name of one host, the address of another: CONNECT and SNI would differ, and so do these.
address=$(getent ahostsv4 other.echo.test | cut -d' ' -f1 | head -1)
bare curl -skS --resolve "echo.test:443:$address" -o crossed.json -w '%{http_code}\n' https://echo.test/echo >crossed || true
getent ahostsv4 echo.test >name1
getent ahostsv4 echo.test >name2
SH
agent -- sh c.sh
for file in proxied direct direct1 direct80; do
  assert_eq GET "$(json $file.json 'd["method"]')" "$file"
done
assert_eq "Bearer $real" "$(received '[v for n, v in r[1]["headers"] if n.lower() == "authorization"][0]')" "what a program without a proxy got injected"
assert_eq none "$(json other.json '[v for n, v in d["headers"] if n.lower() == "authorization"] and "some" or "none"')"
grep -qx 421 crossed || fail "another host's address was accepted: $(cat crossed)"
cmp name1 name2
grep -q '^198\.1[89]\.' name1
canary_check ./*.json "$OUT/agent.out"

# Whatever else it tries comes to nothing, at once and not by a timeout.
cat >reach.py <<'PY'
import errno, json, os, socket, struct, sys, time

out = {}
def attempt(name, what):
    began = time.monotonic()
    try:
        out[name] = "GOT " + str(what())
    except OSError as error:
        out[name] = errno.errorcode.get(error.errno, type(error).__name__)
    except Exception as error:
        out[name] = type(error).__name__ + " " + str(error)
    if time.monotonic() - began > 5:
        out[name] += " slow"

def tcp(host, port):
    with socket.create_connection((host, port), 10) as s:
        return s.getpeername()

def udp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.connect((host, port))
        s.send(b"x" * 1200)
        return s.recv(10)

attempt("host port", lambda: tcp("127.0.0.1", int(sys.argv[1])))
attempt("other port", lambda: tcp("93.184.216.34", 8443))
attempt("smtp", lambda: tcp("echo.test", 25))
attempt("quic", lambda: udp("93.184.216.34", 443))
attempt("udp", lambda: udp("1.1.1.1", 4433))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
attempt("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).connect((2, 22)))
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\0av-test-abstract"))
attempt("metadata", lambda: tcp("169.254.169.254", 8080))

def dns(server, name, kind):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        question = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0" + struct.pack(">HH", kind, 1)
        s.sendto(b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0" + question, (server, 53))
        answer, sender = s.recvfrom(1500)
        return sender[0], answer[3] & 15, struct.unpack(">H", answer[6:8])[0], ".".join(str(b) for b in answer[-4:])

out["dns any server"] = dns("8.8.8.8", "echo.test", 1)
out["dns same"] = dns("127.0.0.1", "echo.test", 1)
out["dns https record"] = dns("9.9.9.9", "echo.test", 65)
out["dns text"] = dns("9.9.9.9", "c2VjcmV0.tunnel.example", 16)
out["dns odd"] = dns("127.0.0.1", "se_cret.example", 1)
json.dump(out, sys.stdout)
PY
"$AV_PYTHON" - "$OUT" <<'PY' &
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind("\0av-test-abstract")
s.listen()
t = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1] + "/host-port", "w").write(str(t.getsockname()[1]))
while True:
    c, _ = t.accept()
    c.sendall(b"from outside")
    c.close()
PY
wait_for 30 test -s "$OUT/host-port"
HOST_PORT=$(cat "$OUT/host-port")
agent -- "$AV_PYTHON" reach.py "$HOST_PORT"
for name in "host port" "other port" smtp quic udp metadata; do
  assert_eq ECONNREFUSED "$(json "$OUT/agent.out" "d['$name']")" "$name"
done
for name in raw packet vsock abstract; do
  assert_eq 0 "$(json "$OUT/agent.out" "d['$name'].count('GOT') + d['$name'].count('slow')")" "$name: $(json "$OUT/agent.out" "d['$name']")"
done
assert_eq '["8.8.8.8", 0, 1]' "$(json "$OUT/agent.out" "d['dns any server'][:3]")"
assert_eq "$(json "$OUT/agent.out" "d['dns any server'][3]")" "$(json "$OUT/agent.out" "d['dns same'][3]")"
assert_eq '["9.9.9.9", 0, 0]' "$(json "$OUT/agent.out" "d['dns https record'][:3]")"
assert_eq '["9.9.9.9", 0, 0]' "$(json "$OUT/agent.out" "d['dns text'][:3]")"
assert_eq 3 "$(json "$OUT/agent.out" "d['dns odd'][1]")"
# The control: the same program at `store` reaches what is outside.
"$AV_BINARY" run --isolation store -- "$AV_PYTHON" reach.py "$HOST_PORT" >"$OUT/store.out" 2>/dev/null || true
[ ! -s "$OUT/store.out" ] || {
  assert_matches "$OUT/store.out" '"host port": "GOT'
  assert_matches "$OUT/store.out" '"abstract": "GOT'
}
cat >host.py <<'PY'
import socket, sys
print(socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).recv(100).decode())
PY
"$AV_BINARY" run --isolation store -- "$AV_PYTHON" host.py "$HOST_PORT" >"$OUT/store.out"
assert_contains "$OUT/store.out" "from outside"

# A service of this machine, let in by name of its port only.
agent --allow-local "$HOST_PORT" -- "$AV_PYTHON" host.py "$HOST_PORT"
assert_contains "$OUT/agent.out" "from outside"

# A server inside, reached from outside; a large answer and one that nobody listens for.
cat >server.py <<'PY'
import socket, sys, os
s = socket.create_server(("127.0.0.1", 3999))
print("ready", flush=True)
for _ in range(2):
    c, _ = s.accept()
    c.recv(10)
    c.sendall(b"inside " * 200000)
    c.close()
PY
outside=$("$AV_PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
start_run --expose "$outside:3999" -- "$AV_PYTHON" server.py
wait_for 30 grep -q ready "$OUT/run.out"
cat >fetch.py <<'PY'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
s.sendall(b"hello")
got = b""
while piece := s.recv(65536):
    got += piece
print(len(got), got[:6].decode())
PY
assert_eq "1400000 inside" "$("$AV_PYTHON" fetch.py "$outside")"
assert_eq "1400000 inside" "$("$AV_PYTHON" fetch.py "$outside")"
wait "$RUN_PID"
expect_exit 125 av run --isolation network --expose "$HOST_PORT" -- true
assert_error "listens on"
expect_exit 2 av run --expose 0 -- true
expect_exit 2 av run --allow-local http -- true

# ssh says in its own words why not.
if command -v ssh >/dev/null; then
  av_run -- ssh -o StrictHostKeyChecking=no -o BatchMode=yes git@github.com >"$OUT/ssh.out" 2>&1 && fail "ssh worked"
  assert_contains "$OUT/ssh.out" "use https"
fi
assert_eq true "$(audited 'any("ssh_not_carried" in str(x) for x in r)')" "ssh on record"

# The pages of the run are for the user, who is outside.
cat >propose.sh <<'SH'
curl -sS -H "Authorization: Bearer $AGENT_VAULT_TOKEN" "$AGENT_VAULT_ADDR/discover" -o discover.json
echo done
sleep 30
SH
start_run -- sh propose.sh
wait_for 30 grep -q done "$OUT/run.out"
json discover.json 'd["services"]' >/dev/null
kill "$RUN_PID"
wait "$RUN_PID" || true
