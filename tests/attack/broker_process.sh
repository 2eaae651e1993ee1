#!/usr/bin/env bash
# The broker holds the data key: find it, read its memory and environment, trace it, stop it.
set -eu
. "$(dirname "$0")/attack.inc"
export SIGHT=GOT
broker_case() {
  attack_case <<'SH'
for p in /proc/[0-9]*; do
  case "$(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)" in
  *"run --isolation"*bash*) ;;
  *) continue ;;
  esac
  pid=${p#/proc/}
  [ "$pid" = 1 ] || echo "$SIGHT sight of the broker"
  cat "$p/environ" >/dev/null 2>&1 && echo "GOT environ of $pid"
  cat "$p/maps" >/dev/null 2>&1 && [ -s "$p/maps" ] && echo "GOT maps of $pid"
  (exec 3<"$p/mem") 2>/dev/null && echo "GOT memory of $pid"
  readlink "$p"/fd/* >/dev/null 2>&1 && echo "GOT descriptors of $pid"
  kill -STOP "$pid" 2>/dev/null && kill -CONT "$pid" && echo "GOT to stop $pid"
done
SH
}
KEPT="store network strict"
broker_case
# At landlock it is seen, and nothing else.
KEPT=landlock SIGHT=got
broker_case
# The launcher, PID 1 of the run, is as closed as the broker.
"$AV_BINARY" run --isolation store -- sh -c '
  for f in environ maps mem; do (exec 3<"/proc/1/$f") 2>/dev/null && head -c 1 "/proc/1/$f" && echo "GOT $f"; done
  readlink /proc/1/fd/0 /proc/1/root /proc/1/cwd && echo GOT links
  kill -9 1; kill -STOP 1; echo alive' >"$OUT/init.out" 2>/dev/null || fail "the launcher was ended"
assert_eq alive "$(cat "$OUT/init.out")"
