#!/usr/bin/env bash
# A proxy that is itself under TLS: verified like an upstream, TLS inside TLS for https targets.
# timeout: 60
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
. "$(dirname "$0")/egress.inc"
VALUE=$(new_canary)
bearer_service echo.test TOKEN "$VALUE"
start_proxy https --tls "$CERTS/server" --auth corp:pass-word-1
export HTTPS_PROXY=https://corp:pass-word-1@127.0.0.1:$PROXY_PORT http_proxy=https://corp:pass-word-1@127.0.0.1:$PROXY_PORT
get -- https://echo.test/echo http://echo.test/echo https://second.test/echo
assert_eq 3 "$(grep -c '^200 ' "$OUT/agent.out")" "answers through the proxy"
assert_eq '[true]' "$(proxied 'list(set(x["tls"] for x in r))' | tr 'T' 't')"
assert_eq "Bearer $VALUE" "$(received_header authorization 0)"

# Much at once through both layers, and a connection that is used again.
agent_python <<'PY'
import hashlib
import proxy_client as p
sock = p.tls(p.connect("echo.test:443"), "echo.test")
body = b"0123456789abcdef" * 65536 * 2
seen = set()
for _ in range(3):
    sock.sendall(p.compose("POST", "/upload", "echo.test", body=body))
    reply = p.read_reply(sock, "POST")
    assert reply.status == 200 and reply.complete, reply.head
    assert hashlib.sha256(body).hexdigest() in reply.body.decode(), reply.body[:300]
    seen.add(reply.get("X-Conn"))
assert len(seen) == 1, seen
sock.sendall(p.compose("GET", "/download?bytes=3000000", "echo.test"))
reply = p.read_reply(sock)
assert reply.complete and len(reply.body) == 3000000, len(reply.body)
assert reply.get("X-Conn") in seen
PY

# A certificate for another name, and one of an unknown authority: nothing is said to such a proxy.
start_proxy wrong --tls "$CERTS/wronghost"
HTTPS_PROXY=https://127.0.0.1:$PROXY_PORT get -- https://echo.test/echo
assert_contains "$OUT/agent.out" "502 egress_proxy_failed"
assert_eq '[]' "$(proxied '[x for x in r if x]')" "requests at the impostor"
start_proxy unknown --tls "$CERTS/untrusted"
HTTPS_PROXY=https://127.0.0.1:$PROXY_PORT get -- https://echo.test/echo
assert_contains "$OUT/agent.out" "502 egress_proxy_failed"
assert_eq '[]' "$(proxied '[x for x in r if x]')" "requests at the impostor"
# The upstream behind a good proxy is verified all the same.
start_proxy good --tls "$CERTS/server" --map "expired.test:443=127.0.0.1:$HTTPS_PORT"
HTTPS_PROXY=https://127.0.0.1:$PROXY_PORT get -- https://expired.test/echo
assert_contains "$OUT/agent.out" "502 upstream_certificate_expired"
