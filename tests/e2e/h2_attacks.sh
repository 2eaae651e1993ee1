#!/usr/bin/env bash
# Attacks on HTTP/2 (rapid reset, floods, HPACK bombs, windows that never open) cost the attacker its
# connection and the broker little: it stays alive, small, and serves others.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/judges.inc"
start_judges --only
start_run -- env PYTHONPATH="$SUPPORT" PYTHONDONTWRITEBYTECODE=1 \
  "$AV_PYTHON" "$SUPPORT/h2_conformance.py" --attacks raw.echo.test
got=0
peak=0
while [ -d "/proc/$RUN_PID" ]; do
  now=$(awk '/^VmRSS/ {print $2}' "/proc/$RUN_PID/status" 2>/dev/null) || true
  [ "${now:-0}" -le "$peak" ] || peak=$now
  sleep 0.05
done
wait "$RUN_PID" || got=$?
cat "$OUT/run.out" "$OUT/run.err"
echo "peak of resident memory: $peak KiB"
assert_eq 0 "$got" "attacks that were not answered as they should"
[ "$peak" -gt 0 ] && [ "$peak" -lt 65536 ] || fail "the broker grew to $peak KiB"
check_h2_upstream
