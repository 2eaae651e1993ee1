#!/usr/bin/env bash
# --max-concurrent holds over all runs of an agent, exactly: 8 runs ask as fast as they can, and the
# upstream never has more of the agent's requests under way than permitted, and reaches that many. What a
# killed run held is free at once.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
bearer_service echo.test TOKEN "$(new_canary)"
av agent create busy --max-concurrent 3 >/dev/null 2>&1

cat >ask.py <<'PY'
import json, os, sys, threading, time, proxy_client as p
seconds, ms, threads = float(sys.argv[1]), sys.argv[2], int(sys.argv[3])
done, refused, lock = [], [], threading.Lock()
open(f"up.{os.environ['AGENT_VAULT_RUN']}", "w").close()
while not os.path.exists("go"):  # all of them begin together
    time.sleep(0.01)
def loop():
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        reply = p.request(f"https://echo.test/slow?ms={ms}")
        if reply.status == 200:
            with lock:
                done.append((began, time.monotonic()))
        else:
            assert (reply.status, reply.code) == (429, "too_many_concurrent"), reply.head
            assert reply.get("Retry-After") == "1" and reply.get("x-should-retry") is None
            with lock:
                refused.append(began)
            time.sleep(0.005)
workers = [threading.Thread(target=loop) for _ in range(threads)]
for worker in workers: worker.start()
for worker in workers: worker.join()
print(json.dumps({"done": len(done), "refused": len(refused)}))
PY

# What the upstream sees under way at one time: /slow answers after its delay, so a request is there
# from its record until that delay is over.
most() { # MS
  received "(lambda ends: max((sum(1 for s, e in ends if s <= t < e) for t, _ in ends), default=0))(sorted((x['time'], x['time'] + $1 / 1000) for x in r if x['target'].startswith('/slow')))"
}
ask() { # RUNS SECONDS MS THREADS [OPTION...]
  local runs=$1 i pids=()
  local arguments=("$2" "$3" "$4")
  shift 4
  rm -f go up.*
  for ((i = 0; i < runs; i++)); do
    PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 "$AV_BINARY" run "${RUN_OPTIONS[@]}" "$@" -- \
      "$AV_PYTHON" ask.py "${arguments[@]}" >"$OUT/ask.$i" 2>"$OUT/ask.$i.err" &
    pids+=($!)
  done
  all_up() { [ "$(ls up.* 2>/dev/null | wc -l)" = "$runs" ]; }
  wait_for 60 all_up
  touch go
  for i in "${!pids[@]}"; do
    wait "${pids[$i]}" || { cat "$OUT/ask.$i.err"; fail "run $i"; }
  done
}
ask 8 8 500 2 --agent busy
assert_eq 3 "$(most 500)" "requests under way at one time"
cat "$OUT"/ask.[0-7] >"$OUT/all"
refused=$(json "$OUT/all" 'sum(x["refused"] for x in d)')
[ "$refused" -gt 10 ] || fail "only $refused requests were refused: the test is too gentle"
echo "done $(json "$OUT/all" 'sum(x["done"] for x in d)'), refused $refused"

# The control: without a limit there are more.
: >"$UPSTREAM_LOG"
av agent set busy --max-concurrent 0 2>/dev/null
ask 8 4 500 2 --agent busy
[ "$(most 500)" -gt 3 ] || fail "without a limit there are no more than with it: it proves nothing"

# A killed run takes nothing with it.
av agent set busy --max-concurrent 2 2>/dev/null
# (A look may take one of the lanes for a moment: they ask until they have both.)
start_run --agent busy -- sh -c 'hold() { until curl -sf "https://echo.test/slow?ms=30000"; do sleep 0.05; done; }
  hold & hold & wait'
full() { "$AV_BINARY" run "${RUN_OPTIONS[@]}" --agent busy -- curl -sS https://echo.test/echo 2>/dev/null | grep -q too_many_concurrent; }
wait_for 30 full
kill -9 "$RUN_PID"
wait "$RUN_PID" 2>/dev/null || true
free() { "$AV_BINARY" run "${RUN_OPTIONS[@]}" --agent busy -- curl -sS https://echo.test/echo 2>/dev/null | grep -q '"method"'; }
wait_for 30 free

# What cannot be counted is refused.
rm -rf "$AGENT_VAULT_HOME/lanes"
ln -s /nowhere "$AGENT_VAULT_HOME/lanes"
agent --agent busy -- sh -c 'curl -sS -o body https://echo.test/echo; grep -q limits_unavailable body'
