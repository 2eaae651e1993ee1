#!/usr/bin/env bash
# `kill -9` of run: its children die with it, the proxy is gone, the token is worthless, the store opens
# and has everything, and the log has the requests that were made.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"

mark=$((RANDOM + 400000))
start_run -- sh -c 'env >env.txt
  curl -sS https://echo.test/echo >echo.json
  cp "$SSL_CERT_FILE" bundle.pem
  sleep '$mark' & (setsid sleep '$mark' &) 
  touch ready; wait'
wait_for 30 test -e ready
assert_eq 2 "$(pgrep -cfx "sleep $mark")"
kill -9 "$RUN_PID"
wait "$RUN_PID" 2>/dev/null || true
gone() { ! pgrep -fx "sleep $mark"; }
wait_for 30 gone

proxy=$(sed -n 's/^HTTPS_PROXY=//p' env.txt)
if curl -sS --max-time 5 --cacert bundle.pem -x "$proxy" https://echo.test/echo >"$OUT/x" 2>&1; then
  fail "the proxy survived"
fi
assert_eq "$real" "$(av vault credential get TOKEN)"
agent -- curl -sS https://echo.test/echo
assert_eq "Bearer $real" "$(received_header authorization)"
av log --json >log.json
assert_eq 2 "$(grep -c '"/echo"' log.json)" "requests on the log" || true
canary_check "$AGENT_VAULT_HOME" "$TMPDIR" log.json
