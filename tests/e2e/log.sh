#!/usr/bin/env bash
# The log: one record per request with names and never values, filters, changes and runs too.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test second.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"
agent_python --unmatched deny <<'PY'
import proxy_client as p
secret = "?query=hidden-in-query"
assert p.request("https://echo.test/echo" + secret, "POST", body=b"hidden-in-body").status == 200
assert p.request("https://echo.test/status/404").status == 404
assert p.request("https://second.test/denied").status == 403
PY
av log --json >log.json
pick() { json log.json "(lambda r: $1)([x for x in d if x.get('event') == 'request'])"; }
assert_eq 1 "$(pick "sum(x.get('path') == '/echo' for x in r)")" "records of the first request"
assert_eq 'POST echo.test echo-test 200 ["TOKEN"]' "$(pick "' '.join(str(v) if not isinstance(v, list) else __import__('json').dumps(v) for x in r if x.get('path') == '/echo' for v in (x['method'], x['host'], x['service'], x['status'], x['credentials']))")"
assert_eq 1 "$(pick "sum(x.get('path') == '/status/404' and x['status'] == 404 for x in r)")"
assert_contains log.json second.test
assert_contains log.json deny
assert_contains log.json credential.set
for hidden in hidden-in-query hidden-in-body "$real" av_sess_; do
  assert_absent log.json "$hidden"
done
av log >log.txt
assert_contains log.txt echo.test
canary_check log.json log.txt "$AGENT_VAULT_HOME"
assert_eq 600 "$(find "$AGENT_VAULT_HOME/audit" -type f -printf '%m\n' | sort -u)" "mode of the log's files"
