#!/usr/bin/env bash
# 200 MiB chunked: every byte arrives, and the broker's memory stays flat.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
need curl
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"
head -c 209715200 /dev/zero >"$OUT/big"

start_run -- sh -c 'curl -sS -d warm https://echo.test/upload >warm.json
  touch ready
  until [ -e go ]; do sleep 0.02; done
  curl -sS -X POST -H "Transfer-Encoding: chunked" -T "$0" https://echo.test/upload >done.json
  touch finished
  until [ -e bye ]; do sleep 0.02; done' "$OUT/big"
rss() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$RUN_PID/status"; }
wait_for 30 test -e ready
before=$(rss)
touch go
wait_for 100 test -e finished
after=$(rss)
touch bye
wait "$RUN_PID"

assert_eq 209715200 "$(json done.json 'd["bytes"]')"
assert_eq true "$(json done.json 'd["chunked"]')" chunked
assert_eq "$(sha256sum <"$OUT/big" | cut -d' ' -f1)" "$(json done.json 'd["sha256"]')"
[ $((after - before)) -lt 40960 ] || fail "the broker grew from $before to $after KiB"
assert_eq "Bearer $real" "$(received_header authorization)"
