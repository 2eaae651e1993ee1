#!/usr/bin/env bash
# `credential import` reads .env files as shells and dotenv write them; all or nothing.
set -eu
. "$(dirname "$0")/common.inc"
cat >"$OUT/good.env" <<'ENV'
# a comment

PLAIN=plain
export EXPORTED=exported
SPACES = spaced out
SINGLE='single $NOT_EXPANDED "q"'
DOUBLE="double \"q\" \n next"
EMPTY=
COMMENTED=value # trailing
HASH="a#b"
MULTI="first
second"
CRLF=carriage
ENV
sed -i 's/^CRLF=carriage$/CRLF=carriage\r/' "$OUT/good.env"
av vault credential import "$OUT/good.env" >"$OUT/import.out" 2>&1
assert_eq plain "$(av vault credential get PLAIN)"
assert_eq exported "$(av vault credential get EXPORTED)"
assert_eq 'spaced out' "$(av vault credential get SPACES)"
assert_eq 'single $NOT_EXPANDED "q"' "$(av vault credential get SINGLE)"
assert_eq "$(printf 'double "q" \n next')" "$(av vault credential get DOUBLE)"
assert_eq value "$(av vault credential get COMMENTED)"
assert_eq 'a#b' "$(av vault credential get HASH)"
assert_eq "$(printf 'first\nsecond')" "$(av vault credential get MULTI)"
assert_eq carriage "$(av vault credential get CRLF)"
assert_absent "$OUT/import.out" 'spaced out'

printf 'FINE=1\nBAD="unterminated\n' >"$OUT/bad.env"
code=0
av vault credential import "$OUT/bad.env" >"$OUT/stdout" 2>"$OUT/stderr" || code=$?
[ $code = 1 ] || [ $code = 2 ] || fail "exit $code"
assert_error
assert_matches "$OUT/stderr" '(line |:)2'
assert_absent "$OUT/stderr" unterminated
expect_exit 3 av vault credential get FINE
expect_exit 3 av vault credential import /no/such.env
