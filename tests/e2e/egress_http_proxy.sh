#!/usr/bin/env bash
# Behind a company's HTTP proxy: the broker goes through it with CONNECT, for https and http targets,
# with its user and password, which the agent never sees; NO_PROXY, --upstream-proxy none and the
# command line are obeyed; what the proxy says wrong has codes of its own.
# timeout: 90
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
. "$(dirname "$0")/egress.inc"
VALUE=$(new_canary)
bearer_service echo.test TOKEN "$VALUE"
PASSWORD=$(new_canary pw-)
start_proxy http --auth "corp:$PASSWORD"
PLAIN=http://127.0.0.1:$PROXY_PORT
export HTTPS_PROXY=http://corp:$PASSWORD@127.0.0.1:$PROXY_PORT HTTP_PROXY=http://corp:$PASSWORD@127.0.0.1:$PROXY_PORT
export npm_config_proxy=$HTTPS_PROXY

# Names go to the proxy: nothing here knows echo.test.
get -- https://echo.test/echo http://echo.test/echo
assert_eq 2 "$(grep -c '^200 ' "$OUT/agent.out")" "answers through the proxy"
assert_eq '["echo.test:443", "echo.test:80"]' "$(proxied '[x["target"] for x in r]')"
assert_eq '["CONNECT"]' "$(proxied 'sorted(set(x["method"] for x in r))')"
# To the proxy itself goes what it needs, and nothing of the request.
assert_eq '["host", "proxy-authorization"]' "$(proxied 'r[0]["fields"]')"
assert_eq "Bearer $VALUE" "$(received_header authorization 0)"

# The agent's environment has the broker's proxy, and nowhere the company's password.
agent -- env
assert_absent "$OUT/agent.out" "$PASSWORD"
assert_contains "$OUT/agent.out" "npm_config_proxy=http://corp:removed@"

# NO_PROXY leads past the proxy, --upstream-proxy none too; the direct way knows no echo.test.
NO_PROXY=.test get -- https://echo.test/echo
assert_contains "$OUT/agent.out" "502 dns_failed"
get --upstream-proxy none -- https://echo.test/echo
assert_contains "$OUT/agent.out" "502 dns_failed"
# --resolve is about connecting from here.
get --resolve "echo.test:443:127.0.0.1:$HTTPS_PORT" -- https://echo.test/echo
assert_contains "$OUT/agent.out" "200 "
assert_eq 2 "$(proxied 'len(r)')" "requests at the proxy"

# The guard still judges what it can see; this machine is never asked of a proxy.
get -- "http://10.0.0.1/" "http://169.254.169.254/" "http://metadata.google.internal/" \
  "http://127.0.0.1:$HTTP_PORT/echo"
assert_eq 4 "$(grep -c '^403 address_not_allowed' "$OUT/agent.out")" "refusals of the guard"
assert_eq 2 "$(proxied 'len(r)')" "requests at the proxy"
get --allow-net 127.0.0.1 -- "http://127.0.0.1:$HTTP_PORT/echo"
assert_contains "$OUT/agent.out" "200 "

# Wrong or no password; a proxy that forbids, cannot, is not there, says too much.
HTTPS_PROXY=http://corp:wrong-password@127.0.0.1:$PROXY_PORT get -- https://echo.test/echo
assert_contains "$OUT/agent.out" "502 egress_proxy_auth"
assert_absent "$OUT/agent.out" wrong-password
get --upstream-proxy "$PLAIN" -- https://echo.test/echo
assert_contains "$OUT/agent.out" "502 egress_proxy_auth"
unset HTTPS_PROXY HTTP_PROXY
start_proxy strict --forbid second.test
STRICT=http://127.0.0.1:$PROXY_PORT
get --upstream-proxy "$STRICT" -- https://second.test/ https://elsewhere.test/ https://echo.test/echo
assert_eq 2 "$(grep -c '^502 egress_proxy_refused' "$OUT/agent.out")" "refusals of the proxy"
assert_contains "$OUT/agent.out" "200 "
start_proxy stray --stray
get --upstream-proxy "http://127.0.0.1:$PROXY_PORT" -- http://echo.test/echo
assert_contains "$OUT/agent.out" "502 egress_proxy_failed"
assert_absent "$OUT/agent.out" evil
closed=$("$AV_PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
get --upstream-proxy "http://127.0.0.1:$closed" -- https://echo.test/echo
assert_contains "$OUT/agent.out" "502 egress_proxy_failed"
"$AV_PYTHON" -c 'import socket, time
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); time.sleep(80)' >"$OUT/mute" &
wait_for 30 test -s "$OUT/mute"
get --connect-timeout 1 --upstream-proxy "http://127.0.0.1:$(cat "$OUT/mute")" -- https://echo.test/echo
assert_contains "$OUT/agent.out" "504 egress_proxy_timeout"

# In config.toml, where a password may stand; on the command line it may not.
CONFIG=$AGENT_VAULT_HOME/config/config.toml
mkdir -p "$(dirname "$CONFIG")"
printf '[run]\nupstream_proxy = "http://corp:%s@%s"\n' "$PASSWORD" "${PLAIN#http://}" >"$CONFIG"
get -- https://echo.test/echo
assert_contains "$OUT/agent.out" "200 "
get --upstream-proxy none -- https://echo.test/echo
assert_contains "$OUT/agent.out" "502 dns_failed"
rm "$CONFIG"
expect_exit 2 av run --upstream-proxy "http://corp:$PASSWORD@127.0.0.1:1" -- true
assert_absent "$OUT/stderr" "$PASSWORD"
HTTPS_PROXY="ftp://corp:$PASSWORD@x" expect_exit 125 av run -- true
assert_error HTTPS_PROXY
assert_absent "$OUT/stderr" "$PASSWORD"

# A run inside a run: the inner broker goes through the outer one, whose token is in HTTPS_PROXY.
export INNER_HOME=$AV_CASE/work/inner SUPPORT OUT AV_PYTHON
AGENT_VAULT_HOME=$INNER_HOME av vault credential set OTHER=some-other-value >/dev/null 2>&1
cat >"$AV_CASE/work/nested.sh" <<'SH'
AGENT_VAULT_HOME=$INNER_HOME "$AV_BINARY" run --isolation off -- "$AV_PYTHON" "$OUT/get.py" https://echo.test/echo
SH
PYTHONPATH=$SUPPORT agent --isolation off --upstream-proxy "$STRICT" -- sh "$AV_CASE/work/nested.sh"
assert_contains "$OUT/agent.out" "200 "
assert_eq "Bearer $VALUE" "$(received_header authorization)"

# The password is in no log and in nothing that the agent saw.
canary_check "$OUT/agent.out" "$OUT/agent.err" "$AGENT_VAULT_HOME"
