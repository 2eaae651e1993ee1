#!/usr/bin/env bash
# Connections are reused on both sides: many requests of one client, and of several, need one upstream
# connection. Another credential never travels on it.
set -eu
. "$(dirname "$0")/common.inc"
need curl
start_upstream
play echo.test
first=$(new_canary)
second=$(new_canary)
set_credential FIRST "$first"
set_credential SECOND "$second"
service_file <<'JSON'
{"services": [
  {"name": "first", "host": "echo.test", "auth": {"type": "bearer", "token": "FIRST"}},
  {"name": "second", "host": "echo.test/status/*", "auth": {"type": "bearer", "token": "SECOND"}}
]}
JSON
cat >k.sh <<'SH'
set -eu
curl -sS -v -o /dev/null https://echo.test/echo -o /dev/null https://echo.test/chunked \
  -o /dev/null https://echo.test/echo-gzip -o /dev/null -d body https://echo.test/echo 2>client.txt
curl -sS -o /dev/null https://echo.test/echo
curl -sS -o /dev/null https://echo.test/status/200
SH
agent -- sh k.sh
assert_eq 1 "$(grep -c 'SSL connection using' client.txt)" "connections of the client"
assert_eq 6 "$(received 'len(r)')"
assert_eq 1 "$(received 'len(set(x["conn"] for x in r[:5]))')" "upstream connections of the first credential"
assert_eq 2 "$(received 'len(set(x["conn"] for x in r))')" "upstream connections in all"
assert_eq "Bearer $second" "$(received_header authorization -1)"
