#!/usr/bin/env bash
# The five schemes; whatever the client itself sends in an injected place is replaced, once.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
hosts="bearer.echo.test basic.echo.test basicfixed.echo.test header.echo.test query.echo.test custom.echo.test pass.echo.test"
play $hosts
one=$(new_canary)
two=$(new_canary)
set_credential ONE "$one"
set_credential TWO "$two"
service_file <<'JSON'
{"services": [
  {"name": "s-bearer", "host": "bearer.echo.test", "auth": {"type": "bearer", "token": "ONE"}},
  {"name": "s-basic", "host": "basic.echo.test", "auth": {"type": "basic", "username": "ONE", "password": "TWO"}},
  {"name": "s-user-only", "host": "basicfixed.echo.test", "auth": {"type": "basic", "username": "ONE"}},
  {"name": "s-header", "host": "header.echo.test", "auth": {"type": "api-key", "key": "ONE", "header": "X-Api-Key", "prefix": "v1-"}},
  {"name": "s-query", "host": "query.echo.test", "auth": {"type": "api-key", "key": "ONE", "query": "api_key"}},
  {"name": "s-custom", "host": "custom.echo.test", "auth": {"type": "custom", "headers":
     {"Authorization": "Token a={{ ONE }}, b={{TWO}}", "X-Second": "{{ TWO }}"}}},
  {"name": "s-pass", "host": "pass.echo.test", "auth": {"type": "passthrough"}}
]}
JSON
agent_python <<'PY'
import proxy_client as p
mine = [("authorization", "Bearer mine"), ("X-API-KEY", "mine"), ("x-second", "mine"), ("X-Keep", "kept")]
for host in ("bearer", "basic", "basicfixed", "header", "query", "custom", "pass"):
    reply = p.request(f"https://{host}.echo.test/echo?a=1&api_key=mine&b=2", headers=mine)
    assert reply.status == 200, (host, reply.head, reply.body)
    print(reply.body.decode())
PY
field() { received "[v for n, v in [x for x in r if x['host'] == '$1.echo.test'][-1]['headers'] if n.lower() == '$2']"; }
target() { received "[x for x in r if x['host'] == '$1.echo.test'][-1]['target']"; }
basic() { printf '%s' "$1" | base64 -w0; }
assert_eq "[\"Bearer $one\"]" "$(field bearer authorization)"
assert_eq "[\"Basic $(basic "$one:$two")\"]" "$(field basic authorization)"
assert_eq "[\"Basic $(basic "$one:")\"]" "$(field basicfixed authorization)"
assert_eq "[\"v1-$one\"]" "$(field header x-api-key)"
assert_eq '["Bearer mine"]' "$(field header authorization)" "a field that is not injected"
assert_eq "/echo?a=1&b=2 $one" "$(target query | sed "s/[&]*api_key=$one//") $one" "the client's own parameter"
assert_contains <(target query) "api_key=$one"
assert_absent <(target query) 'api_key=mine'
assert_eq "[\"Token a=$one, b=$two\"]" "$(field custom authorization)"
assert_eq "[\"$two\"]" "$(field custom x-second)"
assert_eq '["Bearer mine"]' "$(field pass authorization)"
assert_eq true "$(received "all(['X-Keep', 'kept'] in x['headers'] for x in r)")"
canary_check "$OUT/agent.out" "$OUT/agent.err"

# A service whose credential does not exist is an error of its own, and nothing is sent.
service_file <<'JSON'
{"name": "s-missing", "host": "missing.echo.test", "auth": {"type": "bearer", "token": "NOT_THERE"}}
JSON
play missing.echo.test
before=$(received 'len(r)')
agent_python <<'PY'
import proxy_client as p
reply = p.request("https://missing.echo.test/echo")
assert reply.status in (424, 502, 503) and reply.code, (reply.head, reply.body)
assert "NOT_THERE" in reply.body.decode(), reply.body
print(reply.status, reply.code)
PY
assert_eq "$before" "$(received 'len(r)')"

# A value with a line feed is refused where it would break a head.
printf 'first\r\nX-Injected: 1' | av vault credential set ONE --stdin >/dev/null 2>&1
agent_python <<'PY'
import proxy_client as p
reply = p.request("https://bearer.echo.test/echo")
assert reply.status >= 400 and reply.code, (reply.head, reply.body)
print(reply.status, reply.code)
PY
assert_eq "$before" "$(received 'len(r)')"
assert_absent "$UPSTREAM_LOG" X-Injected
