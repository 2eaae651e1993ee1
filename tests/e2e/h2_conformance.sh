#!/usr/bin/env bash
# HTTP/2 towards the client, frame by frame (RFC 9113, RFC 7541): each violation is the error that the
# RFC demands, and nothing malformed reaches the upstream, which speaks HTTP/1.1 here.
# timeout: 90
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/judges.inc"
start_judges --only
got=0
av_run -- env PYTHONPATH="$SUPPORT" PYTHONDONTWRITEBYTECODE=1 \
  "$AV_PYTHON" "$SUPPORT/h2_conformance.py" raw.echo.test '' >"$OUT/agent.out" 2>"$OUT/agent.err" || got=$?
cat "$OUT/agent.out" "$OUT/agent.err"
assert_eq 0 "$got" "cases that went wrong"
check_h2_upstream
