#!/usr/bin/env bash
# TLS sessions are resumed on both sides: by clients with the broker, per host and never across; by the
# broker with upstreams.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test second.test
. "$(dirname "$0")/egress.inc"
for version in 1.2 1.3; do
  start_tls_server "tls$version" --cert "$CERTS/server" --max-version "$version"
  RUN_OPTIONS+=(--resolve "v${version#1.}.echo.test:443:127.0.0.1:$TLS_PORT")
done

get -- https://v2.echo.test/ https://v2.echo.test/ https://v3.echo.test/ https://v3.echo.test/ https://v3.echo.test/
assert_eq 3 "$(grep -c '"resumed": true' "$OUT/agent.out")" "sessions resumed upstream"
assert_eq 2 "$(grep -c '"resumed": false' "$OUT/agent.out")" "full handshakes upstream"

agent_python <<'PY'
import os, ssl
import proxy_client as p

def visit(context, host, session=None, sni=None):
    sock = context.wrap_socket(p.connect(host + ":443"), server_hostname=sni or host, session=session)
    sock.sendall(p.compose("GET", "/echo", host))
    reply = p.read_reply(sock)
    return sock, reply

for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    context.maximum_version = version
    sock, reply = visit(context, "echo.test")
    assert reply.status == 200 and not sock.session_reused
    session = sock.session
    sock, reply = visit(context, "echo.test", session)
    assert reply.status == 200 and sock.session_reused, version
    # In a tunnel to another host the session is worth nothing, with that host's name...
    sock, reply = visit(context, "second.test", session)
    assert reply.status == 200 and not sock.session_reused, version
    # ...and another name in a resumed session is seen: 421, as in a new one.
    context.check_hostname = False
    sock, reply = visit(context, "echo.test", session, sni="second.test")
    assert reply.status == 421 and reply.code == "misdirected_request", (version, reply.head)
    assert not sock.session_reused, version
PY
