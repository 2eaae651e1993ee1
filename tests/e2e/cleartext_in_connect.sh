#!/usr/bin/env bash
# Plain HTTP inside a CONNECT tunnel works; it carries a credential only where the service says so.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test plain.echo.test
real=$(new_canary)
allowed=$(new_canary)
set_credential TOKEN "$real"
set_credential PLAIN_TOKEN "$allowed"
service_file <<'JSON'
{"services": [
  {"name": "tls-only", "host": "echo.test", "auth": {"type": "bearer", "token": "TOKEN"}},
  {"name": "cleartext", "host": "plain.echo.test:80", "allow_http": true,
   "auth": {"type": "bearer", "token": "PLAIN_TOKEN"}}
]}
JSON

agent_python <<'PY'
import proxy_client as p
for host in ("echo.test", "plain.echo.test"):
    sock = p.connect(host + ":80")
    sock.sendall(p.compose("GET", "/echo", host))
    reply = p.read_reply(sock)
    assert reply.status == 200, reply.head
    # The bytes may also come in one piece with the CONNECT.
    sock = p.connect(host + ":80", extra=p.compose("GET", "/echo?pipelined", host))
    reply = p.read_reply(sock)
    assert reply.status == 200 and reply.json["target"] == "/echo?pipelined", reply.head
PY
assert_eq 4 "$(received 'len(r)')"
assert_eq "none none Bearer $allowed Bearer $allowed" "$(received "' '.join(dict((n.lower(), v) for n, v in x['headers']).get('authorization', 'none') for x in r)")"
canary_check "$OUT/agent.out" "$OUT/agent.err"
