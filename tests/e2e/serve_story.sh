#!/usr/bin/env bash
# An agent that is denied files the proposal that the denial holds, and waits; a person signs in, takes
# away what is too much, enters the value and allows; the agent's next call works, and the value is
# nowhere in its reach. What does not suffice to approve: the link, the agent's token, a forged cookie,
# a cookie without the page's Origin. A session that a person made ends with the person.
# timeout: 170
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
value=$(new_canary)
password="correct horse $(random_value)"
av vault settings --unmatched deny >/dev/null
agent=$(av agent create builder --vault default 2>/dev/null)
printf '%s' "$password" | av user add ann@example.com --owner --password-stdin >/dev/null 2>&1
printf '%s' "$password" | av user add bob@example.com --password-stdin >/dev/null 2>&1
av vault member add bob@example.com --role member >/dev/null 2>&1
av ca show >"$OUT/ca.pem"

"$AV_BINARY" serve --json --any-port "${RUN_OPTIONS[@]}" >"$OUT/serve.out" 2>"$OUT/serve.err" &
SERVE=$!
wait_for 30 test -s "$OUT/serve.out"
API=$(json "$OUT/serve.out" 'd["api"]')
PROXY=$(json "$OUT/serve.out" 'd["proxy"]')

as_agent() { curl -sS -m 60 -H "Authorization: Bearer $agent" -H 'Content-Type: application/json' "$@"; }
# A browser: the cookie, the page's own Origin and the field that other sites cannot send.
as_page() { curl -sS -m 30 -b "$OUT/jar" -c "$OUT/jar" -H "Origin: $API" -H 'X-Agent-Vault: 1' -H 'Content-Type: application/json' "$@"; }
through() { curl -sS -m 30 --cacert "$OUT/ca.pem" -x "http://$1:@$PROXY" "$2"; }
code() { "$@" -o /dev/null -w '%{http_code}'; }

# Denied, with a proposal that fits.
through "$agent" https://echo.test/v1/things >"$OUT/denied"
assert_eq forbidden "$(json "$OUT/denied" 'd["error"]')" "the denial"
json "$OUT/denied" 'd["proposal_hint"]["body"]' >"$OUT/ask.json"
key=$(json "$OUT/ask.json" 'd["credentials"][0]["key"]')
as_agent --data @"$OUT/ask.json" "$API/v1/proposals" >"$OUT/filed"
assert_eq pending "$(json "$OUT/filed" 'd["status"]')" "what was filed"
link=$(json "$OUT/filed" 'd["approval_url"]')
as_agent "$API/v1/proposals/1?wait=30" >"$OUT/waited" &
waiting=$!

# None of these approves anything.
approval=$(printf '{"vault":"default","credentials":{"%s":"x"}}' "$key")
assert_eq 200 "$(curl -s -m 10 -o /dev/null -w '%{http_code}' "$link")" "the link shows a page"
details="$API/v1/proposals/approve-details?id=1&token=${link##*token=}"
curl -sS -m 10 "$details" >"$OUT/details"
assert_eq false "$(json "$OUT/details" 'd["can_approve"]')" "the link alone"
approve="$API/v1/admin/proposals/1/approve"
assert_eq 401 "$(code curl -s -m 10 -H 'Content-Type: application/json' --data "$approval" "$approve")" "nobody"
assert_eq 401 "$(code curl -s -m 10 -H 'Content-Type: application/json' -H "Authorization: Bearer ${link##*token=}" --data "$approval" "$approve")" "the link's token"
refused=$(code as_agent --data "$approval" "$approve")
[ "$refused" = 403 ] || [ "$refused" = 404 ] || fail "the agent's token got $refused"
assert_eq 401 "$(code curl -s -m 10 -H "Cookie: av_session=av_sess_$(random_value)" -H "Origin: $API" -H 'X-Agent-Vault: 1' -H 'Content-Type: application/json' --data "$approval" "$approve")" "a forged cookie"
assert_eq 401 "$(code as_page --data '{"email":"ann@example.com","password":"wrong"}' "$API/v1/auth/login")" "a wrong password"
printf '{"email":"ann@example.com","password":"%s"}' "$password" >"$OUT/login.json"
assert_eq 200 "$(code as_page --data @"$OUT/login.json" "$API/v1/auth/login")" "the right password"
assert_contains "$OUT/jar" av_session
assert_eq 403 "$(code curl -s -m 10 -b "$OUT/jar" -H 'Content-Type: application/json' --data "$approval" "$approve")" "a cookie without Origin"
assert_eq 403 "$(code curl -s -m 10 -b "$OUT/jar" -H 'Origin: http://evil.example' -H 'X-Agent-Vault: 1' -H 'Content-Type: application/json' --data "$approval" "$approve")" "a cookie from another site"
assert_eq pending "$(as_agent "$API/v1/proposals/1" >"$OUT/state"; json "$OUT/state" 'd["status"]')" "still waiting"

# What is meant to allow less, and is not understood, allows nothing.
for odd in '"narrow":[]' '"narrow":"x"' '"uses":1'; do
  assert_eq 400 "$(printf '{"vault":"default","credentials":{"%s":"x"},%s}' "$key" "$odd" >"$OUT/odd.json"; code as_page --data @"$OUT/odd.json" "$approve")" "$odd"
done

# The person sees what would change, takes away the rest, and allows.
as_page "$API/v1/admin/proposals/1/diff?vault=default" >"$OUT/diff"
assert_contains "$OUT/diff" echo.test
as_page "$API/v1/admin/proposals/1?vault=default" >"$OUT/proposal"
name=$(json "$OUT/proposal" 'd["services"][0].get("name", "")')
narrow='"path":"/headers","methods":["GET"]'
[ -z "$name" ] || narrow="\"name\":\"$name\",$narrow"
printf '{"vault":"default","credentials":{"%s":"%s"},"narrow":{"services":[{%s}],"expires_in_seconds":3600}}' "$key" "$value" "$narrow" >"$OUT/approve.json"
as_page --data @"$OUT/approve.json" "$approve" >"$OUT/approved"
assert_eq applied "$(json "$OUT/approved" 'd["status"]')" "the approval: $(cat "$OUT/approved")"
wait "$waiting"
assert_eq applied "$(json "$OUT/waited" 'd["status"]')" "what the agent waited for"

# The agent's next call works, in what was allowed and no more.
through "$agent" https://echo.test/headers >"$OUT/answer"
assert_eq "Bearer $value" "$(received_header authorization)" "what the upstream saw"
through "$agent" https://echo.test/v1/things >"$OUT/more"
assert_eq forbidden "$(json "$OUT/more" 'd["error"]')" "beyond what was allowed"
canary_check "$OUT/answer" "$OUT/more" "$OUT/waited" "$OUT/filed" "$OUT/state" "$OUT/approved" "$OUT/details"
for path in "/v1/credentials?vault=default&reveal=true" "/v1/credentials?vault=default" /discover "/v1/proposals/1" /v1/vaults/default/services; do
  as_agent "$API$path" >"$OUT/reach" || true
  canary_check "$OUT/reach"
done

# A session that bob made ends with bob; the agent's own token does not.
printf '{"email":"bob@example.com","password":"%s"}' "$password" >"$OUT/login.json"
mv "$OUT/jar" "$OUT/jar.ann"
assert_eq 200 "$(code as_page --data @"$OUT/login.json" "$API/v1/auth/login")" "bob signs in"
as_page --data '{"vault":"default","ttl_seconds":600,"vault_role":"proxy"}' "$API/v1/sessions" >"$OUT/session"
session=$(json "$OUT/session" 'd["token"]')
through "$session" https://echo.test/headers >"$OUT/answer" # good at once
assert_eq "Bearer $value" "$(received_header authorization)" "what bob's session reached"
av user remove bob@example.com --yes >/dev/null 2>&1
gone() { [ "$(curl -s -m 10 --cacert "$OUT/ca.pem" -x "http://$session:@$PROXY" -o /dev/null -w '%{http_connect}' https://echo.test/headers || true)" = 407 ]; }
wait_for 30 gone
through "$agent" https://echo.test/headers >"$OUT/answer"
canary_check "$OUT/answer"

# Figures, and the log: who allowed it, and no value.
curl -sS -m 10 -b "$OUT/jar.ann" "$API/metrics" >"$OUT/metrics"
assert_matches "$OUT/metrics" '^agent_vault_decisions_total\{decision="allow"\} [1-9]'
kill -TERM "$SERVE"
wait "$SERVE"
av log --json -n 0 >"$OUT/log"
assert_contains "$OUT/log" 'user:ann@example.com'
canary_check "$OUT/log" "$AGENT_VAULT_HOME/audit" "$OUT/serve.err"
assert_absent "$OUT/log" "$password"
assert_absent "$OUT/log" av_sess_
av audit verify >"$OUT/verify" 2>&1 || fail "the log does not verify: $(cat "$OUT/verify")"
