#!/usr/bin/env bash
# An upstream that speaks HTTP/2 as it likes: malformed heads, lengths that lie, frames out of order,
# floods, bombs, ends in the middle. The client sees an error or a cut message, never a second message
# and never the credential; streams beside it and requests behind it get their own answers. The control
# asks the same upstream with a client that believes everything: it finds both.
# timeout: 240
set -eu
. "$(dirname "$0")/common.inc"
CERTS=$OUT/certs
"$SUPPORT/make_certs.sh" "$CERTS"
export PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1
evil() { # NAME HOST...: an upstream with these hosts; its port in $port
  local host name=$1
  shift
  "$AV_PYTHON" "$SUPPORT/h2_evil_upstream.py" "$CERTS" >"$OUT/$name.out" 2>"$OUT/$name.err" &
  wait_for 30 test -s "$OUT/$name.out"
  port=$(json "$OUT/$name.out" 'd["port"]')
  for host in "$@"; do
    RUN_OPTIONS+=(--resolve "$host:443:127.0.0.1:$port")
  done
}
RUN_OPTIONS+=(--upstream-ca "$CERTS/ca.pem" --header-timeout 8)
evil first evil.echo.test second.echo.test
evil other a.echo.test b.echo.test
secret=$(new_canary)
bearer_service evil.echo.test TOKEN "$secret"
bearer_service a.echo.test TOKEN "$secret"

# Both kinds of client at once, each with an upstream of its own.
cat >judge.sh <<'SH'
judge() { "$AV_PYTHON" "$SUPPORT/h2_responses.py" --forms "$1" --dump "$OUT/dump" "$2" "$3"; }
judge h1 evil.echo.test second.echo.test &
judge h2 a.echo.test b.echo.test >h2.out 2>&1 && h2=0 || h2=1
wait $! && h1=0 || h1=1
cat h2.out
exit $((h1 + h2))
SH
export OUT SUPPORT AV_PYTHON
start_run -- sh judge.sh
got=0 peak=0
while [ -d "/proc/$RUN_PID" ]; do
  now=$(awk '/^VmRSS/ {print $2}' "/proc/$RUN_PID/status" 2>/dev/null) || true
  [ "${now:-0}" -le "$peak" ] || peak=$now
  sleep 0.05
done
wait "$RUN_PID" || got=$?
cat "$OUT/run.out" "$OUT/run.err" "$OUT/first.err" "$OUT/other.err"
echo "peak of resident memory: $peak KiB"
assert_eq 0 "$got" "contradictions that the client saw"
[ "$peak" -gt 0 ] && [ "$peak" -lt 98304 ] || fail "the broker grew to $peak KiB"
assert_matches "$OUT/dump" 'x-echo: Bearer .*(redacted|\*\*\*)'
canary_check "$OUT/run.out" "$OUT/run.err" "$OUT/dump"
! grep -qiE '^(repr-|content-)?digest:' "$OUT/dump" || fail "a digest of what was masked"

# The control.
rm -f "$OUT/dump"
echo control-value-of-nobody >"$CANARIES"
expect_exit 1 "$AV_PYTHON" "$SUPPORT/h2_responses.py" --direct "127.0.0.1:$port" --forms h2 --dump "$OUT/dump" \
  evil.echo.test second.echo.test "no :status" "two :status" "a value with" "trailers with" \
  "DATA longer" "a second head" "digests" "a plain response" "interim responses with the value"
for title in "two :status" "a value with CR LF" "trailers with CR LF" "DATA longer than its length" \
  "a second head behind the body" "a plain response"; do
  assert_contains "$OUT/stdout" "CONTRADICTION $title (h2)"
done
assert_matches "$OUT/dump" '^repr-digest:'
if canary_check "$OUT/dump" >/dev/null 2>&1; then
  fail "the control did not get the value: the check of the dump proves nothing"
fi
