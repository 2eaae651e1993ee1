#!/usr/bin/env bash
# What every kind of store with an address has: a private network must be named (allow_net), an authority of one's own given
# (ca), and http:// or ws:// to another machine allowed (plain_http). Each is refused without, which is the control. One
# reference is tested without showing what is there.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/external_stores.inc"
CERTS=$OUT/certs
"$SUPPORT/make_certs.sh" "$CERTS"
SECRETS=$OUT/given
mkdir -m 700 "$SECRETS"
give() { # NAME VALUE
  printf '%s\n' "$2" >"$SECRETS/$1"
  printf '%s' "$SECRETS/$1"
}
fake() { # NAME [OPTION...]: PORT
  local name=$1
  shift
  "$AV_PYTHON" "$SUPPORT/$name.py" --log "$OUT/$name.jsonl" "$@" >"$OUT/$name.out" 2>"$OUT/$name.err" &
  wait_for 20 grep -q READY "$OUT/$name.out"
  PORT=$(sed -n 's/^READY //p' "$OUT/$name.out")
}
HOST=store.echo.test
NET=(--set allow_net=127.0.0.1/32)
checked() { # KIND SCHEME CLEAR PREPARE OPTION...; PREPARE starts the fake and sets GIVEN
  local kind=$1 scheme=$2 clear=$3 prepare=$4
  shift 4
  local pair=(av vault store pair "$kind" "$@")
  "$prepare" --tls "$CERTS/server.pem" "$CERTS/server.key"
  local at=(--set "url=$scheme://127.0.0.1:$PORT" "${GIVEN[@]}")
  expect_exit 4 "${pair[@]}" "${at[@]}"
  assert_error
  assert_contains "$OUT/stderr" allow_net
  "${pair[@]}" "${at[@]}" "${NET[@]}" >"$OUT/stdout" 2>"$OUT/stderr" && fail "$kind: a certificate that nobody vouches for"
  assert_contains "$OUT/stderr" 'ca=FILE'
  "${pair[@]}" "${at[@]}" "${NET[@]}" --set-file "ca=$CERTS/ca.pem" 2>"$OUT/stderr" || fail "$kind, its own CA: $(cat "$OUT/stderr")"
  assert_contains "$OUT/stderr" "paired '$kind'"
  # In the clear.
  "$prepare"
  at=(--resolve "$HOST:$PORT:127.0.0.1" --set "url=$clear://$HOST:$PORT" --name clear "${GIVEN[@]}")
  "${pair[@]}" "${at[@]}" >"$OUT/stdout" 2>"$OUT/stderr" && fail "$kind: in the clear to another machine"
  assert_contains "$OUT/stderr" 'plain_http=yes'
  "${pair[@]}" "${at[@]}" --set plain_http=maybe >"$OUT/stdout" 2>"$OUT/stderr" && fail "$kind: maybe"
  "${pair[@]}" "${at[@]}" --set plain_http=yes 2>"$OUT/stderr" || fail "$kind, in the clear: $(cat "$OUT/stderr")"
  av vault store unpair clear 2>/dev/null
  av vault store kinds "$kind" >kind.txt
  for setting in ca allow_net plain_http; do assert_matches kind.txt "^$setting "; done
}

prepare_vault() {
  fake fake_vault "$@"
  GIVEN=(--set-file "token=$(give vault root-token)")
}
checked vault https http prepare_vault
prepare_infisical() {
  fake fake_infisical "$@"
  GIVEN=(--set-file "client_secret=$(give infisical cs-infisical-agent-0123456789)")
}
checked infisical https http prepare_infisical --set project=11111111-2222-3333-4444-555555555555 --set environment=prod --set client_id=client-agent
echo '{"token": "x", "vaults": []}' >items.json
prepare_connect() {
  fake fake_op_connect --data items.json --token connect-token-0123456789 "$@"
  GIVEN=(--set-file "token=$(give connect connect-token-0123456789)")
}
checked 1password-connect https http prepare_connect
prepare_sm() {
  fake fake_bitwarden_sm "$@"
  wait_for 10 grep -q TOKEN "$OUT/fake_bitwarden_sm.out"
  GIVEN=(--set-file "token=$(give sm "$(sed -n 's/^TOKEN //p' "$OUT/fake_bitwarden_sm.out")")")
}
checked bitwarden-sm https http prepare_sm
prepare_relay() {
  fake fake_aac "$@"
  wait_for 10 grep -q CODE "$OUT/fake_aac.out"
  GIVEN=(--set-file "token=$(give aac "$(sed -n 's/^TOKEN //p' "$OUT/fake_aac.out")")")
}
checked bitwarden wss ws prepare_relay

# A kind without an address has none of them to show.
av vault store kinds pass >kind.txt
assert_absent kind.txt plain_http

# One reference, and not what is there.
start_store fake_vault
paired vault --name corp --set "url=$STORE_URL" --set-file "token=$(give vault root-token)"
av vault store test corp 'vault://secret/app#api_key' >test.out 2>&1 || fail "$(cat test.out)"
assert_matches test.out 'corp +vault://secret/app#api_key +ok'
assert_absent test.out sk-vault-app
expect_exit 1 av vault store test corp 'vault://secret/app#nobody'
assert_contains "$OUT/stdout" 'no field'
assert_absent "$OUT/stdout" sk-vault-app
expect_exit 1 av vault store test corp vault://secret/nothing#x
expect_exit 3 av vault store test corp op://a/b/c
