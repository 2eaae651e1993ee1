#!/usr/bin/env bash
# Rules from the command line and from files: added, replaced, set, listed, read back, switched, removed; what is wrong
# with a file is said where it stands; `rule test` explains a request and checks expectations; a change
# reaches a run that is going on.
set -eu
. "$(dirname "$0")/common.inc"
rule() { av rule "$@"; }
names() { rule list --json >"$OUT/l.json"; json "$OUT/l.json" '" ".join(r["name"] for r in d["rules"])'; }

rule add block 'api.one.test/v1/*' --method delete --reason 'ask me first' >/dev/null 2>&1
rule add --name hourly --action rate_limit --host '**.one.test' --path '/x/*' --limit 100/hour --agent claude >/dev/null 2>&1
rule add rate-limit second.test --limit 5 --window minute >/dev/null 2>&1
rule add approve second.test/pay --timeout 60 --body-contains refund --body-equals /model=gpt-5 --body-equals '/n=5' >/dev/null 2>&1
rule add allow '*' --disabled >/dev/null 2>&1
assert_eq 'block-delete-api-one-test-v1 hourly limit-second-test approve-second-test-pay allow-all' "$(names)"
rule show hourly --json >"$OUT/r.json"
assert_eq '**.one.test/x/*' "$(json "$OUT/r.json" 'd["host"]')"
assert_eq hour "$(json "$OUT/r.json" 'd["window"]')"
rule show approve-second-test-pay --json >"$OUT/r.json"
assert_eq '[{"contains": "refund"}, {"pointer": "/model", "equals": "gpt-5"}, {"pointer": "/n", "equals": 5}]' \
  "$(json "$OUT/r.json" 'd["body"]')"
rule list >"$OUT/list"
assert_contains "$OUT/list" 100/hour
assert_contains "$OUT/list" disabled

# A name that is taken, and what is not a rule.
expect_exit 5 av rule add block second.test --name hourly
assert_error "'hourly' already"
expect_exit 0 av rule add block second.test --name hourly --replace
rule show hourly >"$OUT/show"
assert_contains "$OUT/show" 'action = "block"'
bad() { # EXIT TEXT ARGUMENT...
  local code=$1 text=$2
  shift 2
  expect_exit "$code" av rule add "$@"
  assert_error "$text"
}
bad 2 'which action?'
bad 2 'no action' blok a.test
bad 2 'twice' block a.test --host b.test
bad 2 'too many' block a.test b.test
bad 2 'belongs to the action approve' block a.test --timeout 5
bad 2 'lacks its window' rate_limit a.test --limit 5
bad 2 'twice' rate_limit a.test --limit 5/hour --window hour
bad 2 'no window' rate_limit a.test --limit 5/week
bad 2 'not JSON' block a.test --body-equals '/x={'
bad 2 '/POINTER=JSON' block a.test --body-equals 'x=1'
bad 2 '-f stands alone' -f /dev/null --method GET
bad 1 'between 1 and 1000000' rate_limit a.test --limit 0/hour
bad 1 'between 1 and 1000000' rate_limit a.test
bad 1 'scheme in front' block https://a.test
bad 1 'no method' block a.test --method 'A B'
bad 3 '' -f "$OUT/missing.toml"
assert_eq 'block-delete-api-one-test-v1 hourly limit-second-test approve-second-test-pay allow-all' "$(names)"

# What surprises is said, and is no error.
expect_exit 0 av rule add allow api.one.test/v1/x --method DELETE --name shadowed
assert_contains "$OUT/stderr" 'block-delete-api-one-test-v1 blocks all'
assert_contains "$OUT/stderr" 'unmatched deny'
expect_exit 0 av rule add block a.test --method DELTE
assert_contains "$OUT/stderr" 'is DELETE meant?'
rule remove shadowed block-delte-a-test >/dev/null 2>&1

# Switches and removal; names that are not there change nothing.
rule disable hourly >/dev/null 2>&1
rule show hourly --json >"$OUT/r.json"
assert_eq false "$(json "$OUT/r.json" 'd["enabled"]')"
rule enable hourly >/dev/null 2>&1
expect_exit 3 av rule enable hourli
assert_error
assert_contains "$OUT/stderr" "'hourly'"
expect_exit 3 av rule remove hourly nothing
assert_contains "$OUT/list" hourly

# What is listed can be set again, in both formats.
rule list --toml >"$OUT/all.toml"
rule list --json >"$OUT/first.json"
expect_exit 2 av rule set -f /dev/null --nope
printf 'rules = []\n' | expect_exit 0 av rule set -y -f -
assert_eq '' "$(names)"
expect_exit 0 av rule set -f "$OUT/all.toml"
rule list --json >"$OUT/second.json"
cmp "$OUT/first.json" "$OUT/second.json"
expect_exit 0 av rule set -f "$OUT/first.json"
assert_contains "$OUT/stderr" unchanged
# Without a terminal nothing is removed unasked.
printf 'rules = []\n' >"$OUT/none.toml"
expect_exit 2 av rule set -f "$OUT/none.toml"
expect_exit 1 av rule set -y -f /dev/null
rule list --json >"$OUT/second.json"
cmp "$OUT/first.json" "$OUT/second.json"

cat >"$OUT/typo.toml" <<'TOML'
[[rules]]
action = "block"
methdos = ["DELETE"]
TOML
expect_exit 1 av rule add -f "$OUT/typo.toml"
assert_error "typo.toml: line 3, column 1: unknown field \"methdos\""
assert_contains "$OUT/stderr" '  ^'
assert_contains "$OUT/stderr" 'did you mean "methods"?'

# Expectations: tested without being installed, and a file that fails its own is not taken.
set_credential TOKEN "$(new_canary)"
av vault service add --name two --host second.test --auth-type bearer --token-key TOKEN >/dev/null 2>&1
cat >"$OUT/tested.toml" <<'TOML'
[[rules]]
name = "no-deletes"
action = "block"
host = "second.test/repos/*"
methods = ["DELETE"]

[[rules]]
name = "few"
action = "rate_limit"
host = "second.test"
agents = ["claude"]
limit = 1
window = "day"

[[rules]]
name = "no-gpt"
action = "block"
host = "second.test"
body = [{ pointer = "/model", equals = "gpt-5" }]

[[expect]]
request = "DELETE https://second.test/Repos//a%2Fb;x"
decision = "block"
rule = "no-deletes"
service = "two"

[[expect]]
request = "https://second.test/repos/a"
agent = "claude"
decision = "rate_limit"
rule = "few"

[[expect]]
request = "https://second.test/repos/a"
agent = "claude"
decision = "rate_limit"

[[expect]]
request = "POST https://second.test/v1"
body = '{"mod\u0065l": "gpt-5"}'
decision = "block"
rule = "no-gpt"

[[expect]]
request = "https://second.test/"
decision = "allow"
rule = ""
service = "two"

[[expect]]
request = "https://second.test/x/%2e%2e%2f"
decision = "deny"
TOML
expect_exit 0 av rule test -f "$OUT/tested.toml"
assert_eq 6 "$(grep -c '^ok ' "$OUT/stdout")"
sed 's/^service = "two"/service = "other"/' "$OUT/tested.toml" >"$OUT/failing.toml"
expect_exit 1 av rule test -f "$OUT/failing.toml"
assert_contains "$OUT/stdout" 'FAIL  line 21: DELETE https://second.test/Repos//a%2Fb;x: expected block by no-deletes, service other, got block by no-deletes, service two (blocked_by_policy)'
expect_exit 1 av rule test -f "$OUT/failing.toml" --json
assert_eq 2 "$(json "$OUT/stdout" 'd["failed"]')"
for command in 'set -y' add; do
  # shellcheck disable=SC2086
  expect_exit 1 av rule $command -f "$OUT/failing.toml"
  assert_error 'expectations of the file would not be met'
  rule list --json >"$OUT/second.json"
  cmp "$OUT/first.json" "$OUT/second.json"
done
expect_exit 0 av rule set -y -f "$OUT/failing.toml" --force
assert_eq 'no-deletes few no-gpt' "$(names)"
expect_exit 1 av rule test -f "$OUT/none.toml"
assert_error 'expects nothing'

# One request, explained.
expect_exit 0 av rule test delete 'https://SECOND.test:443/Repos/a?q=1' -v
assert_contains "$OUT/stdout" 'DELETE https://second.test/Repos/a?q=1'
assert_contains "$OUT/stdout" '/repos/a'
assert_contains "$OUT/stdout" 'no-deletes (block) matches and decides'
assert_contains "$OUT/stdout" 'is for other agents'
assert_contains "$OUT/stdout" 'two: bearer, TOKEN (set)'
assert_contains "$OUT/stdout" '403 blocked_by_policy'
canary_check "$OUT/stdout"
expect_exit 0 av rule test POST https://second.test/v1 --json
assert_eq 'allow true true' "$(json "$OUT/stdout" 'f"""{d["decision"]} {str(d["passes"]).lower()} {str(d["looks_at_body"]).lower()}"""')"
expect_exit 0 av rule test POST https://second.test/v1 --body '@{"model": "gpt-5"}' --json
assert_eq 'no-gpt 403' "$(json "$OUT/stdout" 'f"""{d["rule"]} {d["answer"]["status"]}"""')"
head -c 2000000 /dev/zero | tr '\0' ' ' | expect_exit 0 av rule test POST https://second.test/v1 --body - --json
assert_eq no-gpt "$(json "$OUT/stdout" 'd["rule"]')"
expect_exit 0 av rule test https://b.echo.test/
assert_contains "$OUT/stdout" 'unmatched requests: passthrough'
av vault settings --unmatched deny >/dev/null 2>&1
expect_exit 0 av rule test https://b.echo.test/
assert_contains "$OUT/stdout" '403 forbidden'
rule add allow b.echo.test >/dev/null 2>&1
expect_exit 0 av rule test https://b.echo.test/ --json
assert_eq 'allow allow-b-echo-test' "$(json "$OUT/stdout" 'f"""{d["decision"]} {d["rule"]}"""')"
expect_exit 1 av rule test 'https://second.test/%2e%2e%2f'
assert_error '400 bad_request'
expect_exit 2 av rule test
expect_exit 3 av rule test https://second.test/ --agent nobody
assert_error "no agent named 'nobody'"

# Changes are on the log, and none is made from inside a run.
av log --json -n 0 >"$OUT/audit.jsonl"
for event in rule.add rule.set rule.remove rule.enable rule.disable; do
  assert_contains "$OUT/audit.jsonl" "\"event\":\"$event\""
done
for command in 'add block *' 'set -f /dev/null' 'remove few' 'disable few' 'enable few'; do
  # shellcheck disable=SC2086
  AGENT_VAULT_RUN=run expect_exit 4 av rule $command
done

# A running proxy: `block` and `allow` count from the next request on.
start_upstream
play second.test b.echo.test c.echo.test
cat >"$AV_CASE/work/agent.py" <<'PY'
import sys, time
import proxy_client as p
def ask(method, url):
    reply = p.request(url, method=method)
    return reply.code or "passed", reply
said, reply = ask("DELETE", "https://second.test/repos/a")
assert said == "blocked_by_policy", said
assert reply.json["rule"] == "no-deletes", reply.body
got = ask("GET", "https://second.test/repos/a")
assert got[0] == "passed", (got[0], got[1].body)
assert ask("GET", "https://b.echo.test/")[0] == "passed"
assert ask("GET", "https://c.echo.test/")[0] == "forbidden"
print("ready", flush=True)
deadline = time.time() + 20
while ask("GET", "https://c.echo.test/x")[0] != "blocked_by_policy":
    assert time.time() < deadline, "the new rule never came"
    time.sleep(0.05)
print("done", flush=True)
PY
PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 start_run -- "$AV_PYTHON" "$AV_CASE/work/agent.py"
wait_for 30 grep -q ready "$OUT/run.out"
rule add block c.echo.test --reason 'not today' >/dev/null 2>&1
wait "$RUN_PID" || { cat "$OUT/run.err"; fail "the agent's script failed"; }
assert_contains "$OUT/run.out" done
