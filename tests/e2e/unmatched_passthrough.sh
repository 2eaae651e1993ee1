#!/usr/bin/env bash
# `passthrough` (the default): a host without a service works and gets no credential; the client's own
# authentication is left alone; the request is on the log.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test second.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"
agent_python <<'PY'
import proxy_client as p
reply = p.request("https://second.test/echo", headers=[("Authorization", "Bearer mine")])
assert reply.status == 200, reply.head
assert ["Authorization", "Bearer mine"] in reply.json["headers"], reply.body
PY
assert_absent "$UPSTREAM_LOG" "$real"
av log --json >log.json
assert_contains log.json second.test
