#!/usr/bin/env bash
# --json prints one JSON document on stdout and nothing else, for lists, single things and errors.
set -eu
. "$(dirname "$0")/common.inc"
av vault credential set TOKEN=x >/dev/null
av vault service add --name one --host api.one.test --auth-type bearer --token-key TOKEN >/dev/null
av run -- true 2>/dev/null
for command in 'vault list' 'vault current' 'vault credential list' 'vault credential history TOKEN' \
  'vault credential get TOKEN' 'vault service list' 'vault service show one' 'vault service catalog' \
  'key status' 'vault create second' 'vault credential set OTHER=1' 'vault credential delete OTHER'; do
  # shellcheck disable=SC2086
  expect_exit 0 av $command --json
  "$AV_PYTHON" -c 'import json, sys; json.load(open(sys.argv[1]))' "$OUT/stdout" ||
    { cat "$OUT/stdout"; fail "not JSON: $command"; }
done
av log --json >"$OUT/log"
[ -s "$OUT/log" ] || fail "log --json printed nothing"
json "$OUT/log" 'len(d)' >/dev/null
code=0
av vault credential get NOT_THERE --json >"$OUT/stdout" 2>"$OUT/stderr" || code=$?
assert_eq 3 $code
cat "$OUT/stdout" "$OUT/stderr" >"$OUT/both"
assert_contains "$OUT/both" not_found
# Odd names and values stay JSON.
printf 'a"b\\c\n\001\377' | av vault credential set ODD --stdin >/dev/null 2>&1
expect_exit 0 av vault credential list --json
"$AV_PYTHON" -c 'import json, sys; json.load(open(sys.argv[1], encoding="utf-8"))' "$OUT/stdout"
