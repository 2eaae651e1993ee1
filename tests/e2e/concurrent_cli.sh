#!/usr/bin/env bash
# Eight writers and three runs at once on one store: no lock error, nothing lost.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
bearer_service echo.test TOKEN "$(new_canary)"

writer() {
  local i
  for i in 0 1 2 3 4 5 6 7 8 9; do
    printf 'value-%s-%s' "$1" "$i" | av vault credential set "W$1_$i" --stdin >/dev/null
  done
}
pids=()
for n in 1 2 3 4 5 6 7 8; do
  writer "$n" 2>"$OUT/writer$n.err" &
  pids+=($!)
done
for n in 1 2 3; do
  av_run -- sh -c 'for i in 1 2 3 4 5; do curl -sS -f https://echo.test/echo >/dev/null || exit 9; done' 2>"$OUT/run$n.err" &
  pids+=($!)
done
bad=0
for pid in "${pids[@]}"; do
  wait "$pid" || bad=1
done
[ $bad = 0 ] || { cat "$OUT"/writer*.err "$OUT"/run*.err >&2; fail "one of them failed"; }
for n in 1 2 3 4 5 6 7 8; do
  assert_eq "value-$n-9" "$(av vault credential get "W${n}_9")"
done
av vault credential list --json >list.json
assert_eq 80 "$(grep -o 'W[1-8]_[0-9]' list.json | sort -u | wc -l)" "credentials"
assert_eq 15 "$(received 'len(r)')"
