#!/usr/bin/env bash
# A value of each of the twelve kinds of store goes to its host, and is nowhere else: in no file, in nothing of the agent's
# processes, and in the broker's only in memory that is locked and left out of core dumps. The controls: it was at the
# upstream, and it is found in the memory of a process that has it.
# timeout: 200
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/external_stores.inc"
start_upstream
KINDS=(1password 1password-connect bitwarden bitwarden-cli bitwarden-sm vault infisical pass keyring env file cmd)
play "${KINDS[@]/%/.echo.test}"
# What the stores have is outside of what is searched.
FAKES=$OUT/fakes
mkdir -m 700 "$FAKES"
give() { # NAME VALUE
  printf '%s\n' "$2" >"$FAKES/$1.given"
  printf '%s' "$FAKES/$1.given"
}
fake() { # NAME [OPTION...]: FAKE_URL
  local name=$1
  shift
  "$AV_PYTHON" "$SUPPORT/$name.py" --log "$OUT/$name.jsonl" "$@" >"$OUT/$name.out" 2>"$OUT/$name.err" &
  wait_for 20 grep -q READY "$OUT/$name.out"
  FAKE_URL=http://127.0.0.1:$(sed -n 's/^READY //p' "$OUT/$name.out")
}
declare -A VALUE
kind() { # KIND VALUE REFERENCE OPTION...: paired under its kind's name, its value sent to KIND.echo.test
  local kind=$1 key
  VALUE[$kind]=$2
  printf '%s\n' "$2" >>"$CANARIES"
  local reference=$3
  shift 3
  av vault store pair "$kind" --set allow_net=127.0.0.1/32 "$@" >"$OUT/pair.out" 2>"$OUT/pair.err" || fail "$kind: $(cat "$OUT/pair.err")"
  key=K_$(printf '%s' "$kind" | tr 'a-z-' 'A-Z_')
  av vault credential set "$key" --from "$reference" --store "$kind" 2>"$OUT/from.err" || fail "$kind: $(cat "$OUT/from.err")"
  av vault service add --name "of-$kind" --host "$kind.echo.test" --auth-type bearer --token-key "$key" >/dev/null 2>&1
}

op_value=$(random_value) connect_value=$(random_value)
items() { # VALUE
  cat <<JSON
{"token": "$token", "vaults": [{"id": "abcdefghijklmnopqrstuvwxyz", "name": "API", "items": [{"id": "bcdefghijklmnopqrstuvwxyza", "title": "OpenAI",
 "category": "API_CREDENTIAL", "urls": [], "sections": [],
 "fields": [{"id": "credential", "type": "CONCEALED", "label": "credential", "value": "$1", "reference": "op://API/OpenAI/credential"}]}]}]}
JSON
}
token=ops_$(printf '{"signInAddress":"my.1password.com"}' | base64 -w0 | tr -d =)$(random_value | tr -d -)
mkdir -m 700 "$FAKES/op" "$FAKES/bw" "$FAKES/pass" "$FAKES/keyring" "$FAKES/helper"
cp "$SUPPORT/fake_op" "$FAKES/op/op"
items "$op_value" >"$FAKES/op/fake_op.json"
kind 1password "$op_value" op://API/OpenAI/credential --set "program=$FAKES/op/op" --set-file "token=$(give op "$token")"
items "$connect_value" >"$FAKES/connect.json"
fake fake_op_connect --data "$FAKES/connect.json" --token connect-token-0123456789
kind 1password-connect "$connect_value" op://API/OpenAI/credential --set "url=$FAKE_URL" --set-file "token=$(give connect connect-token-0123456789)"
fake fake_aac
wait_for 10 grep -q CODE "$OUT/fake_aac.out"
kind bitwarden canary-agent-access bw://domain/github.com --set "url=ws${FAKE_URL#http}" \
  --set-file "token=$(give aac "$(sed -n 's/^TOKEN //p' "$OUT/fake_aac.out")")"
bw_value=$(random_value)
cp "$SUPPORT/fake_bw" "$FAKES/bw/bw"
cat >"$FAKES/bw/fake.json" <<JSON
{"session": "c2Vzc2lvbi1vZi1idw==", "email": "a@b.test", "items": [{"object": "item", "id": "01234567-89ab-cdef-0123-456789abcdef", "name": "OpenAI",
 "notes": null, "login": {"username": "me", "password": "$bw_value", "totp": null, "uris": []}, "fields": []}]}
JSON
kind bitwarden-cli "$bw_value" bw://id/01234567-89ab-cdef-0123-456789abcdef --set "program=$FAKES/bw/bw" --set "directory=$FAKES/bw" \
  --set-file "session=$(give bw c2Vzc2lvbi1vZi1idw==)"
fake fake_bitwarden_sm
wait_for 10 grep -q TOKEN "$OUT/fake_bitwarden_sm.out"
kind bitwarden-sm sk-canary-bitwarden-sm bw://key/OPENAI_API_KEY --set "url=$FAKE_URL" \
  --set-file "token=$(give sm "$(sed -n 's/^TOKEN //p' "$OUT/fake_bitwarden_sm.out")")"
fake fake_vault
kind vault sk-vault-app 'vault://secret/app#api_key' --set "url=$FAKE_URL" --set-file "token=$(give vault root-token)"
fake fake_infisical
kind infisical inf-api-key infisical://API_KEY --set "url=$FAKE_URL" --set project=11111111-2222-3333-4444-555555555555 --set environment=prod \
  --set client_id=client-agent --set-file "client_secret=$(give infisical cs-infisical-agent-0123456789)"
pass_value=$(random_value)
mkdir -m 700 "$FAKES/pass/password-store"
cp "$SUPPORT/fake_pass" "$FAKES/pass/pass"
printf '%s\n' "$pass_value" >"$FAKES/pass/password-store/api.gpg"
kind pass "$pass_value" pass://api --set "program=$FAKES/pass/pass"
ring_value=$(random_value)
cp "$SUPPORT/fake_secret_tool" "$FAKES/keyring/secret-tool"
printf '[{"attributes": {"service": "api", "username": "me"}, "secret": "%s"}]' "$ring_value" >"$FAKES/keyring/fake_secret_tool.json"
kind keyring "$ring_value" keyring://api/me --set "program=$FAKES/keyring/secret-tool"
env_value=$(random_value)
export CANARY_OF_ENV=$env_value
kind env "$env_value" env://CANARY_OF_ENV
file_value=$(random_value)
(umask 077 && printf '%s\n' "$file_value" >"$FAKES/file.value")
kind file "$file_value" "file://$FAKES/file.value"
cmd_value=$(random_value)
printf '%s' "$cmd_value" >"$FAKES/helper/value"
# Not in the program itself, which the broker reads to see whether it has changed.
printf '#!/bin/sh\necho username=me; echo "password=$(cat %s)"\n' "$FAKES/helper/value" >"$FAKES/helper/helper"
chmod 700 "$FAKES/helper/helper"
kind cmd "$cmd_value" cmd://api.example --set "program=$FAKES/helper/helper"
unset token

cat >"$AV_CASE/work/canary_agent.py" <<'PY'
import os, sys, time
import proxy_client as p
for kind in sys.argv[1:]:
    # Not one that repeats it: what TLS has decrypted lies in a buffer of OpenSSL's until the next record (SECURITY.md).
    answer = p.request(f"https://{kind}.echo.test/status/200")
    assert answer.status == 200, (kind, answer.body)
open("asked", "w").close()
while not os.path.exists("enough"):
    time.sleep(0.05)
PY
PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 start_run -- "$AV_PYTHON" "$AV_CASE/work/canary_agent.py" "${KINDS[@]}"
asked() { [ -e "$AV_CASE/work/asked" ] || [ -e asked ] || ! kill -0 "$RUN_PID" 2>/dev/null; }
wait_for 60 asked
kill -0 "$RUN_PID" 2>/dev/null || fail "the agent: $(cat "$OUT/run.out" "$OUT/run.err")"

# The control: each was sent where it belongs.
received '{[v for n, v in x["headers"] if n.lower() == "host"][0]: [v for n, v in x["headers"] if n.lower() == "authorization"] for x in r}' >sent.json
for kind in "${KINDS[@]}"; do
  assert_eq "[\"Bearer ${VALUE[$kind]}\"]" "$(json sent.json "d['$kind.echo.test']")" "$kind"
done
rm sent.json

find_in() { # nowhere|locked PID...
  local got=0
  "$AV_PYTHON" "$SUPPORT/find_in_memory.py" "$@" >"$OUT/memory.txt" 2>&1 || got=$?
  return $got
}
# The control: a process that has one is found to have it.
HELD=${VALUE[vault]} sleep 100 &
holder=$!
if find_in "$CANARIES" nowhere "$holder"; then fail 'the search finds nothing'; fi
grep -q "FAIL: .*${VALUE[vault]}" "$OUT/memory.txt" || skip "the memory of processes cannot be read here: $(tail -1 "$OUT/memory.txt")"
kill "$holder"

# What the agent has, and the parent of its processes.
mapfile -t others < <(pgrep -f "$AV_CASE/work/canary_agent.py" | grep -vx "$RUN_PID")
[ "${#others[@]}" -ge 1 ] || fail 'no agent'
find_in "$CANARIES" nowhere "${others[@]}" || fail "$(cut -c1-400 "$OUT/memory.txt" | head -40)"

# The broker. A variable of its own environment is where it always was.
grep -vx "$env_value" "$CANARIES" >"$OUT/canaries.broker"
broker() { find_in "$OUT/canaries.broker" locked "$RUN_PID" || fail "$1: $(cut -c1-400 "$OUT/memory.txt" | head -40)"; }
broker 'while they are in use'
assert_contains "$OUT/memory.txt" "${VALUE[vault]}"
[ "$(sed -n 's/^VmLck:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$RUN_PID/status")" -gt 0 ] || fail 'nothing is locked'
assert_matches "/proc/$RUN_PID/limits" '^Max core file size +0 +0 '

# Disconnected: nothing more is asked, what is left to keep it out of responses is locked as well.
for kind in "${KINDS[@]}"; do
  av vault service remove "of-$kind" >/dev/null 2>&1
  av vault credential delete "K_$(printf '%s' "$kind" | tr 'a-z-' 'A-Z_')" >/dev/null 2>&1
  av vault store unpair "$kind" >/dev/null 2>&1 || fail "unpair $kind"
done
sleep 1
broker 'after they were disconnected'
touch "$AV_CASE/work/enough" enough
wait "$RUN_PID" || fail "$(cat "$OUT/run.err")"

# No file: of the store, the home, temporary ones, what was printed, the log.
av log --json >"$OUT/log"
canary_check "$AGENT_VAULT_HOME" "$HOME" "${TMPDIR:-/tmp/none}" "$AV_CASE/work" "$OUT/run.out" "$OUT/run.err" "$OUT/log"
