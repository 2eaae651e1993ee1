#!/usr/bin/env bash
# A held request waits for a human: nothing is opened or sent before the decision, what the human sees is
# what will be sent, and every other way out (denied, no answer, the client or the run gone, too many)
# refuses it.
# timeout: 180
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
value=$(new_canary)
bearer_service echo.test TOKEN "$value"
cat >"$OUT/rules.toml" <<'TOML'
[[rules]]
name = "ask-first"
action = "approve"
host = "echo.test/echo/*"
timeout = 60
reason = "money moves"

[[rules]]
name = "ask-quickly"
action = "approve"
host = "echo.test/quick/*"
timeout = 1
TOML
av rule add -f "$OUT/rules.toml"

waiting() { av approval list --json >"$OUT/list.json" && json "$OUT/list.json" 'len(d["approvals"])'; }
waiting_is() { [ "$(waiting)" = "$1" ]; }
first() { av approval list --json >"$OUT/list.json" && json "$OUT/list.json" "d['approvals'][0]['$1']"; }

cat >pay.py <<'PY'
import sys
import proxy_client as p
url, body = sys.argv[1], sys.argv[2].encode()
reply = p.request(url, "POST", [("Content-Type", "application/json"), ("Cookie", "session=abc")], body)
print(reply.status, reply.code, reply.body.decode("latin-1"))
PY
ask() { # NAME URL BODY: in the background, output in $OUT/NAME.out
  PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 "$AV_BINARY" run "${RUN_OPTIONS[@]}" -- "$AV_PYTHON" pay.py "$2" "$3" >"$OUT/$1.out" 2>"$OUT/$1.err" &
  ASKED=$!
}

# Allowed: the request goes out as it was shown.
ask pay 'https://echo.test/echo/pay?to=bob' '{"amount": 5, "password": "hunter2"}'
wait_for 30 waiting_is 1
assert_eq 0 "$(received 'len(r)')" "requests sent before the decision"
assert_eq 0 "$(audited 'sum(bool(x.get("credentials")) for x in r if x["event"].startswith("request"))')" "credentials opened before the decision"
id=$(first id)
assert_eq POST "$(first method)"
assert_eq 'https://echo.test/echo/pay?to=bob' "$(first url)"
assert_eq ask-first "$(first rule)"
av approval show "$id" >"$OUT/show.txt"
assert_contains "$OUT/show.txt" '| {"amount": 5, "password": "********"}'
assert_absent "$OUT/show.txt" hunter2
assert_absent "$OUT/show.txt" session=abc
av approval list >"$OUT/list.txt"
assert_contains "$OUT/list.txt" "$id"
av approval allow "$id" 2>"$OUT/allow.txt"
wait "$ASKED"
assert_contains "$OUT/pay.out" '200 None'
assert_eq "Bearer $value" "$(received_header authorization)"
assert_contains "$OUT/pay.out" '"body": "{\"amount\": 5, \"password\": \"hunter2\"}"'
assert_eq 1 "$(audited "sum(x.get('rule') == 'ask-first' and '$id allowed' in x.get('detail', '') and x['event'] == 'request' for x in r)")"
expect_exit 5 av approval allow "$id"
assert_error allowed
expect_exit 3 av approval allow apr_0000000000000000
assert_error

# Once is once.
ask again 'https://echo.test/echo/pay?to=bob' '{"amount": 5}'
wait_for 30 waiting_is 1
av approval deny "$(first id)" 2>/dev/null
wait "$ASKED"
assert_contains "$OUT/again.out" '403 approval_denied'
assert_contains "$OUT/again.out" 'money moves'
assert_contains "$OUT/again.out" '"rule":"ask-first"'
assert_eq 1 "$(received 'len(r)')"

# Three uses of one URL, whatever the query; not of another URL, method or later.
cat >uses.py <<'PY'
import proxy_client as p
def go(url, method="POST"):
    return p.request("https://echo.test" + url, method, body=b"{}")
assert go("/echo/uses?n=1").status == 200
assert go("/echo/uses?n=2").status == 200
assert go("/echo/uses?n=3").status == 200
print("three", flush=True)
assert go("/echo/uses?n=4").code == "approval_denied"
assert go("/echo/other").code == "approval_denied"
assert go("/echo/uses", "PUT").code == "approval_denied"
PY
PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 "$AV_BINARY" run "${RUN_OPTIONS[@]}" -- "$AV_PYTHON" uses.py >"$OUT/uses.out" 2>"$OUT/uses.err" &
ASKED=$!
wait_for 30 waiting_is 1
av approval allow "$(first id)" --uses 3 2>/dev/null
wait_for 30 grep -q three "$OUT/uses.out"
for _ in 1 2 3; do
  wait_for 30 waiting_is 1
  av approval deny "$(first id)" 2>/dev/null
  wait_for 30 waiting_is 0
done
wait "$ASKED" || { cat "$OUT/uses.err" >&2; fail "uses"; }

# For a time, in another run too.
ask time1 https://echo.test/echo/time '{}'
wait_for 30 waiting_is 1
av approval allow "$(first id)" --for 10m 2>/dev/null
wait "$ASKED"
ask time2 https://echo.test/echo/time '{"other": 1}'
wait "$ASKED"
assert_contains "$OUT/time1.out" '200 None'
assert_contains "$OUT/time2.out" '200 None'

# What was allowed for longer is listed, and ends within a second, also in a run that goes on.
av approval grants --json >"$OUT/grants.json"
assert_eq 1 "$(json "$OUT/grants.json" 'len(d["grants"])')" "grants in force: what is used up is not"
assert_eq 'ask-first POST https://echo.test/echo/time None' "$(json "$OUT/grants.json" "' '.join(str(d['grants'][0][k]) for k in ('rule', 'method', 'url', 'uses_left'))")"
av approval grants >"$OUT/grants.txt"
assert_contains "$OUT/grants.txt" 'https://echo.test/echo/time'
cat >again.py <<'PY'
import time
import proxy_client as p
def go():
    return p.request("https://echo.test/echo/time", "POST", body=b"{}").code
assert go() is None
print("passed", flush=True)
while True:
    began = time.monotonic()
    code = go()
    if code is not None:
        break
    time.sleep(0.05)
assert code == "approval_denied", code
PY
PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 "$AV_BINARY" run "${RUN_OPTIONS[@]}" -- "$AV_PYTHON" again.py >"$OUT/again.out" 2>"$OUT/again.err" &
ASKED=$!
wait_for 30 grep -q passed "$OUT/again.out"
expect_exit 2 av approval revoke
expect_exit 3 av approval revoke apr_0000000000000000
av approval revoke "$(json "$OUT/grants.json" 'd["grants"][0]["id"]')" 2>"$OUT/revoke.txt"
wait_for 30 waiting_is 1
av approval deny "$(first id)" 2>/dev/null
wait "$ASKED" || { cat "$OUT/again.err" >&2; fail "a revoked grant"; }
assert_eq 0 "$(av approval grants --json >"$OUT/grants.json" && json "$OUT/grants.json" 'len(d["grants"])')"
assert_eq 1 "$(audited "sum(x['event'] == 'approval.revoke' and x['decision'] == 'allow' for x in r)")"

# A long URL does not break the rows of a terminal, and is all there elsewhere.
long=https://echo.test/echo/$(printf 'a%.0s' $(seq 300))/end
ask long "$long" '{}'
wait_for 30 waiting_is 1
"$AV_PYTHON" "$SUPPORT/with_tty.py" -- sh -c "stty rows 24 cols 120; exec '$AV_BINARY' approval list" >"$OUT/wide.txt"
awk 'length($0) > 121 { exit 1 }' "$OUT/wide.txt" || fail "a row is wider than the terminal"
assert_matches "$OUT/wide.txt" 'POST https://echo.*\.\.\..*/end'
av approval list >"$OUT/narrow.txt"
assert_contains "$OUT/narrow.txt" "$long"
av approval deny "$(first id)" 2>/dev/null
wait "$ASKED"

# No answer is no.
ask late https://echo.test/quick/x '{}'
wait "$ASKED"
assert_contains "$OUT/late.out" '403 approval_timeout'
av approval list --all --json >"$OUT/all.json"
assert_eq expired "$(json "$OUT/all.json" 'd["approvals"][-1]["state"]')"
expect_exit 5 av approval allow "$(json "$OUT/all.json" 'd["approvals"][-1]["id"]')"

# A client that leaves, and a run that ends, are not waited for.
sent=$(received 'len(r)')
agent_python <<'PY'
import time
import proxy_client as p
sock = p.tls(p.connect("echo.test:443"), "echo.test")
sock.sendall(p.compose("POST", "/echo/leave", "echo.test", (), b"{}"))
time.sleep(1)
sock.close()
time.sleep(2)
PY
waiting_is 0 || fail "the client has left"
av approval list --all --json >"$OUT/all.json"
assert_eq cancelled "$(json "$OUT/all.json" 'd["approvals"][-1]["state"]')"
ask ended https://echo.test/echo/ended '{}'
wait_for 30 waiting_is 1
kill -TERM "$ASKED"
wait_for 30 waiting_is 0
wait "$ASKED" || true
assert_eq "$sent" "$(received 'len(r)')"

# The policy that holds when the answer comes is the one that counts.
ask removed https://echo.test/echo/removed '{}'
wait_for 30 waiting_is 1
id=$(first id)
av rule add --name stop --action block --host echo.test >/dev/null 2>&1
av approval allow "$id" 2>/dev/null
wait "$ASKED"
assert_contains "$OUT/removed.out" '403 blocked_by_policy'
av rule remove stop 2>/dev/null

# What an agent writes does not move the reviewer's cursor.
cat >escapes.py <<'PY'
import threading
import proxy_client as p
# Raw controls do not get this far; encoded ones stay encoded, and bodies say anything.
threading.Thread(target=lambda: p.request("https://echo.test/echo/x?%1b%5b2J%e2%80%ae", "POST",
    body=b"\x1b[2J\x1b[H\x1b]0;owned\x07allowed \xe2\x80\xaetxt\r| id apr_fake\n  | more", headers=[("Content-Type", "text/plain\t")])).start()
import time; time.sleep(4)
import os; os._exit(0)
PY
PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 "$AV_BINARY" run "${RUN_OPTIONS[@]}" -- "$AV_PYTHON" escapes.py >"$OUT/escapes.out" 2>"$OUT/escapes.err" &
ASKED=$!
wait_for 30 waiting_is 1
for command in "approval list" "approval show $(first id)"; do
  # shellcheck disable=SC2086
  av $command >"$OUT/escape.txt"
  "$AV_PYTHON" - "$OUT/escape.txt" <<'PY'
import sys
text = open(sys.argv[1], "rb").read().decode("utf-8")
assert all(c == "\n" or (ord(c) >= 32 and ord(c) != 127 and c not in "\u202e\u2066\u2028") for c in text), text
PY
done
wait "$ASKED" || true

# What the reviewer does not see of a body, the reviewer is told of: in a charset that rules cannot read,
# grown by what it takes to show it, compressed.
av rule add --name ask-too --action approve --host 'echo.test/echo/hidden' --body-contains x >/dev/null 2>&1
cat >hidden.py <<'PY'
import gzip, threading, time, os
import proxy_client as p
def go(body, headers):
    p.request("https://echo.test/echo/hidden", "POST", headers, body)
for body, headers in ((b'{"amount": 1}', [("Content-Type", "application/json; charset=utf-16")]),
                      (b'{"amount": 2,' + b"\t" * 1100 + b'"amount": 1000000}', []),
                      (gzip.compress(b"3x " * 50000), [("Content-Encoding", "gzip")])):
    threading.Thread(target=go, args=(body, headers), daemon=True).start()
time.sleep(300)
PY
PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 "$AV_BINARY" run "${RUN_OPTIONS[@]}" -- "$AV_PYTHON" hidden.py >"$OUT/hidden.out" 2>"$OUT/hidden.err" &
ASKED=$!
wait_for 30 waiting_is 3
shown() { json "$OUT/list.json" "[[a['body_complete'], a['body_size'], a['rule']] for a in d['approvals'] if '$1' in a['preview']][0]"; }
assert_eq '[true, 13, "ask-first, ask-too"]' "$(shown '"amount": 1}')"
assert_eq '[false, 1131, "ask-first"]' "$(shown '"amount": 2')"
assert_eq '[false, 150000, "ask-first, ask-too"]' "$(shown "3x 3x")"
av approval show "$(json "$OUT/list.json" "[a['id'] for a in d['approvals'] if '3x 3x' in a['preview']][0]")" >"$OUT/show.txt"
assert_contains "$OUT/show.txt" 'NOT ALL of it is shown'
kill -TERM "$ASKED"
wait "$ASKED" || true
av rule remove ask-too 2>/dev/null
wait_for 30 waiting_is 0

# A flood is bounded, in each run and for each agent.
cat >flood.py <<'PY'
import collections, os, threading, time
import proxy_client as p
seen = collections.Counter()
def go(n):
    seen[p.request(f"https://echo.test/echo/flood{n}", "POST", body=b"{}").code] += 1
threads = [threading.Thread(target=go, args=(n,), daemon=True) for n in range(100)]
[t.start() for t in threads]
refused = lambda: seen["approval_queue_full"] + seen["approval_unavailable"]
end = time.monotonic() + 40
while refused() < 68 and time.monotonic() < end:
    time.sleep(0.1)
time.sleep(1)
print(dict(seen), flush=True)
# Without the interpreter's end: OpenSSL does not stand it while other threads are in it.
os._exit(0 if refused() == 68 else 1)
PY
PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 "$AV_BINARY" run "${RUN_OPTIONS[@]}" -- "$AV_PYTHON" flood.py >"$OUT/flood.out" 2>"$OUT/flood.err" &
flood=$!
wait_for 40 waiting_is 32
wait "$flood" || { cat "$OUT/flood.out" "$OUT/flood.err" >&2; fail "flood"; }
waiting_is 0 || fail "the flood's run has ended"

# From inside a run nobody decides.
expect_exit 4 av_run -- "$AV_BINARY" approval list
canary_check "$OUT"/*.out "$OUT"/*.err "$OUT"/*.txt "$AGENT_VAULT_HOME/audit"
