#!/usr/bin/env bash
# Signals to run reach the child; the child decides what they mean.
set -eu
. "$(dirname "$0")/common.inc"
cat >child.sh <<'SH'
for s in HUP INT TERM USR1 USR2 WINCH CONT; do
  trap "echo $s >>got" $s
done
trap 'echo QUIT >>got; exit 33' QUIT
touch ready
while :; do sleep 0.02; done
SH
# A job of a shell without job control would start with INT and QUIT ignored.
"$AV_PYTHON" -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$AV_BINARY" run -- bash child.sh 2>"$OUT/run.err" &
pid=$!
wait_for 30 test -e ready
for s in HUP INT TERM USR1 USR2; do
  kill -$s $pid
  wait_for 30 grep -qx $s got
done
kill -QUIT $pid
code=0
wait $pid || code=$?
assert_eq 33 $code
assert_eq 1 "$(grep -c '^INT$' got)" "one SIGINT arrives once"

# A child that a signal kills takes run with it, without a word on stdout.
code=0
av run -- sleep 30 >"$OUT/stdout" 2>"$OUT/stderr" &
pid=$!
wait_for 30 pgrep -fx 'sleep 30'
kill -TERM $pid
wait $pid 2>/dev/null || code=$?
assert_eq 143 $code
[ ! -s "$OUT/stdout" ] || fail "output: $(cat "$OUT/stdout")"
