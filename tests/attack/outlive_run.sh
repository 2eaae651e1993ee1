#!/usr/bin/env bash
# A process that leaves its session and its parent does not outlive the run.
set -eu
. "$(dirname "$0")/attack.inc"
mark=$((RANDOM + 500000))
for level in off landlock store network strict; do
  av run --isolation $level -- sh -c "(setsid sleep $mark >/dev/null 2>&1 &) ; sleep 0.1" 2>/dev/null
  if [ $level = off ]; then
    pgrep -fx "sleep $mark" >/dev/null || fail "the attack does not work at level off"
    pkill -fx "sleep $mark"
  elif pgrep -fx "sleep $mark" >/dev/null; then
    fail "a process outlived the run at $level"
  fi
done
