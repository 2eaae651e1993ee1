#!/usr/bin/env bash
# A limit holds over eight runs at once, over requests that follow one another on one connection, over
# restarts and over the death of the broker; rules count by themselves; what cannot be counted is
# refused. The windows are days, so that no clock turns one over in the middle.
# timeout: 180
set -eu
. "$(dirname "$0")/common.inc"
[ $((86400 - $(date +%s) % 86400)) -gt 180 ] || sleep 185
start_upstream
play echo.test second.test
bearer_service echo.test TOKEN "$(new_canary)"
cat >"$OUT/rules.toml" <<'TOML'
[[rules]]
name = "fifty-a-day"
action = "rate_limit"
host = "echo.test/echo/limited/*"
limit = 50
window = "day"
reason = "the API is not ours alone"

[[rules]]
name = "three-a-day"
action = "rate_limit"
host = "second.test"
limit = 3
window = "day"

[[rules]]
name = "two-posts-a-day"
action = "rate_limit"
host = "second.test"
methods = ["POST"]
limit = 2
window = "day"
TOML
av rule add -f "$OUT/rules.toml"

cat >many.py <<'PY'
import sys, threading
import proxy_client as p
results = []
def one():
    reply = p.request("https://echo.test/echo/limited/x")
    results.append(reply.status)
    if reply.status == 429:
        assert reply.code == "rate_limited" and reply.json["rule"] == "fifty-a-day", reply.body
        assert "not ours alone" in reply.json["message"], reply.body
        assert 0 < int(reply.get("Retry-After")) <= 86400, reply.head
        assert int(reply.get("Retry-After")) == reply.json["retry_after"]
        assert reply.get("x-should-retry") is None, reply.head
for _ in range(5):
    threads = [threading.Thread(target=one) for _ in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]
assert len(results) == 15
print(results.count(200), results.count(429))
PY
pids=()
for n in 1 2 3 4 5 6 7 8; do
  PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 av_run -- "$AV_PYTHON" many.py >"$OUT/many$n.out" 2>"$OUT/many$n.err" &
  pids+=($!)
done
bad=0
for pid in "${pids[@]}"; do wait "$pid" || bad=1; done
[ $bad = 0 ] || { cat "$OUT"/many*.err >&2; fail "a run failed"; }
assert_eq "50 70" "$(awk '{a += $1; b += $2} END {print a, b}' "$OUT"/many*.out)" "of 120 requests in 8 runs"
assert_eq 50 "$(received 'len(r)')" "requests that arrived"
assert_eq 70 "$(audited 'sum(x.get("rule") == "fifty-a-day" and x.get("status") == 429 for x in r)')" "refusals on the log"

# A new run gets nothing more, however the path is spelt; another path is not counted.
agent_python <<'PY'
import proxy_client as p
for path in ("/limited/x", "/limited/", "/limited", "/LIMITED/x", "/limited/../limited/x", "/%6cimited/x",
             "//limited/x", "/limited;a=b/x", "/limited%2fx"):
    reply = p.request("https://echo.test/echo" + path)
    assert reply.code in ("rate_limited", "bad_request", "ambiguous_path"), (path, reply.head, reply.body)
    if path in ("/limited/x", "/LIMITED/x", "/%6cimited/x", "/limited"):
        assert reply.code == "rate_limited", (path, reply.body)
assert p.request("https://echo.test/echo/unlimited").status == 200
assert p.request("https://ECHO.test/echo/limited/x").code == "rate_limited"
PY

# The broker is killed between two requests: nothing is had twice. Two rules count one request, and one
# that refuses takes nothing from the other.
start_run -- sh -c 'curl -sS -o /dev/null -d x https://second.test/echo; echo done; sleep 60'
wait_for 30 grep -q done "$OUT/run.out"
kill -9 "$RUN_PID"
wait "$RUN_PID" 2>/dev/null || true
agent_python <<'PY'
import proxy_client as p
def get(method="GET"):
    reply = p.request("https://second.test/echo", method, body=b"x" if method == "POST" else None)
    return reply.json["rule"] if reply.status == 429 else reply.status
assert get("POST") == 200  # the second of two, and of three
assert get("POST") == "two-posts-a-day"
assert get() == 200  # the third of three: what was refused has not been counted
assert get() == "three-a-day"
assert get("POST") == "three-a-day"
PY

# A disabled rule does not count; a removed one is gone.
av rule disable three-a-day
agent_python <<'PY'
import proxy_client as p
assert p.request("https://second.test/echo").status == 200
assert p.request("https://second.test/echo", "POST", body=b"x").status == 429
PY
av rule remove two-posts-a-day
agent_python <<'PY'
import proxy_client as p
assert p.request("https://second.test/echo", "POST", body=b"x").status == 200
PY

# Counters that cannot be read refuse what would be counted, and nothing else.
printf damage | dd of="$AGENT_VAULT_HOME/limits" bs=1 conv=notrunc 2>/dev/null
agent_python <<'PY'
import proxy_client as p
reply = p.request("https://echo.test/echo/limited/x")
assert reply.status == 503 and reply.code == "limits_unavailable", reply.body
assert p.request("https://echo.test/echo/unlimited").status == 200
PY
canary_check "$OUT/agent.out" "$OUT/agent.err" "$AGENT_VAULT_HOME/limits"
