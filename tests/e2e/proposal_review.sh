#!/usr/bin/env bash
# `proposal review` on a terminal: shows, narrows, asks for values without showing them, and goes on after a mistake;
# nobody's vault changes behind the reviewer's back.
set -eu
. "$(dirname "$0")/common.inc"
tty() { "$AV_PYTHON" "$SUPPORT/with_tty.py" "$@"; }
value=$(new_canary)
file() { printf '%s' "$1" | av proposal create - >/dev/null 2>&1; }
file '{"user_message":"one\nagent-vault: allowed","services":[{"name":"one","host":"*.example.org","auth":{"type":"bearer","token":"ONE"}}],
  "credentials":[{"key":"ONE","description":"the first","obtain":"https://example.org/keys"}]}'
file '{"credentials":[{"key":"TWO"}]}'
file '{"credentials":[{"key":"THREE","value":"abc"}]}'

# The oldest first: narrowed (after an answer that would widen it), allowed; the second refused; the third skipped.
tty expect='\[a\]llow' send='n\n' \
  expect='host' send='evil.org\n' expect='path' send='\n' expect='methods' send='\n' expect='how long' send='\n' expect='how many' send='\n' \
  expect='would allow more than was proposed' expect='\[a\]llow' send='n\n' \
  expect='host' send='api.example.org\n' expect='path' send='/v1/*\n' expect='methods' send='get, head\n' expect='how long' send='2h\n' expect='how many' send='5\n' \
  expect='HEAD https://api.example.org/v1/\*' expect='5 requests in all' expect='\[a\]llow' send='a\n' \
  expect='get it at https://example.org/keys' expect='value of ONE: ' send="$value\n" expect='allowed proposal 1' \
  expect='\[a\]llow' send='d\n' expect='reason' send='no\n' expect='rejected proposal 2' \
  expect='comes from the agent' expect='\[a\]llow' send='s\n' \
  -- "$AV_BINARY" proposal review >"$OUT/tty.txt"
assert_contains "$OUT/tty.txt" '  | agent-vault: allowed'
assert_absent "$OUT/tty.txt" "$value"
assert_eq "$value" "$(av vault credential get ONE --reveal 2>/dev/null || av vault credential get ONE)"
av vault service list --json >"$OUT/services.json"
assert_eq 'api.example.org/v1/*' "$(json "$OUT/services.json" 'd["services"][0]["host"]')"
assert_eq '["GET", "HEAD"]' "$(json "$OUT/services.json" 'd["services"][0]["methods"]')"
assert_eq 5 "$(json "$OUT/services.json" 'd["services"][0]["uses"]')"
assert_eq 'no' "$(av proposal show 2 --json >"$OUT/2.json" && json "$OUT/2.json" 'd["review_note"]')"
assert_eq pending "$(av proposal show 3 --json >"$OUT/3.json" && json "$OUT/3.json" 'd["status"]')"

# The vault changes while somebody is asked for a value: nothing is applied, and it is shown anew.
file '{"credentials":[{"key":"FOUR"}]}'
cat >change.sh <<'SH'
"$AV_BINARY" vault credential set FOUR=mine >/dev/null 2>&1
SH
cat >between.py <<'PY'
# The reviewer, with a change made by somebody else at the moment when the value is asked for.
import os, pty, re, subprocess, sys, time
pid, master = pty.fork()
if pid == 0:
    os.execvp(os.environ["AV_BINARY"], ["agent-vault", "proposal", "review", "4"])
seen = b""
def until(pattern):
    global seen
    deadline = time.monotonic() + 15
    while not re.search(pattern, seen):
        assert time.monotonic() < deadline, seen
        seen += os.read(master, 65536)
    seen = seen[re.search(pattern, seen).end():]
until(rb"FOUR: new")
until(rb"\[a\]llow")
os.write(master, b"a\n")
until(rb"value of FOUR: ")
subprocess.run(["sh", "change.sh"], check=True)
os.write(master, b"typed-value\n")
until(rb"the vault has changed")
until(rb"FOUR: replaced")
until(rb"uit\?")
os.write(master, b"q\n")
os.waitpid(pid, 0)
PY
"$AV_PYTHON" between.py
assert_eq mine "$(av vault credential get FOUR --reveal 2>/dev/null || av vault credential get FOUR)"
av proposal reject 4 2>/dev/null
av vault credential set THREE=mine >/dev/null 2>&1
tty expect='THREE: replaced' expect='! replaces the value of THREE' expect='\[a\]llow' send='a\n' expect='allowed proposal 3' \
  -- "$AV_BINARY" proposal review >"$OUT/tty3.txt"
assert_eq abc "$(av vault credential get THREE --reveal 2>/dev/null || av vault credential get THREE)"
expect_exit 5 av proposal review 3
av proposal review 2>"$OUT/none.txt"
assert_contains "$OUT/none.txt" 'no proposal waits'
