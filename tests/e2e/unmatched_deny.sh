#!/usr/bin/env bash
# `deny`: a host that no service names is refused before anything is sent, and the refusal says what
# to do. A disabled service is refused too, under both policies.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test second.test
bearer_service echo.test TOKEN "$(new_canary)"

cat >"$OUT/deny.py" <<'PY'
import proxy_client as p
assert p.request("https://echo.test/echo").status == 200
for url in ("https://second.test/echo", "http://second.test/echo"):
    reply = p.request(url)
    assert reply.status == 403 and reply.code, reply.head
    assert reply.get("x-should-retry") == "false", reply.head
    assert "proposal_hint" in reply.json, reply.body
    print(url, reply.code)
PY
agent_python --unmatched deny <"$OUT/deny.py"
assert_eq 1 "$(received 'len(r)')" "requests that left"

# The vault's own setting, without the option.
av vault settings --unmatched deny >/dev/null
agent_python <"$OUT/deny.py"
# And the option beats it.
agent_python --unmatched passthrough <<'PY'
import proxy_client as p
assert p.request("https://second.test/echo").status == 200
PY

av vault service disable echo-test >/dev/null
for policy in deny passthrough; do
  agent_python --unmatched $policy <<'PY'
import proxy_client as p
reply = p.request("https://echo.test/echo")
assert reply.status == 403 and reply.code == "service_disabled", (reply.head, reply.body)
PY
done
assert_eq 3 "$(received 'len(r)')" "requests that left"
