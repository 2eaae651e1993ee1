#!/usr/bin/env bash
# Responses belong to their requests: whatever an upstream answers, malformed, cut or with another
# response behind it, the next request gets its own answer, on the client's connection and from the pool.
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/judges.inc"
start_judges --only --responses "$AV_ROOT/tests/vectors/responses"
got=0
av_run --header-timeout 8 -- env PYTHONPATH="$SUPPORT" PYTHONDONTWRITEBYTECODE=1 \
  "$AV_PYTHON" "$SUPPORT/smuggle.py" responses --vectors "$AV_ROOT/tests/vectors/responses" \
  --host raw.echo.test >"$OUT/agent.out" 2>"$OUT/agent.err" || got=$?
cat "$OUT/agent.out" "$OUT/recorder.err"
assert_eq 0 "$got" "contradictions that the client saw"
canary_check "$OUT/agent.out" "$OUT/agent.err"
