#!/usr/bin/env bash
# An agent that files ten thousand proposals: twenty wait, the others are refused, people still see and decide what
# waits, other vaults do not notice, and neither memory nor the store grows with what was refused.
# FLOOD=10000 for the long form.
# timeout: 300
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
. "$(dirname "$0")/serve_people.inc"
count=${FLOOD:-2000}
av vault create other >/dev/null 2>&1
printf 'correct horse ann' | av user add ann@example.com --owner --password-stdin >/dev/null 2>&1
for who in flood other; do
  av agent create "$who-agent" --vault "$([ $who = other ] && echo other || echo default)" --json >"$OUT/$who.json" 2>/dev/null
done
start_serve
sign_in ann
rss_kib() { awk '/^VmRSS/ {print $2}' "/proc/$SERVE/status"; }
token() { json "$OUT/$1.json" 'd.get("token") or d["av_agent_token"]'; }
before=$(rss_kib)
cat >flood.py <<'PY'
import collections, http.client, json, sys, threading, urllib.parse
api, token, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
host = urllib.parse.urlsplit(api).netloc
seen, lock, numbers = collections.Counter(), threading.Lock(), iter(range(count))
def work():
    connection = http.client.HTTPConnection(host, timeout=60)
    while True:
        with lock:
            i = next(numbers, None)
        if i is None:
            return
        ask = {"message": f"number {i} " + "x" * 1900, "credentials": [{"action": "set", "key": f"FLOOD_{i}", "description": "d"}],
               "services": [{"action": "set", "name": f"flood-{i}", "host": f"h{i}.example.com", "auth": {"type": "bearer", "token": f"FLOOD_{i}"}}]}
        connection.request("POST", "/v1/proposals", json.dumps(ask), {"Content-Type": "application/json", "Authorization": "Bearer " + token})
        answer = connection.getresponse()
        body = json.loads(answer.read())
        seen[answer.status] += 1
        if answer.status not in (201, 409, 429):
            seen[json.dumps(body)[:200]] += 1
threads = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print(json.dumps(seen))
PY
"$AV_PYTHON" flood.py "$API" "$(token flood)" "$count" >flood.json &
flood=$!
# Meanwhile people work: what waits is listed and decided, another vault's agent files its own.
wait_for 30 sh -c "curl -sS -b '$OUT/ann.jar' -H 'X-Agent-Vault: 1' '$API/v1/admin/proposals?vault=default' | grep -q FLOOD_ || [ -s flood.json ]"
curl -sS --fail -m 60 -H 'Content-Type: application/json' -H "Authorization: Bearer $(token other)" \
  --data '{"message":"mine","credentials":[{"action":"set","key":"MINE"}]}' "$API/v1/proposals" >mine.json
page ann GET '/v1/vaults/other/proposals' >/dev/null || true
wait "$flood" || fail "the flood: $(cat flood.json)"
echo "$(cat flood.json) rss $before -> $(rss_kib) KiB, store $(du -sk "$AGENT_VAULT_HOME" | cut -f1) KiB"
assert_eq 20 "$(json flood.json 'd["201"]')" "proposals that wait"
assert_eq "$count" "$(json flood.json 'sum(v for k, v in d.items() if k.isdigit())')" "answers"
assert_eq 0 "$(json flood.json 'sum(v for k, v in d.items() if k not in ("201", "409", "429"))')" "other answers"
[ $(($(rss_kib) - before)) -lt 16384 ] || fail "memory grew from $before to $(rss_kib) KiB"
# What was refused is one line each on the log at most, and nothing in the store.
av proposal list --json >list.json
assert_eq 20 "$(json list.json 'len([p for p in d["proposals"] if p["status"] == "pending" and p["vault"] == "default"])')" "waiting"
# All are decided, and the next one is taken.
for number in $(json list.json '" ".join(str(p["id"]) for p in d["proposals"] if p["vault"] == "default")'); do
  av proposal reject "$number" 2>/dev/null
done
# Who asked too often waits; then it is heard.
wait_for 90 sh -c "'$AV_PYTHON' flood.py '$API' '$(token flood)' 1 >again.json; grep -q 201 again.json"
av audit verify >/dev/null
kill -TERM "$SERVE"
