#!/usr/bin/env bash
# The control of smuggling.sh and smuggled_responses.sh: through a relay that passes heads on unread, the
# same vectors and the same judges find requests that one side sees and the other does not, and answers
# that belong to no request.
set -eu
. "$(dirname "$0")/common.inc"
export PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1
"$AV_PYTHON" "$SUPPORT/recorder.py" --log "$OUT/seen.jsonl" \
  --responses "$AV_ROOT/tests/vectors/responses" >"$OUT/recorder.out" 2>"$OUT/recorder.err" &
wait_for 30 test -s "$OUT/recorder.out"
"$AV_PYTHON" "$SUPPORT/naive_proxy.py" --upstream "$(json "$OUT/recorder.out" 'd["http"]')" \
  --log "$OUT/audit.jsonl" >"$OUT/relay.out" 2>"$OUT/relay.err" &
wait_for 30 test -s "$OUT/relay.out"

smuggle() { "$AV_PYTHON" "$SUPPORT/smuggle.py" "$@"; }
export HTTPS_PROXY=http://token:@127.0.0.1:$(cat "$OUT/relay.out")
expect_exit 1 smuggle send --vectors "$AV_ROOT/tests/vectors/smuggling" --file control.txt --patience 1 \
  --backend raw=raw.echo.test --forms absolute --out "$OUT/results.json"
cp "$OUT/stdout" "$OUT/client.txt"
expect_exit 1 smuggle judge --out "$OUT/results.json" --seen "$OUT/seen.jsonl" --audit "$OUT/audit.jsonl"
for name in 'CL.TE' 'TE with a space' 'two lengths' 'a bare LF'; do
  assert_contains "$OUT/client.txt" "CONTRADICTION control.txt: $name"
done
assert_absent "$OUT/client.txt" "a plain request"
assert_absent "$OUT/stdout" "a plain request"
assert_contains "$OUT/stdout" "nobody sent raw: GET /smuggled"
assert_contains "$OUT/stdout" "the audit log has"

# Each of these answers brings another one along, or hides where it ends.
names=("two lengths" "both CL and TE" "bare CR in a value" "a second response at once"
  "a second response a moment later" "more than its length")
expect_exit 1 smuggle responses --vectors "$AV_ROOT/tests/vectors/responses" --host raw.echo.test \
  --forms absolute --patience 1 --names "${names[@]}" "no reason phrase"
for name in "${names[@]}"; do
  assert_contains "$OUT/stdout" "CONTRADICTION responses.txt: $name (absolute)"
done
assert_absent "$OUT/stdout" "no reason phrase"
