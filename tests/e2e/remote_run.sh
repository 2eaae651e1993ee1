#!/usr/bin/env bash
# `run` with the proxy of a serve elsewhere: the command has a session that ends with it, placeholders,
# the server's authority beside the system's roots, and what it sends arrives with the credential. Attacks:
# another authority at the same address, a wrong token, clear text to another machine, a server whose
# certificate nobody vouches for, the parent's token and the saved login from inside the command (with the
# control that shows them at `off`), a session after its run, an agent revoked while its command runs.
# timeout: 240
set -eu
. "$(dirname "$0")/common.inc"
need curl
start_upstream
play echo.test
value=$(new_canary)
bearer_service echo.test API_KEY "$value"
cat >"$OUT/service.json" <<'JSON'
{"services":[{"name":"echo-test","host":"echo.test","auth":{"type":"bearer","token":"API_KEY"},"env":{"ECHO_API_KEY":"API_KEY"}}]}
JSON
av vault service add -f "$OUT/service.json" >/dev/null 2>&1
agent=$(av agent create builder --vault default 2>/dev/null)
printf '%s\n' "$agent" >>"$CANARIES"
SERVER_HOME=$AGENT_VAULT_HOME

start_serve() { # OPTIONS...
  rm -f "$OUT/serve.out"
  "$AV_BINARY" serve --json "${RUN_OPTIONS[@]}" "$@" >"$OUT/serve.out" 2>"$OUT/serve.err" &
  SERVE=$!
  wait_for 30 test -s "$OUT/serve.out"
  API=$(json "$OUT/serve.out" 'd["api"]')
  PROXY=$(json "$OUT/serve.out" 'd["proxy"]')
}
end_serve() {
  kill -TERM "$SERVE"
  wait "$SERVE" || true
}
# The other machine: no store, and nothing but the address and a token.
LAPTOP=$AV_CASE/laptop
mkdir -m 700 "$LAPTOP"
laptop() { # COMMAND...
  env AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_ADDR="$API" AGENT_VAULT_TOKEN="${TOKEN-$agent}" "$@"
}
remote_run() { laptop "$AV_BINARY" run "$@"; }
go() { # OPTIONS... -- COMMAND...: output in $OUT/agent.{out,err}
  local got=0
  remote_run "$@" >"$OUT/agent.out" 2>"$OUT/agent.err" || got=$?
  [ "$got" = 0 ] || { cat "$OUT/agent.out" "$OUT/agent.err" >&2; fail "run returned $got"; }
}
seen() { assert_eq "Bearer $1" "$(received_header authorization)" "what the upstream saw"; }

# Two ports that the same server can take again: its connections linger on them.
read -r api_port proxy_port < <("$AV_PYTHON" - <<'PY'
import socket
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in taken))
PY
)
start_serve --port "$api_port" --proxy-port "$proxy_port"

# -- it works, and holds nothing real
cat >work.sh <<'SH'
set -eu
curl -sS -m 20 https://echo.test/headers -H "Authorization: Bearer $ECHO_API_KEY" -o /dev/null
curl -sS -m 20 "$AGENT_VAULT_ADDR/discover" -H "Authorization: Bearer $AGENT_VAULT_TOKEN"
echo
echo "token=$AGENT_VAULT_TOKEN placeholder=$ECHO_API_KEY roots=$(grep -c BEGIN "$SSL_CERT_FILE")"
env | sed 's/=.*//' | sort | tr '\n' ' '
SH
API_KEY=of-the-parent go -- sh work.sh
seen "$value"
canary_check "$OUT/agent.out" "$OUT/agent.err" "$LAPTOP"
assert_contains "$OUT/agent.out" '"available_credentials":["API_KEY"]'
assert_matches "$OUT/agent.out" 'token=av_sess_'
assert_matches "$OUT/agent.out" 'placeholder=av_ph_'
for variable in HTTPS_PROXY https_proxy ALL_PROXY NO_PROXY NODE_EXTRA_CA_CERTS GIT_SSL_CAINFO AGENT_VAULT_RUN AGENT_VAULT_VAULT; do
  assert_matches "$OUT/agent.out" "(^| )$variable "
done
assert_contains "$OUT/agent.err" 'first use of'
[ ! -e "$LAPTOP/vault.db" ] || fail "a store was made"
session=$(sed -n 's/^token=\([^ ]*\) .*/\1/p' "$OUT/agent.out")
# A parent's value of a managed variable is replaced.
API_KEY=of-the-parent go -- sh -c 'echo "$API_KEY"'
assert_absent "$OUT/agent.out" of-the-parent
assert_absent "$OUT/agent.err" 'first use of'
# The same token, put elsewhere too, is the session's there as well.
COPY=$agent go -- sh -c 'echo "$COPY"'
assert_matches "$OUT/agent.out" '^av_sess_'
expect_exit 7 remote_run -- sh -c 'exit 7'
expect_exit 127 remote_run -- /nonexistent/program

# -- the session has ended with its run; the one who minted it has not
status() { curl -s -m 10 -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $1" "$API/discover"; }
assert_eq 401 "$(status "$session")" "a session after its run"
assert_eq 200 "$(status "$agent")" "the agent's own token"
assert_eq 0 "$(av agent list --json | "$AV_PYTHON" -c 'import json,sys; print(json.load(sys.stdin)["agents"][0]["sessions"])')" "sessions that are left"
# A command that is killed with its run leaves none either.
env AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_ADDR="$API" AGENT_VAULT_TOKEN="$agent" "$AV_BINARY" run \
  -- sh -c 'echo "$AGENT_VAULT_TOKEN"; exec sleep 60' >"$OUT/killed" 2>/dev/null &
killed=$!
wait_for 30 test -s "$OUT/killed"
assert_eq 200 "$(status "$(cat "$OUT/killed")")" "a session while its run goes on"
kill -TERM "$killed"
wait "$killed" || true
assert_eq 401 "$(status "$(cat "$OUT/killed")")" "the session of a run that was ended"

# -- at network and strict, programs that know of no proxy get there too
cat >bare.sh <<'SH'
set -eu
unset HTTPS_PROXY HTTP_PROXY ALL_PROXY https_proxy http_proxy all_proxy NO_PROXY no_proxy
curl -sS -m 20 https://echo.test/echo -o /dev/null
curl -sS -m 20 http://echo.test/echo -o /dev/null
curl -sS -m 5 http://127.0.0.1:$1/ -o /dev/null 2>/dev/null && echo "reached port $1 outside"
true
SH
for level in network strict; do
  : >"$UPSTREAM_LOG"
  go --isolation $level -- sh bare.sh "$HTTP_PORT"
  assert_eq "" "$(cat "$OUT/agent.out")" "at $level"
  assert_eq "Bearer $value, none" "$(received "', '.join(next((v for n, v in x['headers'] if n.lower() == 'authorization'), 'none') for x in r)")" \
    "what the upstream saw at $level: nothing is injected in clear"
done

# -- who may not
TOKEN=av_agt_wrong expect_exit 125 remote_run -- true
assert_error
TOKEN='' expect_exit 125 remote_run -- true
assert_contains "$OUT/stderr" 'agent-vault login'
expect_exit 125 remote_run --vault nosuch -- true
assert_error
expect_exit 2 remote_run --resolve a:1:127.0.0.1 -- true
assert_contains "$OUT/stderr" "server's to say"
expect_exit 125 remote_run --ttl 10s -- true
AGENT_VAULT_ADDR=http://203.0.113.1:14321 expect_exit 125 env AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_TOKEN="$agent" "$AV_BINARY" run -- true
assert_contains "$OUT/stderr" 'on another machine'
# --local has nothing to do with it.
expect_exit 0 laptop "$AV_BINARY" run --local -- sh -c 'case $AGENT_VAULT_TOKEN in av_sess_*) ;; *) exit 9;; esac'
rm -f "$LAPTOP/vault.db"* "$LAPTOP/key"

# -- from inside: the parent's token, the file of a token, the saved login
printf '%s' "$agent" >"$AV_CASE/token"
chmod 600 "$AV_CASE/token"
password="correct horse $(random_value)"
printf '%s' "$password" | av user add ann@example.com --owner --password-stdin >/dev/null 2>&1
printf '%s\n' "$password" | laptop env -u AGENT_VAULT_TOKEN "$AV_BINARY" login --email ann@example.com --password-stdin >/dev/null 2>"$OUT/login.err"
login=$(echo "$LAPTOP"/servers/*/login)
sed -n 4p "$login" >>"$CANARIES"
assert_eq 600 "$(stat -c %a "$login")" "the mode of the login"
cat >attack.sh <<'SH'
grep -q av_sess_ "$1" 2>/dev/null && echo read-login
grep -q av_agt_ "$2" 2>/dev/null && echo read-token-file
ls "$3"/servers 2>/dev/null | grep -q . && echo list-servers
for p in /proc/[0-9]*; do
  tr '\0' '\n' <"$p/environ" 2>/dev/null | grep -q '^AGENT_VAULT_TOKEN=av_agt_' && echo parents-token
done
env | grep -q av_agt_ && echo own-environment
exit 0
SH
with_file() { env -u AGENT_VAULT_TOKEN AGENT_VAULT_TOKEN_FILE="$AV_CASE/token" AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_ADDR="$API" "$@"; }
# The parent's own parent is a shell with the token in its environment, as it is at a terminal.
laptop bash -c 'sleep 30 & "$@"; kill $!' - "$AV_BINARY" run --isolation store -- sh attack.sh "$login" "$AV_CASE/token" "$LAPTOP" >"$OUT/agent.out" 2>"$OUT/agent.err"
assert_absent "$OUT/agent.out" read-login
assert_absent "$OUT/agent.out" parents-token
assert_absent "$OUT/agent.out" own-environment
with_file "$AV_BINARY" run --isolation store -- sh attack.sh "$login" "$AV_CASE/token" "$LAPTOP" >"$OUT/agent.out" 2>"$OUT/agent.err"
assert_eq '' "$(cat "$OUT/agent.out")" "attacks that worked at store"
# One that lies with the logins is covered with them.
cp "$AV_CASE/token" "$LAPTOP/token"
env AGENT_VAULT_TOKEN_FILE="$LAPTOP/token" AGENT_VAULT_HOME="$LAPTOP" AGENT_VAULT_ADDR="$API" "$AV_BINARY" run --isolation store -- sh attack.sh "$login" "$LAPTOP/token" "$LAPTOP" >"$OUT/agent.out" 2>"$OUT/agent.err"
assert_eq '' "$(cat "$OUT/agent.out")" "attacks that worked at store on a file in the data directory"
laptop bash -c 'sleep 30 & "$@"; kill $!' - "$AV_BINARY" run --isolation off -- sh attack.sh "$login" "$AV_CASE/token" "$LAPTOP" >"$OUT/agent.out" 2>"$OUT/agent.err"
for attack in read-login read-token-file list-servers parents-token; do
  assert_contains "$OUT/agent.out" $attack
done
assert_absent "$OUT/agent.out" own-environment

# -- a person's login runs too, for an agent that is named
TOKEN='' go --agent builder -- sh -c 'curl -sS -m 20 "https://echo.test/?by=ann" -o /dev/null'
seen "$value"

# -- revoked while its command runs: cut at once
cat >long.sh <<'SH'
curl -s -m 60 "https://echo.test/slow?ms=30000&last=1" >/dev/null
echo "first $?"
curl -s -m 20 -o /dev/null -w 'second %{http_connect}\n' https://echo.test/headers
SH
remote_run -- sh long.sh >"$OUT/long.out" 2>"$OUT/long.err" &
long=$!
has_slow() { [ "$(received "sum('last=1' in x['target'] for x in r)")" -ge 1 ]; }
wait_for 30 has_slow
started=$SECONDS
av agent revoke builder >/dev/null 2>&1
wait "$long" || true
[ $((SECONDS - started)) -lt 15 ] || fail "the request went on for $((SECONDS - started)) s"
assert_absent "$OUT/long.out" 'first 0'
assert_contains "$OUT/long.out" 'second 407'
expect_exit 125 remote_run -- true
agent=$(av agent rotate builder 2>/dev/null)
printf '%s\n' "$agent" >>"$CANARIES"
canary_check "$OUT/agent.out" "$OUT/agent.err" "$OUT/serve.out" "$OUT/serve.err" "$SERVER_HOME/audit"

# -- another authority at the same address
end_serve
old_pin=$(cat "$LAPTOP"/servers/*/authority.pem)
fingerprint=$(av ca rotate 2>/dev/null | tail -1)
start_serve --port "$api_port" --proxy-port "$proxy_port"
expect_exit 125 remote_run -- true
assert_error 'has changed'
assert_contains "$OUT/stderr" "--ca-fingerprint $fingerprint"
assert_eq "$old_pin" "$(cat "$LAPTOP"/servers/*/authority.pem)" "the pin"
expect_exit 125 remote_run --ca-fingerprint "$(printf 'ab%.0s' {1..32})" -- true
assert_error 'another one than expected'
expect_exit 125 remote_run --ca-fingerprint 12:34 -- true
go --ca-fingerprint "$fingerprint" -- sh -c 'curl -sS -m 20 https://echo.test/headers -o /dev/null'
seen "$value"
expect_exit 0 remote_run -- true
end_serve

# -- over TLS, by a name that is not this machine's loopback
name=$(hostname)
if ! getent hosts "$name" >/dev/null; then
  echo "note: this machine's name does not resolve: no TLS between machines was tried"
  exit 0
fi
av ca show >"$OUT/ca.pem"
start_serve --port "$api_port" --proxy-port "$proxy_port" --host 0.0.0.0 --tls --base-url "https://$name:$api_port"
at_name() { # SCHEME: the API, by the name of this machine
  API=$1://$name:$api_port
}
at_name https
expect_exit 125 remote_run -- true
assert_error 'is not good'
export AGENT_VAULT_CA="$OUT/ca.pem"
go -- sh -c 'curl -sS -m 20 https://echo.test/headers -o /dev/null; echo "ca=$AGENT_VAULT_CA"; curl -sS -m 20 -o /dev/null -w "%{http_version} %{http_code}\n" --http2 https://echo.test/h2'
seen "$value"
assert_contains "$OUT/agent.out" 'ca='
assert_matches "$OUT/agent.out" '^(2|1.1) [0-9]+$'
assert_absent "$OUT/agent.out" "$OUT/ca.pem"
# Between the machines everything was under TLS: the proxy's port was not spoken to in clear.
printf 'x%.0s' {1..3000000} >"$OUT/large"
go -- sh -c 'curl -sS -m 60 --data-binary @"$1" https://echo.test/upload -o /dev/null -w "%{http_code} %{size_upload}"' - "$OUT/large"
assert_contains "$OUT/agent.out" '200 3000000'
end_serve

# -- in clear to another machine: only when it is said, and then not on the server's word
unset AGENT_VAULT_CA
start_serve --port "$api_port" --proxy-port "$proxy_port" --host 0.0.0.0 --plain-http --base-url "http://$name:$api_port"
at_name http
expect_exit 125 remote_run -- true
assert_error 'on another machine'
expect_exit 125 remote_run --allow-cleartext -- true
assert_error 'not to be believed'
go --allow-cleartext --ca-fingerprint "$fingerprint" -- sh -c 'curl -sS -m 20 https://echo.test/clear -o /dev/null; echo "clear=$AGENT_VAULT_ALLOW_CLEARTEXT"'
seen "$value"
assert_matches "$OUT/agent.out" '^clear=$'
AGENT_VAULT_ALLOW_CLEARTEXT=1 AGENT_VAULT_CA_FINGERPRINT=$fingerprint go -- true
end_serve
