#!/usr/bin/env bash
# Export: lines with the filters of `log`, and OpenTelemetry logs to a strict collector: valid, complete,
# each record once over restarts, patient with a collector that is busy, and never a header in argv.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test second.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"
agent --unmatched deny -- sh -c '
  curl -sS https://echo.test/echo/a; curl -sS -X POST -d x https://echo.test/status/404
  curl -sS https://second.test/denied' || true

# -- lines
av audit export --all >all.jsonl
cat "$AGENT_VAULT_HOME"/audit/*.jsonl | sort >raw.sorted
sort all.jsonl | cmp - raw.sorted || fail "the export is not the log"
count() { av audit export "$@" | wc -l; }
assert_eq 3 "$(count --event request)"
assert_eq 1 "$(count --status 4xx --host echo.test)"
assert_eq 1 "$(count --status 200)"
assert_eq 0 "$(count --status 500-599)"
assert_eq 1 "$(count --method post)"
assert_eq 1 "$(count --path /echo)"
assert_eq 1 "$(count --decision deny)"
assert_eq 2 "$(count --credential TOKEN --event request)"
assert_eq 0 "$(count --rule nobody)"
assert_eq 0 "$(count --until 2020-01-01)"
assert_eq "$(count)" "$(count --since 1h --until 0s)"
assert_eq 1 "$(av log --json --event 'credential.*' | wc -l)"
assert_eq 2 "$(av log --json --all --event 'credential.*' | wc -l)"
expect_exit 2 av audit export --status fourhundred
expect_exit 2 av log --until yesterday

# -- a collector
collector() { # OPTION...: PORT, with its plan in $OUT/plan and what it got in $OUT/got
  rm -f "$OUT/collector.out"
  "$AV_PYTHON" "$SUPPORT/otlp_collector.py" --log "$OUT/got" --plan "$OUT/plan" "$@" >"$OUT/collector.out" 2>"$OUT/collector.err" &
  COLLECTOR_PID=$!
  wait_for 30 test -s "$OUT/collector.out"
  PORT=$(json "$OUT/collector.out" 'd["port"]')
}
got() { json "$OUT/got" "(lambda r, q, b: $1)([x['record'] for x in d if 'record' in x], [x for x in d if 'request' in x], [x for x in d if 'broken' in x])"; }
fresh() { # PLAN...: nothing was sent to anybody
  rm -rf "$AGENT_VAULT_HOME/export" "$OUT/got"
  : >"$OUT/got"
  echo "$*" >"$OUT/plan"
}
fresh
collector
total=$(count --all)
av audit export --all --otlp "http://127.0.0.1:$PORT" 2>sent.txt
assert_contains sent.txt "sent $total records"
assert_eq "$total 0" "$(got 'f"{len(r)} {len(b)}"')" "records and broken requests"
assert_eq true "$(got 'len({x["attributes"]["log.record.uid"] for x in r}) == len(r)')" "uids"
assert_eq "POST https echo.test 443 /status/404 404 13" "$(got '[" ".join(str(x["attributes"][k]) for k in ("http.request.method", "url.scheme", "server.address", "server.port", "url.path", "http.response.status_code")) + " 13" for x in r if x["attributes"].get("url.path") == "/status/404" and x["event"] == "agent_vault.request"][0]')"
assert_eq "[13]" "$(got '[x["severity"] for x in r if x["attributes"].get("agent_vault.decision") == "deny"]')"
# Again: nothing is new. A run more: only that.
av audit export --all --otlp "http://127.0.0.1:$PORT" 2>sent.txt
assert_contains sent.txt "sent 0 records"
agent -- curl -sS https://echo.test/echo/b
av audit export --all --otlp "http://127.0.0.1:$PORT/v1/logs" 2>sent.txt
assert_eq "$(count --all)" "$(got 'len({x["attributes"]["log.record.uid"] for x in r})')"
assert_eq "$(count --all)" "$(got 'len(r)')"

# -- one that is busy: it is waited for, as long as it says
kill "$COLLECTOR_PID"
fresh 503 429:2 429@2 502 504 drop ok
collector
av audit export --all --otlp "http://127.0.0.1:$PORT" 2>sent.txt || { cat sent.txt; fail "a busy collector"; }
assert_eq "$(count --all) 7 0" "$(got 'f"{len(r)} {len(q)} {len(b)}"')"
assert_eq true "$(got 'q[2]["at"] - q[1]["at"] >= 1.9 and q[3]["at"] - q[2]["at"] >= 0.9')" "Retry-After"

# -- one that does not come back, refuses, or rejects some
kill "$COLLECTOR_PID"
fresh 503 503 503 503 503 503 503 503
collector
expect_exit 1 av audit export --otlp "http://127.0.0.1:$PORT" --retry-for 2
assert_error "answered 503"
kill "$COLLECTOR_PID"
expect_exit 1 av audit export --otlp "http://127.0.0.1:$PORT" --retry-for 1
assert_error "the collector at http://127.0.0.1:$PORT/v1/logs"
fresh 400
collector
expect_exit 1 av audit export --all --otlp "http://127.0.0.1:$PORT"
assert_error "refuses the records: 400"
av audit export --all --otlp "http://127.0.0.1:$PORT" 2>/dev/null # nothing was skipped
assert_eq "$(count --all)" "$(got 'len(r)')"
kill "$COLLECTOR_PID"
fresh partial:2
collector
expect_exit 1 av audit export --otlp "http://127.0.0.1:$PORT"
assert_contains "$OUT/stderr" "rejected 2 of"
assert_absent "$OUT/stderr" $'\x1b'
kill "$COLLECTOR_PID"
fresh 413 413
collector
av audit export --all --otlp "http://127.0.0.1:$PORT" 2>/dev/null # in smaller pieces
assert_eq "$(count --all) true" "$(got 'f"{len(r)} {str(len(q) > 3).lower()}"')"
kill "$COLLECTOR_PID"

# -- killed between the answer and its note: sent again, and known by its uid
fresh cut ok
collector
av audit export --all --otlp "http://127.0.0.1:$PORT" 2>/dev/null
assert_eq "($(count --all), $((2 * $(count --all))))" "$(got '(len({x["attributes"]["log.record.uid"] for x in r}), len(r))')"
kill "$COLLECTOR_PID"

# -- following; another one must not send the same
fresh
collector
"$AV_BINARY" audit export --all --follow --otlp "http://127.0.0.1:$PORT" 2>follow.txt &
follower=$!
wait_for 30 test -s "$OUT/got"
sleep 0.3
expect_exit 5 av audit export --otlp "http://127.0.0.1:$PORT"
agent -- curl -sS https://echo.test/echo/followed
followed() { grep -q /echo/followed "$OUT/got"; }
wait_for 30 followed
kill -9 $follower
wait $follower 2>/dev/null || true
av audit export --all --otlp "http://127.0.0.1:$PORT" 2>/dev/null
assert_eq "$(count --all)" "$(got 'len({x["attributes"]["log.record.uid"] for x in r})')"
assert_eq 0 "$(got 'len(b)')"
kill "$COLLECTOR_PID"

# -- TLS and a key
secret=$(new_canary key-)
fresh
collector --certs "$CERTS" --key "$secret"
expect_exit 1 av audit export --otlp "https://127.0.0.1:$PORT"
assert_error "certificate"
export OTEL_EXPORTER_OTLP_CERTIFICATE=$CERTS/ca.pem
expect_exit 1 av audit export --otlp "https://localhost:$PORT" # a good certificate, of another name
assert_error "certificate"
expect_exit 1 av audit export --otlp "https://127.0.0.1:$PORT"
assert_error "refuses the records: 401"
printf 'X-Api-Key: %s\n' "$secret" >"$OUT/headers"
av audit export --all --otlp "https://127.0.0.1:$PORT" --header-file "$OUT/headers" 2>/dev/null
assert_eq "$(count --all)" "$(got 'len(r)')"
rm -rf "$AGENT_VAULT_HOME/export"
OTEL_EXPORTER_OTLP_ENDPOINT="https://127.0.0.1:$PORT" OTEL_EXPORTER_OTLP_HEADERS="x-api-key=$secret" \
  av audit export --event request --otlp 2>sent.txt
assert_contains sent.txt "sent $(count --event request) records"
expect_exit 2 av audit export --otlp "http://collector.example" --header-file "$OUT/headers"
assert_absent "$OUT/stderr" "$secret"
expect_exit 2 av audit export --otlp
expect_exit 2 av audit export --otlp "https://127.0.0.1:$PORT" --header "X-Api-Key: $secret"
printf 'not a header %s\n' "$secret" >"$OUT/headers"
expect_exit 1 av audit export --otlp "https://127.0.0.1:$PORT" --header-file "$OUT/headers"
assert_absent "$OUT/stderr" "$secret"
assert_eq 600 "$(find "$AGENT_VAULT_HOME/export" -type f -printf '%m\n' | sort -u)" "mode of the cursor"
rm "$OUT/headers"
canary_check "$OUT/stderr" sent.txt all.jsonl "$AGENT_VAULT_HOME" "$OUT/got"
