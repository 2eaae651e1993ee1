#!/usr/bin/env bash
# With AGENT_VAULT_ADDR and AGENT_VAULT_TOKEN, `proposal create|list|show` speak to that server: what an agent in a
# run does. Its words are anybody's: they are shown as text.
set -eu
. "$(dirname "$0")/common.inc"
token=av_sess_0123456789
: >"$OUT/api.jsonl"
"$AV_PYTHON" "$SUPPORT/fake_api.py" --token "$token" --log "$OUT/api.jsonl" --after 2 >"$OUT/api.out" 2>"$OUT/api.err" &
wait_for 30 test -s "$OUT/api.out"
port=$(json "$OUT/api.out" 'd["port"]')
export AGENT_VAULT_ADDR=http://127.0.0.1:$port AGENT_VAULT_TOKEN=$token
clean() { if grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$1"; then fail "$(basename "$1") has control characters"; fi; }
asked() { json "$OUT/api.jsonl" "(lambda r: $1)(d if isinstance(d, list) else [d])"; }

body='{"credentials":[{"key":"K","value":"made"}]}'
assert_eq 7 "$(printf '%s' "$body" | av proposal create - 2>"$OUT/err")"
assert_contains "$OUT/err" 'https://x.test/approve/7?token=t'
clean "$OUT/err"
assert_eq "$body" "$(asked 'r[-1]["body"]')" # as it was, not as we read it
av proposal create --service api.stripe.com --user-message why --vault work >/dev/null 2>&1
assert_eq work "$(asked 'r[-1]["query"]["vault"]')"
assert_eq STRIPE_SECRET_KEY "$(asked '__import__("json").loads(r[-1]["body"])["credentials"][0]["key"]')"
av proposal list >"$OUT/list.txt"
clean "$OUT/list.txt"
assert_contains "$OUT/list.txt" 7
assert_eq pending "$(asked 'r[-1]["query"]["status"]')"
# Waits, and says by its exit code what came of it.
assert_eq 0 "$(av proposal show 7 --wait --json >"$OUT/show.json"; echo $?)"
assert_eq applied "$(json "$OUT/show.json" 'd["status"]')"
assert_eq 3 "$(asked 'sum(x["path"] == "/v1/proposals/7" for x in r)')"
assert_eq 30 "$(asked 'r[-1]["query"]["wait"]')"

expect_exit 3 av proposal show 99
assert_error 'such'
clean "$OUT/stderr"
printf '{"user_message":"%02000d"}' 0 >long.json
expect_exit 5 av proposal create long.json
assert_error '20 wait already'
AGENT_VAULT_TOKEN=wrong expect_exit 4 av proposal list
AGENT_VAULT_TOKEN='' expect_exit 2 av proposal list
# Neither the token nor the store is lost on the wrong address.
AGENT_VAULT_ADDR=http://203.0.113.1:1 expect_exit 2 av proposal list
assert_error 'on another machine'
AGENT_VAULT_ADDR=ftp://x expect_exit 2 av proposal list
[ ! -e "$AGENT_VAULT_HOME/vault.db" ] || fail "a store was made"
# Deciding is not for whoever has only a token.
printf '{"credentials":[{"key":"K"}]}' >one.json
(unset AGENT_VAULT_ADDR; av proposal create one.json >/dev/null 2>&1)
before=$(wc -l <"$OUT/api.jsonl")
printf v | av proposal approve 1 K --stdin --local 2>/dev/null # of the store here, whatever the address says
assert_eq "$before" "$(wc -l <"$OUT/api.jsonl")"
