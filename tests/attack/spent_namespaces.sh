#!/usr/bin/env bash
# The command of an earlier run keeps all user namespaces to itself, so that the next run cannot have
# one. That must not make it a run without isolation.
set -eu
. "$(dirname "$0")/attack.inc"
need unshare
unshare -Urm sh -c 'echo 5 >/proc/sys/user/max_user_namespaces' 2>/dev/null ||
  skip "user namespaces are not available"
cat >in_namespace.sh <<'SH'
limit=$1
echo "$limit" >/proc/sys/user/max_user_namespaces
if [ "$limit" != 0 ]; then
  unshare -U sleep 30 &
  sleep 0.5
fi
code=0
"$AV_BINARY" run -- bash -c '[ -s "$STORE/key" ] && echo GOT key' || code=$?
echo "exit $code"
kill $! 2>/dev/null
exit 0
SH
# For good: the user is told, and the run goes on without.
unshare -Ur bash in_namespace.sh 0 >"$OUT/never.out" 2>"$OUT/never.err"
assert_contains "$OUT/never.out" GOT
assert_contains "$OUT/never.err" 'no isolation'
unshare -Ur bash in_namespace.sh 1 >"$OUT/spent.out" 2>"$OUT/spent.err"
assert_absent "$OUT/spent.out" GOT
assert_contains "$OUT/spent.out" 'exit 125'
assert_contains "$OUT/spent.err" 'hint: end other sandboxes'
