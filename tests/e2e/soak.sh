#!/usr/bin/env bash
# Upstreams that fail in every way and clients that leave at every stage, all at once: the broker stays
# alive, every session ends, nothing is left behind, every request is on the log from begin to end, and
# no credential comes back. SOAK_SECONDS=7200 for hours of it, SOAK_SEED for another mixture.
# timeout: 1200 + SOAK_SECONDS
set -eu
. "$(dirname "$0")/common.inc"
seconds=${SOAK_SECONDS:-15}
CERTS=$OUT/certs
"$SUPPORT/make_certs.sh" "$CERTS"
export PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1
"$AV_PYTHON" "$SUPPORT/chaos_upstream.py" --certs "$CERTS" --log "$OUT/chaos.jsonl" \
  >"$OUT/chaos.out" 2>"$OUT/chaos.err" &
wait_for 30 test -s "$OUT/chaos.out"
HTTPS_PORT=$(json "$OUT/chaos.out" 'd["https"]')
HTTP_PORT=$(json "$OUT/chaos.out" 'd["http"]')
RUN_OPTIONS+=(--upstream-ca "$CERTS/ca.pem")
play chaos.echo.test tlsreset.echo.test tlsgarbage.echo.test tlsstall.echo.test expired.test \
  untrusted.test wronghost.test
closed=$("$AV_PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
RUN_OPTIONS+=(--resolve "refused.echo.test:443:127.0.0.1:$closed")
set_credential TOKEN "$(new_canary)"
av vault service add -f - >/dev/null 2>&1 <<'JSON'
{"name": "chaos", "host": "chaos.echo.test", "allow_http": true, "auth": {"type": "bearer", "token": "TOKEN"}}
JSON

mkdir "$AV_CASE/work/stage"
start_run --header-timeout 2 -- "$AV_PYTHON" "$SUPPORT/soak_client.py" --seconds "$seconds" \
  --seed "${SOAK_SEED:-1}" "$AV_CASE/work/stage"
watched=0
"$AV_PYTHON" "$SUPPORT/soak_watch.py" "$RUN_PID" "$AV_CASE/work/stage" "$seconds" || watched=$?
[ $watched = 0 ] || cat "$OUT/run.out" "$OUT/run.err"
assert_eq 0 "$watched" "problems that were seen from outside"
ended=0
wait "$RUN_PID" || ended=$?
assert_eq 0 "$ended" "exit code of the run"

av log --limit 0 --all --json >"$OUT/audit.jsonl"
"$AV_PYTHON" - "$OUT/audit.jsonl" "$OUT/chaos.jsonl" <<'PY'
import collections, json, sys
begun, ended, paths = collections.Counter(), collections.Counter(), set()
for line in open(sys.argv[1]):
    record = json.loads(line)
    if record["event"] == "request.begin":
        begun[record["request"]] += 1
        paths.add(record["path"])
    elif record["event"] == "request":
        ended[record["request"]] += 1
seen = {f"/{r['kind']}/{r['mark']}" for r in map(json.loads, open(sys.argv[2]))}
missing = seen - paths
assert not missing, f"{len(missing)} requests reached the upstream without a record: {sorted(missing)[:5]}"
open_ended = set(begun) - set(ended)
assert not open_ended, f"{len(open_ended)} requests never ended on the log: {sorted(open_ended)[:5]}"
assert set(begun.values()) == {1} and set(ended.values()) == {1}
print(len(seen), "requests upstream,", len(begun), "uses of the credential,", len(ended), "records")
PY
canary_check "$OUT/run.out" "$OUT/run.err" "$OUT/audit.jsonl" "$AV_CASE/work" "$AGENT_VAULT_HOME" "$TMPDIR"
