#!/usr/bin/env bash
# One attack for each way to get a credential out of the proxy or to use it elsewhere, by a child of
# `run`: each fails. The control is a model of the proxy with all defences but one: there the same
# attack, judged in the same way, succeeds, and with all of them it fails too.
# timeout: 240
set -eu
. "$(dirname "$0")/common.inc"
export PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1
ATTACKS="reflection binding identity placement path host redirect field upgrade tunnel"

# attacked NAME: the attack got what it was after, by the upstream's account or the agent's own
attacked() {
  "$AV_PYTHON" - "$1" "$UPSTREAM_LOG" "$OUT/agent.out" "$CANARIES" <<'PY'
import json, re, sys, urllib.parse
name, log, agent, canaries = sys.argv[1:]
secret = open(canaries).read().split()[-1]
def has(x):
    return secret in urllib.parse.unquote(json.dumps(x))
def lenient(target):  # as the laxest of servers reads it
    path = target.split("?")[0]
    for _ in range(2):
        path = urllib.parse.unquote(path)
    out = []
    for part in re.sub(r";[^/]*", "", path.replace("\\", "/")).split("/"):
        out = out[:-1] if part == ".." else out + [part] * (part not in ("", "."))
    return "/" + "/".join(out)
requests = [r for r in map(json.loads, open(log)) if r["event"] == "request"]
def fields(r):
    return {n.lower(): v for n, v in r["headers"]}
found = {
    "reflection": secret in open(agent, encoding="latin-1").read(),
    "binding": any(has(r) for r in requests if r["host"] == "second.test"),
    "identity": any(has(r) for r in requests if r["host"] == "second.test"),
    "placement": any(has([r["target"], r.get("body")]) for r in requests),
    "path": any(has(r["headers"]) and not lenient(r["target"]).startswith("/public") for r in requests),
    "host": any(has(r) for r in requests if r["host"].startswith("second.test")),
    "redirect": any(has(r) for r in requests if r["host"] == "second.test"),
    "field": any("x-injected" in fields(r) for r in requests),
    "tunnel": bool(requests),
    "upgrade": any("upgrade" in fields(r) for r in requests),
}
sys.exit(0 if found[name] else 1)
PY
}

fresh() { : >"$UPSTREAM_LOG"; }

start_upstream
play echo.test second.test path.echo.test a.wild.test
placeholder=sk-av-$(random_value '')
set_secret() { # SUFFIX: the last canary is what the attacks are after
  secret=$(new_canary)
  printf '%s%b' "$secret" "$1" >"$OUT/secret"
  av vault credential set TOKEN --from-file "$OUT/secret" >/dev/null 2>&1
}
set_secret ''
service_file <<'JSON'
{"services": [
  {"name": "echo", "host": "echo.test", "allow_http": true, "auth": {"type": "bearer", "token": "TOKEN"}, "env": {"TOKEN": "TOKEN"}},
  {"name": "wild", "host": "*.wild.test", "allow_http": true, "auth": {"type": "bearer", "token": "TOKEN"}},
  {"name": "path", "host": "path.echo.test/public/*", "allow_http": true, "auth": {"type": "bearer", "token": "TOKEN"}}
]}
JSON

attack() { # NAME: as a child of run
  fresh
  # shellcheck disable=SC2016
  agent -- sh -c 'exec "$1" "$2" "$3" "$TOKEN"' sh "$AV_PYTHON" "$SUPPORT/row_attacks.py" "$1"
}

attack_model() { # NAME [--without DEFENCE]
  local name=$1 pid
  shift
  fresh
  rm -f "$OUT/model.out"
  "$AV_PYTHON" "$SUPPORT/model_proxy.py" --upstream "$HTTP_PORT" --secret "$OUT/secret" \
    --placeholder "$placeholder" "$@" >"$OUT/model.out" 2>"$OUT/model.err" &
  pid=$!
  wait_for 30 test -s "$OUT/model.out"
  HTTPS_PROXY=http://token:@127.0.0.1:$(cat "$OUT/model.out") "$AV_PYTHON" "$SUPPORT/row_attacks.py" \
    "$name" "$placeholder" >"$OUT/agent.out" 2>"$OUT/agent.err"
  kill "$pid"
}

for name in $ATTACKS; do
  # A value with a line break is an attack of its own.
  [ "$name" != field ] || set_secret '\r\nX-Injected: 1'
  [ "$name" != upgrade ] || set_secret ''
  attack "$name"
  ! attacked "$name" || fail "$name: the attack succeeds"
  [ -s "$OUT/agent.out" ] || fail "$name: the attacker got no answer at all"
  attack_model "$name"
  ! attacked "$name" || fail "$name: the control cannot defend itself, it proves nothing"
  attack_model "$name" --without "$name"
  attacked "$name" || fail "$name: the attack fails without the defence, it proves nothing"
  echo "$name: fails; without the defence it succeeds"
done
# None of it is refused for another reason: what these services are for works.
attack reflection
assert_eq true "$(received "any('$secret' in str(x['headers']) for x in r)")" "the credential reaches its own host"
assert_eq true "$(audited "any(x.get('error') == 'unsupported_protocol' for x in r)")" "the opaque tunnel is on the log"
