#!/usr/bin/env bash
# A placeholder in the path (the Telegram form) becomes the value, only for its service, only where it
# was declared; the response's copy of the path is scrubbed.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play api.telegram.org echo.test second.test
real=$(new_canary 123456:AA)
query=$(new_canary)
set_credential TELEGRAM_BOT_TOKEN "$real"
set_credential QUERY_KEY "$query"
service_file <<'JSON'
{"services": [
  {"name": "telegram", "host": "api.telegram.org", "auth": {"type": "passthrough"},
   "substitutions": [{"key": "TELEGRAM_BOT_TOKEN", "placeholder": "__bot_token__"}]},
  {"name": "in-fields", "host": "echo.test", "auth": {"type": "passthrough"},
   "substitutions": [{"key": "QUERY_KEY", "placeholder": "__query_key__", "in": ["query", "header"]}]}
]}
JSON
agent_python <<'PY'
import proxy_client as p
reply = p.request("https://api.telegram.org/bot__bot_token__/sendMessage?chat_id=1")
assert reply.status == 200, (reply.head, reply.body)
print(reply.body.decode())
reply = p.request("https://echo.test/echo?key=__query_key__&b=2", headers=[("X-Key", "a __query_key__ b")])
assert reply.status == 200, (reply.head, reply.body)
print(reply.body.decode())
# Not declared for the path here, nor for this host at all.
for url in ("https://echo.test/a__query_key__", "https://second.test/__bot_token__"):
    print(url, p.request(url).status)
PY
assert_eq true "$(received "any(x['target'] == '/bot' + '$real'.replace(':', '%3A') + '/sendMessage?chat_id=1' or x['target'] == '/bot$real/sendMessage?chat_id=1' for x in r)")" "the path carried the value"
assert_eq true "$(received "any('key=$query&b=2' in x['target'] and ['X-Key', 'a $query b'] in x['headers'] for x in r)")" "query and header carried the value"
assert_eq 1 "$(received "sum('$query' in str(x) for x in r)")" "requests with the query key"
assert_eq 0 "$(received "sum(x['host'] == 'second.test' and '$real' in str(x) for x in r)")" "the token at another host"
canary_check "$OUT/agent.out" "$OUT/agent.err"
