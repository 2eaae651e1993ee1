#!/usr/bin/env bash
# In Chromium, against a running serve: an agent's proposal is opened by its link, signed in for,
# narrowed, given a value and allowed; the agent's next call works; every view shows what is there, and
# none the value.
# timeout: 170
set -eu
. "$(dirname "$0")/common.inc"
need chromium chromedriver
start_upstream
play echo.test
value=$(new_canary)
password="correct horse $(random_value)"
av vault settings --unmatched deny >/dev/null
agent=$(av agent create builder --vault default 2>/dev/null)
printf '%s' "$password" | av user add ann@example.com --owner --password-stdin >/dev/null 2>&1
av ca show >"$OUT/ca.pem"
"$AV_BINARY" serve --json --any-port "${RUN_OPTIONS[@]}" >"$OUT/serve.out" 2>"$OUT/serve.err" &
SERVE=$!
wait_for 30 test -s "$OUT/serve.out"
API=$(json "$OUT/serve.out" 'd["api"]')
PROXY=$(json "$OUT/serve.out" 'd["proxy"]')
through() { curl -sS -m 30 --cacert "$OUT/ca.pem" -x "http://$agent:@$PROXY" "$1"; }

through https://echo.test/v1/things >"$OUT/denied"
json "$OUT/denied" 'd["proposal_hint"]["body"]' >"$OUT/ask.json"
curl -sS -m 20 -H "Authorization: Bearer $agent" -H 'Content-Type: application/json' --data @"$OUT/ask.json" "$API/v1/proposals" >"$OUT/filed"
STORY_KEY=$(json "$OUT/ask.json" 'd["credentials"][0]["key"]') STORY_PASSWORD=$password STORY_VALUE=$value \
  python3 "$AV_ROOT/tests/pages/serve_story.py" "$API" "$(json "$OUT/filed" 'd["approval_url"]')" >"$OUT/story" 2>&1 ||
  fail "the browser: $(head -c 2500 "$OUT/story")"

through https://echo.test/headers >"$OUT/answer"
assert_eq "Bearer $value" "$(received_header authorization)" "what the upstream saw"
through https://echo.test/v1/things >"$OUT/more"
assert_eq forbidden "$(json "$OUT/more" 'd["error"]')" "beyond what was allowed"
canary_check "$OUT/answer" "$OUT/more" "$OUT/filed" "$OUT/serve.err" "$AGENT_VAULT_HOME/audit"
kill -TERM "$SERVE"
wait "$SERVE"
