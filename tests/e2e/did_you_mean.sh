#!/usr/bin/env bash
# A mistyped word is answered with the word that was meant.
set -eu
. "$(dirname "$0")/common.inc"
av vault create production >/dev/null
av vault credential set GITHUB_TOKEN=x >/dev/null
av vault service add --name internal-api --host api.one.test --auth-type bearer --token-key GITHUB_TOKEN >/dev/null
meant() { # CODE WORD COMMAND...
  local code=$1 word=$2
  shift 2
  expect_exit "$code" av "$@"
  assert_contains "$OUT/stderr" "$word"
  [ ! -s "$OUT/stdout" ] || fail "output on stdout"
}
meant 2 vault valt list
meant 2 credential vault credentail list
meant 2 run rnu
meant 3 production vault use prodution
meant 3 GITHUB_TOKEN vault credential get GITHUB_TOKN
meant 3 internal-api vault service show internal-ap
# Nothing near: no wild guess.
expect_exit 2 av zzzzzzzzzz
assert_absent "$OUT/stderr" 'did you mean'
expect_exit 0 av --help
assert_contains "$OUT/stdout" run
expect_exit 0 av --version
assert_matches "$OUT/stdout" '[0-9]+\.[0-9]+'
expect_exit 0 av vault credential set --help
assert_contains "$OUT/stdout" --stdin
