#!/usr/bin/env bash
# A change by another process takes effect in a running proxy within a second: a rotated credential, a
# disabled service, a new one.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test second.test
one=$(new_canary)
two=$(new_canary)
bearer_service echo.test TOKEN "$one"

start_run -- sh -c 'curl -sS https://echo.test/echo >1.json; touch ready
  until [ -e go ]; do sleep 0.01; done
  i=0
  while [ ! -e stop ]; do
    curl -sS https://echo.test/echo https://second.test/echo >last.json; i=$((i + 1)); echo $i >count
  done'
wait_for 30 test -e ready
assert_eq "Bearer $one" "$(received_header authorization)"
touch go
wait_for 30 test -s count
sees() { [ "$(received "[dict((n.lower(), v) for n, v in x['headers']).get('authorization', 'none') for x in r if x['host'] == '$1'][-1]")" = "$2" ]; }
timed() { # WHAT COMMAND...: must hold within a second (and a bit, for the machine)
  local started=$(date +%s%N) what=$1
  shift
  until "$@"; do
    [ $(($(date +%s%N) - started)) -lt 1500000000 ] || fail "$what took more than a second"
  done
}
set_credential TOKEN "$two"
timed "a rotated credential" sees echo.test "Bearer $two"
bearer_service second.test OTHER "$one"
timed "a new service" sees second.test "Bearer $one"
av vault service disable echo-test >/dev/null
disabled() { grep -q service_disabled last.json; }
timed "a disabled service" disabled
touch stop
wait "$RUN_PID"
