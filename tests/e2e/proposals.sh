#!/usr/bin/env bash
# An agent is refused, the denial holds a proposal that fits; a person allows less than was asked for, and the
# agent's next requests get exactly that: this path, these methods, so many times, for so long. Nothing that the
# agent can say or do decides a proposal, widens it, or reaches the terminal as anything but text.
# timeout: 180
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test api.stripe.com
av vault settings --unmatched deny >/dev/null
value=$(new_canary)
clean() { if grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$1"; then fail "$(basename "$1") has control characters"; fi; }

# The denial's body is a proposal as it stands; what the catalogue knows is in it.
agent_python <<'PY'
import json
import proxy_client as p
for url, name in (("https://echo.test/echo/a?q=1", "hint"), ("https://api.stripe.com/v1/charges", "stripe")):
    reply = p.request(url, "GET")
    assert reply.status == 403 and reply.code == "forbidden", reply.body
    hint = reply.json["proposal_hint"]
    assert hint["method"] == "POST" and hint["url"] == "$AGENT_VAULT_ADDR/v1/proposals", hint
    assert "proposal_hint" in reply.json["help"], reply.json
    json.dump(hint["body"], open(name + ".json", "w"))
PY
assert_eq echo.test "$(json hint.json 'd["services"][0]["host"]')"
assert_eq STRIPE_SECRET_KEY "$(json stripe.json 'd["services"][0]["auth"]["token"]')"
assert_eq https://dashboard.stripe.com/apikeys "$(json stripe.json 'd["credentials"][0]["obtain"]')"
assert_eq 1 "$(av proposal create hint.json 2>"$OUT/err")"
assert_eq 2 "$(av proposal create - <stripe.json 2>"$OUT/err")"
av proposal list >"$OUT/list.txt" 2>"$OUT/err"
assert_contains "$OUT/list.txt" echo.test
av proposal show 1 >"$OUT/show.txt"
assert_contains "$OUT/show.txt" '+ any method https://echo.test/* with ECHO_KEY as bearer token'
assert_contains "$OUT/show.txt" '- so far such requests are refused'
av proposal reject 2 --reason 'not today' 2>"$OUT/err"
assert_eq rejected "$(av proposal show 2 --json >"$OUT/two.json" && json "$OUT/two.json" 'd["status"]')"
assert_eq 'not today' "$(json "$OUT/two.json" 'd["review_note"]')"
expect_exit 1 av proposal show 2 --wait

# Narrowed: one path, GET, three requests.
expect_exit 4 av proposal approve 1 ECHO_KEY --stdin --host '*.echo.test' <<<"$value"
assert_contains "$OUT/stderr" '"host" would allow more than was proposed'
expect_exit 4 av proposal approve 1 ECHO_KEY --stdin --host other.test <<<"$value"
expect_exit 2 av proposal approve 1 </dev/null 3>&1
printf '%s' "$value" | av proposal approve 1 ECHO_KEY --stdin --path '/echo/*' --methods GET --uses 3 2>"$OUT/approve.txt"
assert_contains "$OUT/approve.txt" '+ GET https://echo.test/echo/* with ECHO_KEY as bearer token'
expect_exit 5 av proposal approve 1 ECHO_KEY --stdin <<<"$value"
assert_eq 0 "$(av proposal show 1 --wait >/dev/null; echo $?)"
av proposal show 1 --json >"$OUT/one.json"
assert_eq "user:$(id -un)@terminal" "$(json "$OUT/one.json" 'd["reviewer"]')"
assert_eq 3 "$(json "$OUT/one.json" 'd["narrowed"]["uses"]')"
cat >uses.py <<'PY'
import sys
import proxy_client as p
wanted = sys.argv[1:]
for index, want in enumerate(wanted):
    method, path = ("POST", "/echo/x") if want.startswith("post-") else ("GET", "/other") if want.startswith("path-") else ("GET", "/echo/x")
    reply = p.request("https://echo.test" + path, method, [], b"x" if method == "POST" else b"")
    got = str(reply.status) if reply.status == 200 else reply.code
    assert got == want.split("-")[-1], (index, want, got, reply.body)
    if got == "service_used_up":
        assert reply.json["proposal_hint"]["body"]["services"] == [{"action": "set", "name": "echo-test", "enabled": True}], reply.json
PY
uses() { PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 agent -- "$AV_PYTHON" uses.py "$@"; }
uses post-forbidden path-forbidden 200 200
uses 200 service_used_up service_used_up # the count is of all runs
assert_eq 3 "$(received 'len(r)')"
assert_eq "Bearer $value" "$(received_header authorization)"

# Granted anew, for a time that is over soon. Nothing goes out bare afterwards, even where the rest may.
printf '{"services":[{"name":"echo-test","enabled":true}]}' | av proposal create - >"$OUT/number" 2>"$OUT/err"
assert_eq 3 "$(cat "$OUT/number")"
av vault settings --unmatched passthrough >/dev/null
av proposal approve 3 --for 3s 2>"$OUT/approve.txt"
assert_contains "$OUT/approve.txt" '- 3 requests in all'
uses 200 200 200 200
sleep 3
uses service_expired
assert_eq 7 "$(received 'len(r)')"
# What was there before counts again when a grant is over: here, nothing else covers it, until something does.
printf '%s' "$value" | av vault credential set WIDE --stdin >/dev/null 2>&1
av vault service add --name wide --host echo.test --auth-type bearer --token-key WIDE >/dev/null
uses 200

# Attack: an agent's words. Escape sequences, overrides and look-alike URLs are refused, and named without being shown.
bad() { # JSON WHAT
  printf '%s' "$1" >bad.json
  expect_exit 1 av proposal create bad.json
  assert_contains "$OUT/stderr" "$2"
  clean "$OUT/stderr"
}
bad '{"user_message":"\u001b]0;pwned\u0007","credentials":[{"key":"K"}]}' '"user_message" has a character'
bad '{"credentials":[{"key":"K","description":"\u202e"}]}' '"description" has a character'
bad '{"credentials":[{"key":"K","obtain":"javascript:alert(1)"}]}' '"obtain" is not a URL'
bad '{"credentials":[{"key":"K","obtain":"https://good.test@evil.test/"}]}' '"obtain" has no good host'
bad '{"services":[{"host":"a.test.com","auth":{"type":"bearer","token":"NOT_THERE"}}]}' 'neither stored nor proposed'
# Control: the same words without what is wrong with them are taken.
printf '{"user_message":"fine","credentials":[{"key":"K","description":"d","obtain":"https://good.test/"}]}' >good.json
av proposal create good.json >/dev/null 2>&1
# The theft that a person must see: a stored credential for a host of the agent's choice.
printf '{"services":[{"host":"evil.example.org","auth":{"type":"bearer","token":"ECHO_KEY"}}]}' | av proposal create - >"$OUT/number" 2>/dev/null
av proposal show "$(cat "$OUT/number")" >"$OUT/show.txt"
assert_contains "$OUT/show.txt" '! sends ECHO_KEY, which is stored already, to evil.example.org'

# Attack: the agent takes the reviewer's place, from inside of the run. The guard is tests/attack/guarded_commands.sh's;
# here, that proposals are behind it. Control: outside, the same words decide.
theft=$(cat "$OUT/number")
cat >inside.sh <<'SH'
for words in "approve $1" "reject $1" "review $1"; do
  code=0
  # shellcheck disable=SC2086
  env -u AGENT_VAULT_ADDR "$AV_BINARY" proposal $words </dev/null >out 2>&1 || code=$?
  echo "$code $words"
  grep -c 'inside `agent-vault run`' out
done
code=0
env -u AGENT_VAULT_ADDR "$AV_BINARY" proposal list >out 2>&1 || code=$?
echo "$code list"
SH
agent -- sh inside.sh "$theft"
assert_eq "4 approve $theft 1 4 reject $theft 1 4 review $theft 1 4 list" "$(tr '\n' ' ' <"$OUT/agent.out" | sed 's/ $//')"
assert_eq pending "$(av proposal show "$theft" --json >"$OUT/t.json" && json "$OUT/t.json" 'd["status"]')"
av proposal reject "$theft" 2>/dev/null
assert_eq rejected "$(av proposal show "$theft" --json >"$OUT/t.json" && json "$OUT/t.json" 'd["status"]')"

# A value that the agent made is sealed, never shown, and used when the person allows it.
made=$(new_canary)
printf '{"services":[{"host":"made.echo.test","auth":{"type":"bearer","token":"MADE"}}],"credentials":[{"key":"MADE","value":"%s"}]}' "$made" |
  av proposal create - >"$OUT/number" 2>"$OUT/err"
av proposal show "$(cat "$OUT/number")" >"$OUT/show.txt"
av proposal show "$(cat "$OUT/number")" --json >>"$OUT/show.txt"
assert_contains "$OUT/show.txt" 'the value comes from the agent'
av proposal approve "$(cat "$OUT/number")" 2>>"$OUT/show.txt"
assert_eq "$made" "$(av vault credential get MADE --reveal 2>/dev/null || av vault credential get MADE)"
canary_check "$OUT/show.txt" "$AGENT_VAULT_HOME"

# The log names who decided, before and after, and never a value.
assert_eq 3 "$(audited 'sum(x["event"] == "proposal.approve" and x["decision"] == "allow" for x in r)')" "approvals on the log"
assert_eq true "$(audited 'all("user:" in x["detail"] for x in r if x["event"].startswith(("proposal.approve", "proposal.reject")))')"
canary_check "$OUT/audit.jsonl"
