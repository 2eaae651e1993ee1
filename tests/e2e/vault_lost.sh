#!/usr/bin/env bash
# A run follows its vault when that is renamed, and loses its credentials when the vault is deleted.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
real=$(new_canary)
av vault create project >/dev/null
printf '%s' "$real" | av vault credential set TOKEN --stdin --vault project >/dev/null 2>&1
av vault service add --vault project --name echo --host echo.test --auth-type bearer --token-key TOKEN >/dev/null

start_run --vault project -- sh -c 'while [ ! -e stop ]; do
    curl -sS -o last.json https://echo.test/echo; echo x >>count
  done'
wait_for 30 test -s count
assert_eq "Bearer $real" "$(received_header authorization)"
av vault rename project renamed >/dev/null
other=$(new_canary)
printf '%s' "$other" | av vault credential set TOKEN --stdin --vault renamed >/dev/null 2>&1
rotated() { [ "$(received_header authorization)" = "Bearer $other" ]; }
wait_for 3 rotated
av vault delete renamed --yes >/dev/null
denied() { grep -q '"error":"forbidden"' last.json; }
wait_for 3 denied
touch stop
wait "$RUN_PID"
