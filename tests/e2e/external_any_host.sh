#!/usr/bin/env bash
# One mapping for every host: each gets the item of its own name, or goes without; what a service or another mapping names goes first;
# an agent with a scope gets what its scope names. An agent that writes something else than a host into the reference finds
# nothing. The control: the item that it aims at is there, and is had by who may.
# timeout: 90
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/external_stores.inc"
start_upstream
play a.echo.test b.echo.test exact.echo.test named.echo.test none.echo.test
mkdir -m 700 "$HOME/pass" "$HOME/pass/password-store" "$HOME/pass/password-store/web"
cp "$SUPPORT/fake_pass" "$HOME/pass/pass"
entry() { # PATH: its value
  local value
  value=$(random_value)
  printf '%s\nlogin: user-of-%s\n' "$value" "$1" >"$HOME/pass/password-store/$1.gpg"
  printf '%s' "$value"
}
of_a=$(entry web/a.echo.test) of_b=$(entry web/b.echo.test) of_exact=$(entry exact) of_other=$(entry web/exact.echo.test) of_root=$(entry root)
printf '%s\n' "$of_a" "$of_b" "$of_exact" "$of_other" "$of_root" >"$OUT/values"
av vault store pair pass --set "program=$HOME/pass/pass" 2>"$OUT/pair.err" || fail "$(cat "$OUT/pair.err")"

expect_exit 2 av vault store map '*' pass://root
assert_error 'one value to every host'
for bad in 'pass://web/{host}.x' 'pass://{host}/{host}' 'pass://web/x#{host}'; do
  expect_exit 1 av vault store map '*' "$bad"
  assert_error '{host}'
done
av vault store map '*' 'pass://web/{host}' 2>"$OUT/map.err" || fail "$(cat "$OUT/map.err")"
av vault store map exact.echo.test pass://exact 2>/dev/null
named=$(new_canary)
bearer_service named.echo.test NAMED "$named"
av vault store mappings >mappings.txt
assert_matches mappings.txt '^\* +pass +pass://web/\{host\} '

cat >asks.py <<'PY'
import json, sys, proxy_client as p
for host in sys.argv[1:]:
    answer = p.request(f"https://{host}/echo")
    print(host, answer.status, "" if answer.status == 200 else json.loads(answer.body)["error"])
PY
asked() { # [OPTION...] -- HOST...: lines in asked.txt
  local options=()
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  shift
  PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 agent "${options[@]}" -- "$AV_PYTHON" asks.py "$@"
  cp "$OUT/agent.out" asked.txt
}
last_to() { # HOST: what its last request had
  received "[[v for n, v in x['headers'] if n.lower() == 'authorization'] for x in r if ['Host', '$1'] in x['headers'] or ['host', '$1'] in x['headers']][-1]" >sent.json
  json sent.json '(d or [""])[0]'
  rm sent.json
}
sent_to() { # HOST: the first authorization
  received '{[v for n, v in x["headers"] if n.lower() == "host"][0]: [v for n, v in x["headers"] if n.lower() == "authorization"] for x in r}' >sent.json
  json sent.json "(d.get('$1') or [''])[0]"
  rm sent.json
}
asked -- a.echo.test b.echo.test exact.echo.test named.echo.test none.echo.test
assert_eq "a.echo.test 200 b.echo.test 200 exact.echo.test 200 named.echo.test 200 none.echo.test 200" "$(tr -s ' \n' '  ' <asked.txt | sed 's/ $//')"
assert_eq "Bearer $of_a" "$(sent_to a.echo.test)"
assert_eq "Bearer $of_b" "$(sent_to b.echo.test)"
assert_eq "Bearer $of_exact" "$(sent_to exact.echo.test)"
assert_eq "Bearer $named" "$(sent_to named.echo.test)"
# Where there is nothing for the host it is as if there were no mapping: nothing is sent with it, or the request is refused.
assert_eq '' "$(sent_to none.echo.test)"
asked --unmatched deny -- a.echo.test none.echo.test
assert_eq "a.echo.test 200 none.echo.test 502 external_store_not_found" "$(tr -s ' \n' '  ' <asked.txt | sed 's/ $//')"
# What one host does not have says nothing of the mapping.
sleep 0.5
av vault store mappings --json >mappings.json
assert_eq None "$(json mappings.json '[m for m in d["mappings"] if m["host"] == "*"][0]["missing_since"]')"

# Aimed at other items: in the request's host, by CONNECT and by Host, in forms that mean the same to somebody.
cat >aims.py <<'PY'
import socket, os, ssl, urllib.parse, base64
proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
token = base64.b64encode(f"{proxy.username}:{proxy.password or ''}".encode()).decode()
def connect(target):
    with socket.create_connection((proxy.hostname, proxy.port), timeout=10) as s:
        s.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic {token}\r\n\r\n".encode("latin-1"))
        return s.recv(200).split(b"\r\n")[0]
for target in ("../root:443", "..%2froot:443", "a.echo.test/../../root:443", "a.echo.test#x:443", "%2e%2e/root:443", "{host}:443",
               "a.echo.test%2f..%2f..%2froot:443", "web\\root:443"):
    line = connect(target)
    assert b" 200 " not in line, (target, line)
PY
PYTHONPATH=$SUPPORT agent -- "$AV_PYTHON" aims.py
if received 'r' | grep -qF "$of_root"; then fail 'an agent had the item that it aimed at'; fi
assert_eq "$of_root" "$(av vault store read pass://root)" 'the control'

# Scopes.
av agent create narrow --service map:a.echo.test >/dev/null 2>&1
av agent create wide --service 'map:*' --credential 'map:*' >/dev/null 2>&1
av agent create other --service named-echo-test --credential NAMED >/dev/null 2>&1
asked --agent narrow -- a.echo.test b.echo.test exact.echo.test named.echo.test
assert_eq "a.echo.test 200 b.echo.test 200 exact.echo.test 403 out_of_scope named.echo.test 403 out_of_scope" "$(tr -s ' \n' '  ' <asked.txt | sed 's/ $//')"
assert_eq "Bearer $of_a" "$(sent_to a.echo.test)"
assert_eq '' "$(last_to b.echo.test)" 'a value outside of the scope'
asked --agent narrow --unmatched deny -- a.echo.test b.echo.test
assert_eq "a.echo.test 200 b.echo.test 403 forbidden" "$(tr -s ' \n' '  ' <asked.txt | sed 's/ $//')"
asked --agent wide -- a.echo.test b.echo.test exact.echo.test
assert_eq "a.echo.test 200 b.echo.test 200 exact.echo.test 403 out_of_scope" "$(tr -s ' \n' '  ' <asked.txt | sed 's/ $//')"
asked --agent other -- a.echo.test exact.echo.test
assert_eq "a.echo.test 200 exact.echo.test 403 out_of_scope" "$(tr -s ' \n' '  ' <asked.txt | sed 's/ $//')"
assert_eq '' "$(last_to a.echo.test)" 'a value outside of the scope'
expect_exit 1 av agent create bad --service 'map:not a host'

# Nothing of it in files of ours.
cat "$OUT/values" >>"$CANARIES"
canary_check "$AGENT_VAULT_HOME" "$OUT/agent.out" "$OUT/agent.err"
av vault store unmap '*' 2>/dev/null
av vault store mappings >mappings.txt
assert_absent mappings.txt '{host}'
