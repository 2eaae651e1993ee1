#!/usr/bin/env bash
# The OAuth provider of the tests: each of its refusals beside what it accepts, its faults, and the browser without a window.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
need openssl curl
"$AV_PYTHON" "$SUPPORT/fake_idp_test.py" >"$OUT/unittest" 2>&1 || {
  cat "$OUT/unittest"
  fail "fake_idp_test.py"
}
tail -n 3 "$OUT/unittest"

# As a process of its own, through the helpers that the other cases use.
start_idp --issuer-path /tenant/a --client '{"client_id": "mine"}' --setting 'consent="form"'
make_browser --stop-at http://127.0.0.1:9/
"$BROWSER" "https://idp.test/tenant/a/authorize?client_id=public&response_type=code&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&redirect_uri=http://127.0.0.1:9/callback&state=abc"
assert_matches "$OUT/browser.jsonl" 'callback\?code=code_[^&]*&state=abc&iss=https%3A%2F%2Fidp.test%2Ftenant%2Fa'
assert_eq 1 "$(idp_value '/requests?endpoint=consent' 'len(d)')"
assert_eq form "$(idp_value /settings 'd["consent"]')"
assert_eq none "$(idp_value /clients 'd["mine"]["auth"]')"
idp_canaries
code=$(json "$OUT/browser.jsonl" 'd["url"].split("code=")[1].split("&")[0]')
assert_contains "$CANARIES" "$code"
assert_absent "$OUT/idp.jsonl" "$code"
assert_contains "$OUT/idp.jsonl" '"endpoint": "consent"'
