#!/usr/bin/env bash
# The root and working directory of another process of the same user, through /proc, lead around a cover.
set -eu
. "$(dirname "$0")/attack.inc"
(cd "$STORE" && exec sleep 60) &
attack_case <<'SH'
for p in /proc/[0-9]*; do
  case $p in /proc/$$ | /proc/self) continue ;; esac
  [ -s "$p/root$STORE/key" ] && echo "GOT key by root of $p"
  [ -s "$p/cwd/key" ] && echo "GOT key by cwd of $p"
done
SH
