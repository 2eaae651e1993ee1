#!/usr/bin/env bash
# serve: agents and sessions on one proxy, each with what its token may do; what another command
# changes takes effect within a second; a revoked token is cut and nobody else; the API on its own
# port; a port that is taken, TLS, and a network address without it; an end in order under load.
# timeout: 170
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
play api.echo.test
first=$(new_canary)
second=$(new_canary)
bearer_service echo.test TOKEN "$first"
av vault create team >"$OUT/made" 2>&1
printf "%s" "$second" | av vault credential set TOKEN --stdin --vault team >>"$OUT/made" 2>&1
av vault service add --vault team --name echo-test --host api.echo.test --auth-type bearer --token-key TOKEN >>"$OUT/made" 2>&1

alice=$(av agent create alice --vault default 2>/dev/null)
bob=$(av agent create bob --vault team 2>/dev/null)
both=$(av agent create both 2>/dev/null)

start_serve() { # OPTIONS...
  rm -f "$OUT/serve.out"
  "$AV_BINARY" serve --json --any-port "${RUN_OPTIONS[@]}" "$@" >"$OUT/serve.out" 2>"$OUT/serve.err" &
  SERVE=$!
  wait_for 30 test -s "$OUT/serve.out"
  API=$(json "$OUT/serve.out" 'd["api"]')
  PROXY=$(json "$OUT/serve.out" 'd["proxy"]')
}
end_serve() {
  kill -TERM "$SERVE"
  local code=0
  wait "$SERVE" || code=$?
  assert_eq 0 "$code" "exit code of serve"
}
ask() { # CREDENTIALS HOST -> reply in $OUT/reply
  curl -sS -m 20 --cacert "$OUT/ca.pem" -x "http://$1@$PROXY" "https://$2/headers" >"$OUT/reply" 2>"$OUT/curl.err"
}
tunnel_status() { # CREDENTIALS HOST
  curl -s -m 20 --cacert "$OUT/ca.pem" -x "http://$1@$PROXY" -o /dev/null -w '%{http_connect}' "https://$2/headers" || true
}

# The last request that the upstream saw carried this value.
seen() { [ "$(received_header authorization)" = "Bearer $1" ]; }
assert_seen() { seen "$1" || fail "the upstream saw '$(received_header authorization)'"; }
has_requests() { [ "$(received "sum('$2' in x['target'] for x in r)")" -ge "$1" ]; } # COUNT TEXT

av ca show >"$OUT/ca.pem"
start_serve --grace 5s
curl -sS -m 10 "$API/v1/mitm/ca.pem" | cmp - "$OUT/ca.pem" || fail "the API gives another certificate"

# Each token in its vault, with that vault's value: the upstream sees it, the client does not.
ask "$alice:" echo.test
assert_seen "$first"
canary_check "$OUT/reply"
ask "$bob:" api.echo.test
assert_seen "$second"
canary_check "$OUT/reply"
ask "$both:" echo.test
ask "$both:team" api.echo.test
canary_check "$OUT/reply"

# No token, a wrong one, and another's vault.
assert_eq 407 "$(tunnel_status nobody: echo.test)" "an unknown token"
assert_eq 407 "$(tunnel_status "x${alice#?}:" echo.test)" "a token with another first letter"
assert_eq 403 "$(tunnel_status "$alice:team" echo.test)" "another vault by its name"
assert_eq 403 "$(tunnel_status "$alice:nosuch" echo.test)" "a vault that is not there"

# The API's port is no proxy, and says who the token is.
assert_eq 400 "$(curl -s -m 10 -o /dev/null -w '%{http_code}' -x "$API" http://echo.test/)" "the API as proxy"
curl -sS -m 10 -H "Authorization: Bearer $bob" "$API/discover" >"$OUT/discover"
assert_eq team "$(json "$OUT/discover" 'd["vault"]')" "bob's vault"
assert_absent "$OUT/discover" '"host":"echo.test"'
assert_eq 401 "$(curl -s -m 10 -o /dev/null -w '%{http_code}' "$API/discover")" "discover without a token"

# Revoked: new and open connections end, those of others do not.
curl -sS -m 60 --cacert "$OUT/ca.pem" -x "http://$alice:@$PROXY" "https://echo.test/slow?ms=50000" >"$OUT/slow_a" 2>&1 &
slow_a=$!
curl -sS -m 60 --cacert "$OUT/ca.pem" -x "http://$both:@$PROXY" "https://echo.test/slow?ms=4000" >"$OUT/slow_b" 2>&1 &
slow_b=$!
wait_for 30 has_requests 2 /slow
began=$(date +%s%N)
av agent revoke alice 2>/dev/null
if wait "$slow_a"; then fail "what alice had under way was answered"; fi
took=$((($(date +%s%N) - began) / 1000000))
[ "$took" -lt 3000 ] || fail "cutting alice took $took ms"
assert_eq 407 "$(tunnel_status "$alice:" echo.test)" "a revoked token"
wait "$slow_b" || fail "another agent was cut with alice: $(cat "$OUT/slow_b")"

# What another command changes holds a second later.
new=$(new_canary)
printf '%s' "$new" | av vault credential set TOKEN --stdin --vault team 2>>"$OUT/made"
sees_new() { ask "$bob:" api.echo.test && seen "$new"; }
wait_for 30 sees_new

# What is for people is not at the proxy's port, which has no TLS; what is for agents is.
for path in /login /setup /v1/users /v1/vaults/default/rules; do
  assert_eq 404 "$(curl -s -m 10 -o /dev/null -w '%{http_code}' "http://$PROXY$path")" "$path at the proxy's port"
done
assert_eq 200 "$(curl -s -m 10 -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $bob" "http://$PROXY/discover")" "discover at the proxy's port"

# An agent of a vault that is deleted is no agent of the next one of that name.
av vault create passing >>"$OUT/made" 2>&1
squatter=$(av agent create squatter --vault passing 2>/dev/null)
good() { [ "$(curl -s -m 10 -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $squatter" "$API/discover?vault=passing")" = 200 ]; }
wait_for 30 good
av vault delete passing --yes >>"$OUT/made" 2>&1
av vault create passing >>"$OUT/made" 2>&1
assert_eq 401 "$(curl -s -m 10 -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $squatter" "$API/discover?vault=passing")" "an agent of the vault before"

# A second one on the same ports, and the addresses that it refuses.
expect_exit 5 av serve --port "${API##*:}" --proxy-port "${PROXY##*:}"
assert_error "listens on"
expect_exit 2 av serve --host 0.0.0.0 --any-port
assert_error "in clear"
expect_exit 2 av serve --any-port --tls-cert nothing.pem
assert_error "belong together"

# An end in order: what is under way is answered, what comes later is not taken.
curl -sS -m 60 --cacert "$OUT/ca.pem" -x "http://$both:@$PROXY" "https://echo.test/slow?ms=1500&last=1" >"$OUT/slow_c" 2>&1 &
slow_c=$!
wait_for 30 has_requests 1 last=1
end_serve
wait "$slow_c" || fail "a request that was under way was cut: $(cat "$OUT/slow_c")"
canary_check "$OUT/serve.out" "$OUT/serve.err" "$AGENT_VAULT_HOME/audit"
av audit verify >"$OUT/verify" 2>&1 || fail "the log does not verify: $(cat "$OUT/verify")"
av log --json >"$OUT/log"
assert_eq true "$(json "$OUT/log" 'any(r["event"] == "serve.end" for r in d)')" "the end is on the log"

# TLS by the store's own authority.
start_serve --tls
assert_contains "$OUT/serve.out" https://
curl -sS -m 10 --cacert "$OUT/ca.pem" "$API/health" >"$OUT/health"
assert_contains "$OUT/health" ok
if curl -s -m 10 "http://${API#https://}/health" >"$OUT/health" 2>&1; then fail "the API answers in clear"; fi
end_serve

# Sockets of a service manager: they are there before the server is, and it says when it is ready.
cat >"$OUT/manager.py" <<'PY'
import os, socket, sys, urllib.request
binary, options = sys.argv[1], sys.argv[2:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(os.environ["OUT"] + "/notify")
notify.settimeout(20)
listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
ports = [s.getsockname()[1] for s in listening]
child = os.fork()
if child == 0:
    for fd, sock in zip((103, 104), listening):
        os.dup2(sock.fileno(), fd)
    os.dup2(103, 3)
    os.dup2(104, 4)
    os.closerange(5, 200)
    os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="api:proxy", NOTIFY_SOCKET=os.environ["OUT"] + "/notify")
    os.execv(binary, [binary, "serve", *options])
assert notify.recv(100) == b"READY=1"
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{ports[0]}/v1/mitm/ca.pem", timeout=10) as reply:
    assert reply.headers["X-MITM-Port"] == str(ports[1]), reply.headers
os.kill(child, 15)
assert notify.recv(100) == b"STOPPING=1"
assert os.waitpid(child, 0)[1] == 0
PY
OUT=$OUT "$AV_PYTHON" "$OUT/manager.py" "$AV_BINARY" "${RUN_OPTIONS[@]}" >"$OUT/managed" 2>&1 || fail "a service manager: $(cat "$OUT/managed")"
