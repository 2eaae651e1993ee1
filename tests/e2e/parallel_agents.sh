#!/usr/bin/env bash
# Twenty agents at once on one store: no error about a lock, one `request` record for each request, and an
# audit log that verifies while they run and afterwards. PARALLEL_SECONDS=1800 for the long form
# (PARALLEL_PAUSE: seconds between the requests of one agent, 0.2).
# timeout: 180 + PARALLEL_SECONDS
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"
seconds=${PARALLEL_SECONDS:-0}
agents=${PARALLEL_AGENTS:-20}
cat >agent.py <<'PY'
import sys, time
import proxy_client as p
who, seconds = sys.argv[1], float(sys.argv[2])
end, made = time.monotonic() + seconds, 0
while made < 10 or time.monotonic() < end:
    assert p.request(f"https://echo.test/echo/{who}/{made}").status == 200
    made += 1
    if seconds:
        time.sleep(float(sys.argv[3]))
open(f"made-{who}", "w").write(str(made))
PY
for i in $(seq "$agents"); do
  av agent create "agent-$i" >/dev/null 2>&1
done
pids=()
for i in $(seq "$agents"); do
  PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 "$AV_BINARY" run "${RUN_OPTIONS[@]}" --agent "agent-$i" -- \
    "$AV_PYTHON" agent.py "$i" "$seconds" "${PARALLEL_PAUSE:-0.2}" >"$OUT/agent-$i.out" 2>&1 &
  pids+=($!)
done
# Commands change the store meanwhile.
for i in $(seq 5); do
  printf '%s' "$real" | av vault credential set TOKEN --stdin 2>>"$OUT/commands.err" || fail "$(cat "$OUT/commands.err")"
  av audit verify >"$OUT/verify.txt" 2>&1 || { cat "$OUT/verify.txt"; fail "verify while agents run"; }
done
for i in $(seq "$agents"); do
  wait "${pids[i - 1]}" || { cat "$OUT/agent-$i.out"; fail "agent $i"; }
done
cat "$OUT"/agent-*.out "$OUT/commands.err" >"$OUT/said"
assert_absent "$OUT/said" locked
assert_absent "$OUT/said" error
av audit verify --json >v.json || { cat v.json; fail "verify"; }
av log -n 0 --json --event request >requests.jsonl
"$AV_PYTHON" - requests.jsonl "$agents" <<'PY'
import collections, json, sys
seen = collections.Counter()
for line in open(sys.argv[1]):
    record = json.loads(line)
    assert record["decision"] == "allow" and record["status"] == 200, record
    seen[(record["agent"], record["path"])] += 1
want = {(f"agent-{i}", f"/echo/{i}/{k}") for i in range(1, int(sys.argv[2]) + 1)
        for k in range(int(open(f"made-{i}").read()))}
assert set(seen) == want, (sorted(set(seen) ^ want)[:10])
assert set(seen.values()) == {1}, [key for key, n in seen.items() if n != 1][:10]
print(len(want), "requests")
PY
canary_check "$OUT/said" requests.jsonl v.json
