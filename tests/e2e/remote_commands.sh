#!/usr/bin/env bash
# The commands over a serve elsewhere say what they say over its store, word for word, and do there what
# they do here; the server's log says who did it. A person's login and its end; what an agent's token may
# not do; what belongs to the store's own machine; that nothing falls back to a store of this one.
# timeout: 240
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
value=$(new_canary)
second=$(new_canary)
password="correct horse $(random_value)"
printf '%s\n' "$password" >>"$CANARIES"
bearer_service echo.test API_KEY "$value"
av rule add block echo.test/admin/* --name no-admin >/dev/null 2>&1
av rule add rate_limit echo.test --limit 100 --window minute --name slow >/dev/null 2>&1
agent=$(av agent create builder --vault default --max-concurrent 3 2>/dev/null)
printf '%s\n' "$agent" >>"$CANARIES"
printf '%s' "$password" | av user add ann@example.com --owner --password-stdin >/dev/null 2>&1
printf '%s' "$password" | av user add bob@example.com --password-stdin >/dev/null 2>&1
av vault member add bob@example.com --role proxy >/dev/null 2>&1
av ca show >"$OUT/ca.pem"

"$AV_BINARY" serve --json --any-port --tls "${RUN_OPTIONS[@]}" >"$OUT/serve.out" 2>"$OUT/serve.err" &
SERVE=$!
wait_for 30 test -s "$OUT/serve.out"
API=$(json "$OUT/serve.out" 'd["api"]')
LAPTOP=$AV_CASE/laptop
mkdir -m 700 "$LAPTOP"
far() { env AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_ADDR="$API" "$AV_BINARY" "$@"; }

agent_far() { env AGENT_VAULT_TOKEN="$agent" AGENT_VAULT_CA="$OUT/ca.pem" AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_ADDR="$API" "$AV_BINARY" "$@"; }

# -- signing in
AGENT_VAULT_HOME=$LAPTOP AGENT_VAULT_ADDR=$API expect_exit 2 av vault list
assert_error 'agent-vault login'
printf '%s\n' "$password" | expect_exit 1 far login --email ann@example.com --password-stdin
assert_error 'is not good' # nobody vouches for the certificate yet
printf 'wrong password\n' | expect_exit 4 far login --email ann@example.com --password-stdin --ca "$OUT/ca.pem"
printf '%s\n' "$password" | expect_exit 0 far login --email Ann@Example.com --password-stdin --ca "$OUT/ca.pem" --device-label laptop
login=$(echo "$LAPTOP"/servers/*/login)
assert_eq 600 "$(stat -c %a "$login")" "the mode of the login"
first_token=$(sed -n 4p "$login")
printf '%s\n' "$first_token" >>"$CANARIES"
far whoami >"$OUT/who"
assert_contains "$OUT/who" ann@example.com
assert_contains "$OUT/who" "$API"
assert_eq owner "$(far whoami --json | "$AV_PYTHON" -c 'import json,sys; print(json.load(sys.stdin)["role"])')"
assert_contains "$OUT/who" 'the login of'
far auth login --help >"$OUT/help"
assert_contains "$OUT/help" --device-label
far user sessions ann@example.com >"$OUT/sessions"
assert_contains "$OUT/sessions" laptop

# -- the same words, over the store and over the server
same() { # COMMAND...
  far "$@" >"$OUT/far" 2>"$OUT/far.err" || { cat "$OUT/far.err" >&2; fail "over the server: $*"; }
  av "$@" >"$OUT/near" 2>"$OUT/near.err"
  cmp -s "$OUT/near" "$OUT/far" || { diff "$OUT/near" "$OUT/far" >&2 || true; fail "not the same over the server: $*"; }
}
for command in 'vault list' 'vault current' 'vault settings' 'vault credential list' 'vault service list' \
  'vault service show echo-test' 'rule list' 'rule show no-admin' 'agent list' 'agent show builder' \
  'vault member list' 'proposal list' 'approval list' 'vault credential get API_KEY' 'vault credential list --reveal' \
  'rule test GET https://echo.test/admin/x' 'rule test DELETE https://other.test/'; do
  same $command
  same $command --json
done
same vault service list --toml
same rule list --toml

# -- what is done there is done
printf '%s' "$second" | far vault credential set SECOND --stdin >/dev/null 2>"$OUT/err"
assert_contains "$OUT/err" "stored SECOND"
assert_eq "$second" "$(av vault credential get SECOND)"
assert_eq "$second" "$(far vault credential get SECOND)"
printf '%s' "$value" | far vault credential set SECOND --stdin >/dev/null 2>"$OUT/err"
assert_contains "$OUT/err" "replaced SECOND"
far vault credential delete SECOND 2>/dev/null
expect_exit 3 far vault credential get SECOND
assert_error
expect_exit 3 far vault credential get API_KEZ
assert_contains "$OUT/stderr" API_KEY
far vault create team >/dev/null 2>&1
far vault service add --vault team --name two --host two.test --auth-type passthrough 2>/dev/null
far vault service disable two --vault team 2>/dev/null
assert_eq false "$(av vault service show two --vault team --json | "$AV_PYTHON" -c 'import json,sys; print(str(json.load(sys.stdin)["enabled"]).lower())')"
far vault service remove two --vault team 2>/dev/null
far rule add block '*' --method DELETE --name no-delete --vault team 2>/dev/null
far rule disable no-delete --vault team 2>/dev/null
same rule list --vault team
far rule remove no-delete --vault team 2>/dev/null
expect_exit 5 far rule add block echo.test --name no-admin
far vault settings --unmatched deny --vault team >/dev/null
assert_contains <(av vault settings --vault team) deny
far vault member add bob@example.com --vault team --role member 2>/dev/null
expect_exit 5 far vault member add bob@example.com --vault team
far vault member set bob@example.com --vault team --role admin 2>/dev/null
same vault member list --vault team
far vault member remove bob@example.com --vault team 2>/dev/null
far vault rename team crew 2>/dev/null
far vault delete crew --yes 2>/dev/null
expect_exit 3 av vault settings --vault crew
new=$(far agent create fresh --vault default 2>/dev/null)
printf '%s\n' "$new" >>"$CANARIES"
assert_eq 200 "$(curl -s -m 10 --cacert "$OUT/ca.pem" -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $new" "$API/discover")"
rotated=$(far agent rotate fresh 2>/dev/null)
printf '%s\n' "$rotated" >>"$CANARIES"
assert_eq 401 "$(curl -s -m 10 --cacert "$OUT/ca.pem" -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $new" "$API/discover")"
far agent revoke fresh 2>/dev/null
far agent delete fresh --yes 2>/dev/null
expect_exit 3 av agent show fresh
far user set-role bob@example.com owner 2>/dev/null
far user disable bob@example.com 2>/dev/null
assert_contains <(av user list) disabled
far user enable bob@example.com 2>/dev/null
far user set-role bob@example.com member 2>/dev/null
link=$(far user invite eve@example.com --vault default 2>/dev/null)
case $link in "$API/invite/av_uinv_"*) ;; *) fail "no link: $link" ;; esac
printf '%s\n' "${link##*/}" >>"$CANARIES"

# -- a proposal, decided from there
number=$(AGENT_VAULT_TOKEN=$agent AGENT_VAULT_CA=$OUT/ca.pem far proposal create --service pay.test --user-message why 2>/dev/null)
same proposal list
far proposal show "$number" >"$OUT/shown"
assert_contains "$OUT/shown" pay.test
third=$(new_canary)
key=$(av proposal show "$number" --json | "$AV_PYTHON" -c 'import json,sys; print(json.load(sys.stdin)["credentials"][0]["key"])')
printf '%s' "$third" | far proposal approve "$number" "$key" --stdin --uses 5 >/dev/null 2>"$OUT/err" || { cat "$OUT/err"; fail "approve"; }
assert_eq "$third" "$(av vault credential get "$key")"
number=$(AGENT_VAULT_TOKEN=$agent AGENT_VAULT_CA=$OUT/ca.pem far proposal create --service no.test --user-message why 2>/dev/null)
far proposal reject "$number" --reason 'not today' 2>/dev/null
assert_contains <(AGENT_VAULT_TOKEN=$agent AGENT_VAULT_CA=$OUT/ca.pem far proposal show "$number") 'not today'

# -- the log: there, with who did it; here, the requests
AGENT_VAULT_TOKEN=$agent AGENT_VAULT_CA=$OUT/ca.pem far run -- curl -sS -m 20 https://echo.test/logged -o /dev/null 2>"$OUT/err" || { cat "$OUT/err"; fail "run"; }
far log >"$OUT/log"
assert_matches "$OUT/log" 'GET echo.test:443/logged .*by=builder'
far log --json --agent builder >"$OUT/log.json"
assert_eq /logged "$(json "$OUT/log.json" '(d if isinstance(d, list) else [d])[-1]["path"]')"
assert_eq true "$(audited "any(x['event'] == 'credential.reveal' and 'user:ann@example.com' in x.get('detail', '') for x in r)")" "who revealed, on the server's log"
[ ! -e "$LAPTOP/audit" ] || fail "a log was begun here"

env AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_ADDR="$API" "$AV_BINARY" log --follow -n 1 >"$OUT/follow" 2>&1 &
follow=$!
wait_for 30 grep -q /logged "$OUT/follow"
AGENT_VAULT_TOKEN=$agent AGENT_VAULT_CA=$OUT/ca.pem far run -- curl -sS -m 20 https://echo.test/followed -o /dev/null 2>/dev/null
wait_for 30 grep -q /followed "$OUT/follow"
kill "$follow"
wait "$follow" || true

# -- requests that wait for a person, decided from there
av rule add approve 'echo.test/pay/*' --name ask >/dev/null 2>&1
held() { # PATH
  env AGENT_VAULT_TOKEN="$agent" AGENT_VAULT_CA="$OUT/ca.pem" AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_ADDR="$API" \
    "$AV_BINARY" run -- curl -sS -m 60 -o /dev/null -w '%{http_code}' "https://echo.test/pay/$1" >"$OUT/held.$1" 2>/dev/null &
}
waits() { [ "$(far approval list --json | "$AV_PYTHON" -c 'import json,sys; print(len(json.load(sys.stdin)["approvals"]))')" = 1 ]; }
waiting_id() { far approval list --json | "$AV_PYTHON" -c 'import json,sys; print(json.load(sys.stdin)["approvals"][0]["id"])'; }
held one
one=$!
wait_for 30 waits
id=$(waiting_id)
far approval show "$id" >"$OUT/approval"
assert_contains "$OUT/approval" /pay/one
expect_exit 4 agent_far approval allow "$id"
far approval allow "$id" --uses 2 2>/dev/null
wait "$one"
assert_matches "$OUT/held.one" '^(200|404)$'
held one
wait $! # the second use
assert_matches "$OUT/held.one" '^(200|404)$'
held two
two=$!
wait_for 30 waits
far approval deny "$(waiting_id)" 2>/dev/null
wait "$two"
assert_eq 403 "$(cat "$OUT/held.two")" "what was denied"
av rule remove ask >/dev/null 2>&1

# -- an agent's token gets what an agent gets
agent_far vault service list >"$OUT/names"
assert_contains "$OUT/names" echo.test
agent_far whoami >"$OUT/who"
assert_contains "$OUT/who" builder
for command in 'vault credential get API_KEY' 'vault credential list --reveal' 'vault credential delete API_KEY' \
  'vault service remove echo-test' 'rule remove no-admin' 'agent create evil' 'agent list' 'vault create evil' \
  'vault member list' 'user list' 'approval list' 'log' 'proposal approve 1' 'proposal reject 1'; do
  expect_exit 4 agent_far $command
  assert_error
done
expect_exit 4 env AGENT_VAULT_TOKEN=av_agt_wrong AGENT_VAULT_CA="$OUT/ca.pem" AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_ADDR="$API" "$AV_BINARY" vault list
# A member who may only send traffic sees no value either.
printf '%s\n' "$password" | env AGENT_VAULT_HOME="$OUT/bob" AGENT_VAULT_ADDR="$API" "$AV_BINARY" login --email bob@example.com --password-stdin --ca "$OUT/ca.pem" 2>/dev/null
expect_exit 4 env AGENT_VAULT_HOME="$OUT/bob" AGENT_VAULT_ADDR="$API" "$AV_BINARY" vault credential get API_KEY
assert_error

# -- what belongs to the machine of the store
for command in 'key status' 'key rotate' 'ca rotate' 'audit verify' 'audit prune' 'serve'; do
  expect_exit 2 far $command
  assert_contains "$OUT/stderr" --local
done
same ca show
same ca show --fingerprint
for command in 'vault use default' 'vault credential history API_KEY' 'vault credential rollback API_KEY' 'agent set builder --service x'; do
  expect_exit 1 far $command
  assert_matches "$OUT/stderr" 'hint: '
done
[ ! -e "$LAPTOP/vault.db" ] || fail "something fell back to a store of this machine"
far vault list --local >"$OUT/local"
assert_contains "$OUT/local" default
[ -e "$LAPTOP/vault.db" ] || fail "--local did not use the store of this machine"
expect_exit 3 far vault credential get API_KEY --local
expect_exit 2 env AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_ADDR=http://203.0.113.9:1 AGENT_VAULT_TOKEN=t "$AV_BINARY" vault list
assert_error 'on another machine'

# -- a command inside a run manages nothing, wherever its address leads
expect_exit 4 env AGENT_VAULT_TOKEN="$first_token" AGENT_VAULT_CA="$OUT/ca.pem" AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_ADDR="$API" \
  "$AV_BINARY" run -- env AGENT_VAULT_ADDR="$API" AGENT_VAULT_CA="$OUT/ca.pem" AGENT_VAULT_TOKEN="$first_token" "$AV_BINARY" vault credential get API_KEY
assert_contains "$OUT/stderr" 'inside'

# -- signing out: gone here, void there; so is what a new login replaces
printf '%s\n' "$password" | far login --email ann@example.com --password-stdin 2>/dev/null
second_token=$(sed -n 4p "$login")
dead() { assert_eq 401 "$(curl -s -m 10 --cacert "$OUT/ca.pem" -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $1" "$API/v1/auth/me")" "$2"; }
dead "$first_token" "the token of the login before"
far logout 2>/dev/null
[ ! -e "$login" ] || fail "the login is still there"
dead "$second_token" "the token after logout"
expect_exit 3 far logout
assert_error 'nobody is signed in'
kill -TERM "$SERVE"
wait "$SERVE" || true
canary_check "$OUT/serve.err" "$AGENT_VAULT_HOME/audit" "$OUT/log" "$OUT/log.json"
