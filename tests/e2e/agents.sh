#!/usr/bin/env bash
# Agents on the command line: made, shown, changed, rotated, revoked, deleted; who may run as one, and
# what a scope and a limit do to a run.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test second.test
bearer_service echo.test ONE_KEY "$(new_canary)"
bearer_service second.test TWO_KEY "$(new_canary)"

# -- the token: alone on stdout, once, and nowhere else
av agent create builder >"$OUT/token" 2>"$OUT/words"
assert_matches "$OUT/token" '^av_agt_[A-Za-z0-9_-]{43}$'
assert_eq 1 "$(wc -l <"$OUT/token")" "lines with the token"
cat "$OUT/token" >>"$CANARIES"
assert_absent "$OUT/words" av_agt_
av agent create reader --vault default --service echo-test --credential ONE_KEY --max-concurrent 3 \
  --limit 100/hour --json >"$OUT/json"
assert_eq reader "$(json "$OUT/json" 'd["agent"]')"
json "$OUT/json" 'd["token"]' >>"$CANARIES"
canary_check "$AGENT_VAULT_HOME"

# -- mistakes
expect_exit 5 av agent create builder
assert_error "agent set builder"
expect_exit 3 av agent show bilder
assert_error "no agent named"
assert_contains "$OUT/stderr" "did you mean 'builder'"
for wrong in "--limit 10" "--limit x/hour" "--limit 10/week" "--max-concurrent many" "--vault * --vault a"; do
  set -f
  # shellcheck disable=SC2086
  expect_exit 2 av agent create other $wrong
  set +f
  assert_error
done
av agent create mistyped --vault defalt --service echo-tset --credential ONE_KEE >/dev/null 2>"$OUT/words"
assert_contains "$OUT/words" "no vault named 'defalt'; did you mean 'default'?"
av agent set mistyped --vault default 2>"$OUT/words"
assert_contains "$OUT/words" "no service named 'echo-tset' in its vaults; did you mean 'echo-test'?"
assert_contains "$OUT/words" "no credential named 'ONE_KEE' in its vaults; did you mean 'ONE_KEY'?"

# -- shown
av agent list >"$OUT/list"
assert_matches "$OUT/list" '^NAME +VAULTS +SCOPE +LIMITS +STATE +SESSIONS +CREATED'
assert_matches "$OUT/list" '^builder +all +all +- +active +0 '
assert_matches "$OUT/list" '^reader +default +services echo-test; credentials ONE_KEY +3 at a time, 100/hour +active +0 '
av agent list --json >"$OUT/json"
assert_eq "builder mistyped reader" "$(json "$OUT/json" '" ".join(a["name"] for a in d["agents"])')"
av agent show reader --json >"$OUT/json"
assert_eq "100/hour 3 ['ONE_KEY']" "$(json "$OUT/json" '"%s %s %s" % (d["limit"], d["max_concurrent"], d["credentials"])')"
av agent set reader --limit 0 --max-concurrent 0 --service '*' --credential '*' 2>/dev/null
assert_matches <(av agent list) '^reader +default +all +- '

# -- who may run
expect_exit 125 av_run --agent nobody -- true
assert_error "no agent named 'nobody'"
assert_contains "$OUT/stderr" "agent-vault agent create nobody"
av vault create project >/dev/null
expect_exit 125 av_run --agent reader --vault project -- true
assert_error "may not use the vault 'project'"
assert_contains "$OUT/stderr" "agent-vault agent set reader --vault default --vault project"
av agent revoke reader 2>"$OUT/words"
expect_exit 125 av_run --agent reader -- true
assert_error "the agent 'reader' was revoked"
assert_contains "$OUT/stderr" "agent-vault agent rotate reader"
assert_matches <(av agent list) '^reader .* revoked '
av agent rotate reader >"$OUT/token" 2>/dev/null
cat "$OUT/token" >>"$CANARIES"
av_run --agent reader -- true
mkdir -p "$AGENT_VAULT_HOME/config"
chmod 700 "$AGENT_VAULT_HOME/config"
printf '[run]\nagent = "nobody"\n' >"$AGENT_VAULT_HOME/config/config.toml"
expect_exit 125 av_run -- true
assert_error "no agent named 'nobody'"
av_run --agent - -- true
av_run --agent builder -- true
rm "$AGENT_VAULT_HOME/config/config.toml"

# -- a scope in a run: by service and by credential
av agent set reader --service echo-test 2>/dev/null
agent_python --agent reader <<'PY'
import proxy_client as p
assert p.request("https://echo.test/echo").status == 200
reply = p.request("https://second.test/echo")
assert (reply.status, reply.code) == (403, "out_of_scope"), reply.head
PY
av agent set reader --service '*' --credential TWO_KEY 2>/dev/null
agent_python --agent reader <<'PY'
import proxy_client as p
assert p.request("https://echo.test/echo").code == "out_of_scope"
assert p.request("https://second.test/echo").status == 200
PY
assert_eq "reader" "$(audited '[x["agent"] for x in r if x.get("error") == "out_of_scope"][-1]')"

# -- sessions: a run that lasts has one, a short one and a dead one have none
start_run --agent builder -- sh -c 'touch up; until [ -e stop ]; do sleep 0.02; done'
wait_for 30 test -e up
sessions() { [ "$(av agent show builder --json | "$AV_PYTHON" -c 'import json, sys; print(len(json.load(sys.stdin)["sessions"]))')" = "$1" ]; }
wait_for 30 sessions 1
assert_matches <(av agent list) '^builder .* active +1 '
touch stop
wait "$RUN_PID"
sessions 0 || fail "a session outlives its run"
rm -f up stop
start_run --agent builder -- sh -c 'touch up; sleep 60'
wait_for 30 test -e up
wait_for 30 sessions 1
kill -9 "$RUN_PID"
wait_for 30 sessions 0
wait "$RUN_PID" 2>/dev/null || true

# -- the end
expect_exit 2 av agent delete builder
av agent delete builder --yes 2>/dev/null
expect_exit 3 av agent show builder
assert_absent <(av agent list) builder
for event in create set revoke rotate delete; do
  [ "$(audited "sum(1 for x in r if x['event'] == 'agent.$event' and x['agent'])")" -gt 0 ] || fail "agent.$event is not on the log"
done
audited '[x for x in r if x["event"] == "agent.delete" and x["agent"] == "builder"][0]' >/dev/null
canary_check "$AGENT_VAULT_HOME" "$OUT/list" "$OUT/audit.jsonl"
