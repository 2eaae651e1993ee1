#!/usr/bin/env bash
# People: made on the command line, in a browser with the setup code and by invite; who signs in, who
# is kept out; and what a command inside a run tries. The same commands work outside, so the attacks
# are real.
set -eu
. "$(dirname "$0")/common.inc"
need curl
serve() {
  rm -f "$OUT/serve.out"  # or the one before is taken for this one
  "$AV_BINARY" serve --any-port --json >"$OUT/serve.out" 2>"$OUT/serve.err" &
  SERVE_PID=$!
  wait_for 30 test -s "$OUT/serve.out"
  API=$(json "$OUT/serve.out" 'd["api"]')
}
stop() {
  kill "$SERVE_PID"
  wait "$SERVE_PID" || true
}
# api STATUS METHOD PATH [BODY [CURL_OPTION...]]: the body in $OUT/reply
api() {
  local want=$1 got
  local send=()
  [ -z "${4:-}" ] || send=(-H 'Content-Type: application/json' --data-binary "$4")
  got=$(curl -sS --noproxy '*' -o "$OUT/reply" -D "$OUT/head" -w '%{http_code}' -X "$2" "${send[@]}" \
    "${@:5}" "$API$3")
  [ "$got" = "$want" ] || { cat "$OUT/reply" >&2; fail "$2 $3: $got instead of $want"; }
}
secret=$(new_canary)

# -- the first owner, with the code that only the terminal shows
serve
code=$(sed -n 's/.*the setup code is //p' "$OUT/serve.err")
[ ${#code} = 30 ] || fail "no setup code: $code"
printf '%s\n' "$code" >>"$CANARIES"
api 403 POST /v1/auth/register '{"email":"eve@example.com","password":"evil password","setup_code":"AAAAA"}'
api 201 POST /v1/auth/register "{\"email\":\"Root@example.com\",\"password\":\"$secret\",\"setup_code\":\"$code\"}"
root=$(json "$OUT/reply" 'd["token"]')
printf '%s\n' "$root" >>"$CANARIES"
! grep -qi '^set-cookie' "$OUT/head" || fail "a program got a cookie"
api 403 POST /v1/auth/register "{\"email\":\"eve@example.com\",\"password\":\"evil password\",\"setup_code\":\"$code\"}"
api 200 GET /v1/auth/me '' -H "Authorization: Bearer $root"
assert_eq root@example.com "$(json "$OUT/reply" 'd["email"]')"

# -- an invite made on the command line, taken in the browser
av user invite bob@example.com --vault default --role member --url "$API" >"$OUT/link" 2>"$OUT/words"
assert_matches "$OUT/link" "^$API/invite/av_uinv_[A-Za-z0-9_-]{43}\$"
link=$(sed 's#.*/invite/##' "$OUT/link")
printf '%s\n' "$link" >>"$CANARIES"
api 200 GET "/v1/users/invites/$link/details"
api 201 POST "/v1/users/invites/$link/accept" '{"password":"bobs own password"}'
api 404 POST "/v1/users/invites/$link/accept" '{"password":"another password"}'
bob=$(api 200 POST /v1/auth/login '{"email":"bob@example.com","password":"bobs own password"}' && json "$OUT/reply" 'd["token"]')
api 403 GET /v1/users '' -H "Authorization: Bearer $bob"
api 200 GET /v1/vaults/default/members '' -H "Authorization: Bearer $bob"
api 403 POST /v1/vaults/default/members '{"email":"bob@example.com","role":"admin"}' -H "Authorization: Bearer $bob"

# -- wrong and unknown look alike
api 401 POST /v1/auth/login '{"email":"bob@example.com","password":"wrong password"}'
cp "$OUT/reply" "$OUT/wrong"
api 401 POST /v1/auth/login '{"email":"nobody@example.com","password":"wrong password"}'
cmp -s "$OUT/reply" "$OUT/wrong" || fail "an unknown address gets another answer"

# -- a cookie: forged ones are nobody's, other sites cannot use a real one
api 401 GET /v1/auth/me '' -b 'av_session=av_sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
api 200 GET /v1/auth/me '' -H "Authorization: Bearer $bob"
api 401 GET /v1/auth/me '' -b "av_session=$bob"
api 200 POST /v1/auth/login '{"email":"bob@example.com","password":"bobs own password"}' -H "Origin: $API" -H 'X-Agent-Vault: 1' -c "$OUT/jar"
assert_matches "$OUT/head" '^Set-Cookie: av_session=av_sess_[A-Za-z0-9_-]{43}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict.$'
bob=$(awk '$6 == "av_session" { print $7 }' "$OUT/jar")
api 200 GET /v1/auth/me '' -b "av_session=$bob"
api 401 GET /v1/auth/me '' -H "Authorization: Bearer $bob"
api 403 POST /v1/auth/logout '' -b "av_session=$bob" -H 'Origin: https://evil.example' -H 'X-Agent-Vault: 1'
api 200 POST /v1/auth/logout '' -b "av_session=$bob" -H "Origin: $API" -H 'X-Agent-Vault: 1'
api 401 GET /v1/auth/me '' -b "av_session=$bob"

# -- the command line reaches a running server at once
api 200 POST /v1/auth/login '{"email":"bob@example.com","password":"bobs own password"}'
bob=$(json "$OUT/reply" 'd["token"]')
av user disable bob@example.com 2>/dev/null
api 401 GET /v1/auth/me '' -H "Authorization: Bearer $bob"
api 401 POST /v1/auth/login '{"email":"bob@example.com","password":"bobs own password"}'
expect_exit 5 av user remove -y root@example.com
assert_error "last owner"

# -- from inside a run: no account, no role, no invite, no list
cat >attack.sh <<'SH'
# Prints one word per attack that worked.
try() { word=$1; shift; "$@" >/dev/null 2>&1 && echo "$word"; }
try list "$AV_BINARY" user list
try add sh -c 'echo evil password | "$AV_BINARY" user add eve@example.com --owner --password-stdin'
try invite "$AV_BINARY" user invite mallory@example.com --owner
try role "$AV_BINARY" vault member set bob@example.com --vault default --role admin
try password sh -c 'echo evil password | "$AV_BINARY" user set-password bob@example.com --password-stdin'
try enable "$AV_BINARY" user enable bob@example.com
true
SH
av run --isolation off -- sh ./attack.sh >"$OUT/inside" 2>/dev/null
assert_eq "" "$(cat "$OUT/inside")" "attacks that worked inside a run"
sh ./attack.sh >"$OUT/outside"
assert_eq "list add invite role password enable" "$(tr '\n' ' ' <"$OUT/outside" | sed 's/ $//')" "the same outside"
# The token of an agent is nobody in the web of accounts.
agent=$(av agent create builder 2>/dev/null)
printf '%s\n' "$agent" >>"$CANARIES"
api 403 GET /v1/users '' -H "Authorization: Bearer $agent"
api 403 POST /v1/users/invites '{"email":"eve2@example.com"}' -H "Authorization: Bearer $agent"
api 401 GET /v1/auth/sessions '' -b "av_session=$agent"

# -- too many tries
for _ in 1 2 3 4 5 6 7 8 9 10; do
  api 401 POST /v1/auth/login '{"email":"root@example.com","password":"wrong password"}'
done
api 429 POST /v1/auth/login "{\"email\":\"root@example.com\",\"password\":\"$secret\"}"
assert_matches "$OUT/head" '^Retry-After: [0-9]+'
stop
assert_absent "$OUT/serve.err" "$secret"

# -- a server that has an owner shows no code
serve
stop
assert_absent "$OUT/serve.err" "setup code"
av audit verify >/dev/null
assert_matches <(av log --json --event 'user.login') '"decision":"deny"'
canary_check "$AGENT_VAULT_HOME"
