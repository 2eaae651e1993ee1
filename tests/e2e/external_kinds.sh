#!/usr/bin/env bash
# Every kind of external store with the real program: paired as its page says, a value of it at the upstream, nothing of it
# on disk, a rotated value within a minute, an outage that is told by its own code.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/external_stores.inc"
start_upstream
play github.com op.echo.test connect.echo.test sm.echo.test aac.echo.test infisical.echo.test pass.echo.test
SECRETS=$OUT/given
mkdir -m 700 "$SECRETS"

# give NAME VALUE: a file that a secret is read from
give() {
  printf '%s\n' "$2" >"$SECRETS/$1"
  printf '%s' "$SECRETS/$1"
}

# start_fake NAME [OPTION...]: of another shape than start_store's; FAKE_URL
start_fake() {
  local name=$1
  shift
  "$AV_PYTHON" "$SUPPORT/$name.py" --log "$OUT/$name.jsonl" "$@" >"$OUT/$name.out" 2>"$OUT/$name.err" &
  wait_for 30 grep -q READY "$OUT/$name.out"
  FAKE_URL=http://127.0.0.1:$(sed -n 's/^READY //p' "$OUT/$name.out")
}

# 1Password by op, and by Connect, from one set of items.
op_value=$(new_canary)
token=ops_$(printf '{"signInAddress":"my.1password.com"}' | base64 -w0 | tr -d =)$(random_value | tr -d -)
mkdir -m 700 "$HOME/op"
cp "$SUPPORT/fake_op" "$HOME/op/op"
cat >"$HOME/op/fake_op.json" <<EOF
{"token": "$token", "vaults": [{"id": "abcdefghijklmnopqrstuvwxyz", "name": "API", "items": [{"id": "bcdefghijklmnopqrstuvwxyza", "title": "OpenAI",
 "category": "API_CREDENTIAL", "urls": [{"href": "https://api.openai.com/"}], "sections": [],
 "fields": [{"id": "credential", "type": "CONCEALED", "label": "credential", "value": "$op_value", "reference": "op://API/OpenAI/credential"}]},
 {"id": "cdefghijklmnopqrstuvwxyzab", "title": "Example", "category": "LOGIN", "urls": [{"href": "https://login.example.com/in"}], "sections": [],
 "fields": []}]}]}
EOF
av vault store pair 1password --set "program=$HOME/op/op" --set-file "token=$(give op "$token")" 2>"$OUT/pair.err" || fail "1password: $(cat "$OUT/pair.err")"
from OP_KEY op://API/OpenAI/credential op.echo.test
start_fake fake_op_connect --data "$HOME/op/fake_op.json" --token connect-token-0123456789
paired 1password-connect --name connect --set "url=$FAKE_URL" --set-file "token=$(give connect connect-token-0123456789)"
av vault credential set CONNECT_KEY --from op://API/OpenAI/credential --store connect 2>/dev/null
av vault service add --name connect --host connect.echo.test --auth-type bearer --token-key CONNECT_KEY >/dev/null 2>&1
expect_exit 2 av vault credential set WHICH --from op://API/OpenAI/credential
assert_error 'several stores know op://'

# Bitwarden: Secrets Manager, and another device.
printf 'sk-canary-bitwarden-sm\n' >>"$CANARIES"
start_fake fake_bitwarden_sm
wait_for 30 grep -q TOKEN "$OUT/fake_bitwarden_sm.out"
paired bitwarden-sm --set "url=$FAKE_URL" --set-file "token=$(give sm "$(sed -n 's/^TOKEN //p' "$OUT/fake_bitwarden_sm.out")")"
from SM_KEY bw://key/OPENAI_API_KEY sm.echo.test
printf 'canary-agent-access\n' >>"$CANARIES"
start_fake fake_aac
AAC=$FAKE_URL
wait_for 30 grep -q CODE "$OUT/fake_aac.out"
paired bitwarden --set "url=ws${AAC#http}" --set-file "token=$(give aac "$(sed -n 's/^TOKEN //p' "$OUT/fake_aac.out")")"
av vault credential set AAC_KEY --from bw://domain/github.com#password --store bitwarden 2>/dev/null
av vault service add --name aac --host aac.echo.test --auth-type bearer --token-key AAC_KEY >/dev/null 2>&1

# Infisical, pass.
printf 'inf-api-key\n' >>"$CANARIES"
start_store fake_infisical
paired infisical --set "url=$STORE_URL" --set project=11111111-2222-3333-4444-555555555555 --set environment=prod --set client_id=client-agent \
  --set-file "client_secret=$(give infisical cs-infisical-agent-0123456789)"
from INFISICAL_KEY infisical://API_KEY infisical.echo.test
pass_value=$(new_canary)
mkdir -m 700 "$HOME/pass" "$HOME/pass/password-store"
cp "$SUPPORT/fake_pass" "$HOME/pass/pass"
printf '%s\nlogin: me\n' "$pass_value" >"$HOME/pass/password-store/api.gpg"
av vault store pair pass --set "program=$HOME/pass/pass" 2>"$OUT/pair.err" || fail "pass: $(cat "$OUT/pair.err")"
from PASS_KEY pass://api pass.echo.test

av vault store test >test.out || fail "$(cat test.out)"
av vault store list >list.out
for kind in 1password connect bitwarden-sm bitwarden infisical pass; do assert_matches list.out "^$kind +.* works "; done
agent_python <<'PY'
import proxy_client as p
for host in ("op", "connect", "sm", "aac", "infisical", "pass"):
    answer = p.request(f"https://{host}.echo.test/echo")
    assert answer.status == 200, (host, answer.body)
    for value in (b"canary", b"inf-api-key"):
        assert value not in answer.body, (host, answer.body)
PY
received '{[v for n, v in x["headers"] if n.lower() == "host"][0]: [v for n, v in x["headers"] if n.lower() == "authorization"] for x in r}' >sent.json
for pair in "op $op_value" "connect $op_value" "sm sk-canary-bitwarden-sm" "aac canary-agent-access" "infisical inf-api-key" "pass $pass_value"; do
  assert_eq "[\"Bearer ${pair#* }\"]" "$(json sent.json "d['${pair%% *}.echo.test']")" "${pair%% *}"
done
canary_check "$AGENT_VAULT_HOME" "$OUT/agent.out" "$OUT/agent.err"
rm -rf "$SECRETS"

# Websites of logins, as commands to choose from; of both ways to 1Password.
for store in 1password connect; do
  av vault store browse "$store" --suggest >suggest.txt 2>"$OUT/suggest.err" || fail "$(cat "$OUT/suggest.err")"
  assert_eq "agent-vault vault store map 'login.example.com' 'op://API/Example/password' --store '$store' --vault 'default'" "$(grep -v '^#' suggest.txt)"
  assert_contains suggest.txt '# Example'
done
assert_contains "$OUT/suggest.err" 'nothing is mapped yet'
av vault store mappings --json >mappings.json
assert_eq '[]' "$(json mappings.json 'd["mappings"]')"

# For any host, what the device itself has for it, and as the catalogue says it is used there.
av vault store map '*' --store bitwarden 2>/dev/null
agent_python <<'PY'
import proxy_client as p
answer = p.request("https://github.com/echo")
assert answer.status < 500, answer.body  # the fake plays a server of repositories there
PY
assert_eq "Basic $(printf 'x-access-token:canary-agent-access' | base64 -w0)" "$(received_header authorization)"

# The device is gone, op says that the token was deleted: each is told by itself, the others go on.
curl -sS -X POST "$AAC/control/refuse?count=1000" >/dev/null
sed -i 's/"vaults"/"misbehave": "deleted", "vaults"/' "$HOME/op/fake_op.json"
agent_python <<'PY'
import json, proxy_client as p
seen = {}
for host in ("op", "aac", "sm", "connect"):
    answer = p.request(f"https://{host}.echo.test/echo")
    seen[host] = 200 if answer.status == 200 else json.loads(answer.body)["error"]
assert seen["sm"] == seen["connect"] == 200, seen
assert seen["op"] == "external_store_denied", seen
assert seen["aac"].startswith("external_store_"), seen
PY
