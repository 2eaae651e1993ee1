#!/usr/bin/env bash
# Every way to give a value, and every value: newlines, quotes, bytes above 127, 64 KiB. get prints it
# exactly; history and rollback go back.
set -eu
. "$(dirname "$0")/common.inc"
same() { # FILE KEY: get --json or a pipe gives back exactly the bytes
  av vault credential get "$2" >"$OUT/got"
  cmp "$1" "$OUT/got" 2>/dev/null || { printf '\n' | cat "$1" - | cmp - "$OUT/got" || fail "$2 changed"; }
}
expect_exit 0 av vault credential set A=1 'B=two words' 'C=x=y=z'
assert_eq 1 "$(av vault credential get A)"
assert_eq 'two words' "$(av vault credential get B)"
assert_eq 'x=y=z' "$(av vault credential get C)"
printf 'line one\nline "two"\n\tthree '\''q'\'' \\ end' >"$OUT/lines"
av vault credential set LINES --stdin <"$OUT/lines" >/dev/null 2>&1
same "$OUT/lines" LINES
head -c 65536 /dev/urandom | tr '\0' x >"$OUT/binary"
av vault credential set BINARY --from-file "$OUT/binary" >/dev/null 2>&1
same "$OUT/binary" BINARY
printf 'caf\303\251 \360\237\224\221' >"$OUT/utf8"
av creds set UTF8 --from-file "$OUT/utf8" >/dev/null 2>&1 || av vault creds set UTF8 --from-file "$OUT/utf8" >/dev/null 2>&1
same "$OUT/utf8" UTF8
# The hidden prompt: asked on the terminal, not shown.
"$AV_PYTHON" "$SUPPORT/with_tty.py" 'expect=PROMPTED' 'send=typed secret\n' -- \
  "$AV_BINARY" vault credential set PROMPTED >"$OUT/tty.out" 2>&1 || { cat "$OUT/tty.out"; fail "prompt"; }
assert_eq 'typed secret' "$(av vault credential get PROMPTED)"
assert_absent "$OUT/tty.out" 'typed secret'
# Without a terminal it does not hang.
code=0
setsid "$AV_BINARY" vault credential set NOBODY </dev/null >"$OUT/stdout" 2>"$OUT/stderr" || code=$?
[ $code != 0 ] || fail "a value out of nowhere"
assert_error

for bad in lower=1 1A=1 'A B=1' A-B=1 =1; do
  code=0
  av vault credential set "$bad" >"$OUT/stdout" 2>"$OUT/stderr" || code=$?
  [ $code = 1 ] || [ $code = 2 ] || fail "$bad: exit $code"
  assert_error
done
expect_exit 3 av vault credential get NOT_THERE
assert_error NOT_THERE
# All or none.
expect_exit 1 av vault credential set GOOD=1 bad-key=2
expect_exit 3 av vault credential get GOOD

set_credential V one
set_credential V two
set_credential V three
av vault credential history V >"$OUT/history"
assert_absent "$OUT/history" three
assert_eq 3 "$(av vault credential history V --json >"$OUT/h.json"; json "$OUT/h.json" 'len(d if isinstance(d, list) else d["versions"])')"
av vault credential rollback V >/dev/null 2>&1
assert_eq two "$(av vault credential get V)"
av vault credential rollback V --to 1 >/dev/null 2>&1
assert_eq one "$(av vault credential get V)"
av vault credential delete V A >/dev/null
expect_exit 3 av vault credential get V
expect_exit 3 av vault credential delete V

av vault credential list >"$OUT/list"
assert_contains "$OUT/list" LINES
assert_absent "$OUT/list" 'two words'
av vault credential list --reveal >"$OUT/revealed"
assert_contains "$OUT/revealed" 'two words'
# A known key suggests its preset.
av vault credential set OPENAI_API_KEY=sk-x >"$OUT/stdout" 2>"$OUT/stderr"
assert_matches <(cat "$OUT/stdout" "$OUT/stderr") '--preset openai'
