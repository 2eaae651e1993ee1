#!/usr/bin/env bash
# What container-env writes is all that a container needs: a program that starts with that environment and
# nothing else reaches the upstream with the credential. No token is in an argument. The recipes are read as
# far as that goes without docker: instructions, users, packages, the command that tells whether it lives.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
need curl
start_upstream
play echo.test
value=$(new_canary)
set_credential API_KEY "$value"
cat >"$OUT/service.json" <<'JSON'
{"services":[{"name":"echo-test","host":"echo.test","auth":{"type":"bearer","token":"API_KEY"},"env":{"ECHO_API_KEY":"API_KEY"}}]}
JSON
av vault service add -f "$OUT/service.json" >/dev/null 2>&1
agent=$(av agent create builder --vault default 2>/dev/null)
av agent create other --vault default >/dev/null 2>&1
printf '%s\n' "$agent" >>"$CANARIES"
"$AV_BINARY" serve --json --any-port "${RUN_OPTIONS[@]}" >"$OUT/serve.out" 2>"$OUT/serve.err" &
SERVE=$!
wait_for 30 test -s "$OUT/serve.out"
API=$(json "$OUT/serve.out" 'd["api"]')
PROXY=$(json "$OUT/serve.out" 'd["proxy"]')
HOST=$AV_CASE/host
far() { env AGENT_VAULT_HOME="$HOST" AGENT_VAULT_ADDR="$API" AGENT_VAULT_TOKEN="${TOKEN-$agent}" "$AV_BINARY" "$@"; }

far container-env "$AV_CASE/files" >"$OUT/args" 2>"$OUT/err"
assert_eq "--env-file $AV_CASE/files/env --volume $AV_CASE/files/ca.pem:/etc/agent-vault/ca.pem:ro" "$(tr '\n' ' ' <"$OUT/args" | sed 's/ $//')" "the arguments"
assert_eq 600 "$(stat -c %a "$AV_CASE/files/env")" "the mode of the environment"
assert_eq 700 "$(stat -c %a "$AV_CASE/files")" "the mode of the directory"
session=$(sed -n 's/^AGENT_VAULT_TOKEN=//p' "$AV_CASE/files/env")
case $session in av_sess_*) ;; *) fail "no session: $session" ;; esac
assert_absent "$OUT/args" av_
assert_absent "$OUT/err" av_sess_
assert_contains "$OUT/err" 'first use of'
canary_check "$AV_CASE/files" "$OUT/args" "$OUT/err"
for name in HTTPS_PROXY https_proxy NO_PROXY AGENT_VAULT_ADDR SSL_CERT_FILE NODE_EXTRA_CA_CERTS REQUESTS_CA_BUNDLE GIT_SSL_CAINFO; do
  assert_matches "$AV_CASE/files/env" "^$name="
done
assert_matches "$AV_CASE/files/env" '^ECHO_API_KEY=av_ph_'
assert_eq '' "$(grep -v '^[A-Za-z_][A-Za-z0-9_]*=' "$AV_CASE/files/env" || true)" "lines that are no variables"
[ "$(grep -c BEGIN "$AV_CASE/files/ca.pem")" -ge 1 ] || fail "no certificates"

# A start without anything else. Inside, ca.pem lies elsewhere.
contained() { # COMMAND...
  local environment=() line
  while IFS= read -r line; do environment+=("${line//\/etc\/agent-vault\/ca.pem/$AV_CASE/files/ca.pem}"); done <"$AV_CASE/files/env"
  env -i PATH=/usr/bin:/bin HOME="$AV_CASE/inside" "${environment[@]}" "$@"
}
# shellcheck disable=SC2016
contained sh -c 'curl -sS -m 20 https://echo.test/contained -H "Authorization: Bearer $ECHO_API_KEY"; curl -sS -m 20 "$AGENT_VAULT_ADDR/discover" -H "Authorization: Bearer $AGENT_VAULT_TOKEN"' >"$OUT/inside" 2>&1 ||
  { cat "$OUT/inside"; fail "the contained program"; }
assert_eq "Bearer $value" "$(received_header authorization)" "what the upstream saw"
canary_check "$OUT/inside"
assert_contains "$OUT/inside" '"vault":"default"'
# The command line inside is an agent's.
contained "$AV_BINARY" vault service list >"$OUT/inside" 2>&1
assert_contains "$OUT/inside" echo.test
expect_exit 4 contained "$AV_BINARY" vault credential get API_KEY
# A run inside uses the session that there is: it makes no others, and does not end it.
contained "$AV_BINARY" run -- curl -sS -m 20 https://echo.test/nested -o /dev/null 2>"$OUT/err" || { cat "$OUT/err"; fail "a run in the container"; }
assert_eq "Bearer $value" "$(received_header authorization)" "what the upstream saw of the run"
contained curl -sS -m 20 https://echo.test/after -o /dev/null

# By another name of the proxy, as on a network of containers: nothing leads anywhere else.
far container-env --proxy "localhost:${PROXY##*:}" --json "$AV_CASE/files" >"$OUT/args.json" 2>/dev/null
assert_eq builder "$(json "$OUT/args.json" 'd["agent"]')"
assert_matches "$AV_CASE/files/env" "^HTTPS_PROXY=http://av_sess_[^@]*:default@localhost:${PROXY##*:}\$"
assert_matches "$AV_CASE/files/env" "^AGENT_VAULT_ADDR=http://localhost:${PROXY##*:}\$"
assert_matches "$AV_CASE/files/env" '^NO_PROXY=.*,localhost$'
contained curl -sS -m 20 https://echo.test/renamed -o /dev/null
assert_eq "Bearer $value" "$(received_header authorization)" "what the upstream saw by another name"

# Attacks and mistakes.
TOKEN=av_agt_wrong expect_exit 4 far container-env "$AV_CASE/files2"
[ ! -e "$AV_CASE/files2/env" ] || fail "files without a session"
expect_exit 1 far container-env --ca-fingerprint "$(printf 'ab%.0s' {1..32})" "$AV_CASE/files2"
assert_error 'another one than expected'
expect_exit 4 far container-env --agent other "$AV_CASE/files2"
expect_exit 2 far container-env --proxy nonsense/ "$AV_CASE/files2"
expect_exit 2 av container-env "$AV_CASE/files2"
assert_error 'which server'
expect_exit 4 far run -- "$AV_BINARY" container-env "$AV_CASE/files2"
password="correct horse $(random_value)"
printf '%s' "$password" | av user add ann@example.com --owner --password-stdin >/dev/null 2>&1
printf '%s' "$password" | TOKEN='' far login --email ann@example.com --password-stdin >/dev/null 2>&1
TOKEN='' expect_exit 3 far container-env "$AV_CASE/files2"
assert_error 'several agents'
TOKEN='' expect_exit 0 far container-env --agent other "$AV_CASE/files2"
assert_contains "$OUT/stderr" "agent 'other'"
av agent revoke builder >/dev/null 2>&1
refused() { [ "$(contained curl -s -m 20 -o /dev/null -w '%{http_connect}' https://echo.test/revoked)" = 407 ]; }
wait_for 30 refused

# The recipes.
export PROXY
"$AV_PYTHON" - "$AV_ROOT" <<'PY' || fail "scripts/container"
import json, os, re, subprocess, sys
root = sys.argv[1]
here = os.path.join(root, "scripts/container")
known = {"FROM", "RUN", "COPY", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD", "ARG"}
text = open(os.path.join(here, "Dockerfile")).read()
lines = [l for l in re.sub(r"\\\n", " ", text).splitlines() if l.strip() and not l.startswith("#")]
stages, problems = [], []
for line in lines:
    word, _, rest = line.partition(" ")
    if word not in known:
        problems.append(f"unknown instruction {word}")
    if word == "FROM":
        stages.append([])
        if not re.fullmatch(r"debian:12-slim( AS \w+)?", rest.strip()):
            problems.append(f"another base: {rest}")
    stages[-1].append((word, rest.strip()))
last = dict(stages[-1])
if len(stages) != 2:
    problems.append("not two stages")
if last.get("USER") in (None, "root", "0"):
    problems.append("the image runs as root")
if (json.loads(last["ENTRYPOINT"]) + json.loads(last["CMD"]))[:2] != ["agent-vault", "serve"] or json.loads(last["VOLUME"] if last["VOLUME"].startswith("[") else json.dumps([last["VOLUME"]])) != ["/data"]:
    problems.append("entry point or volume")
# What building needs is what install-deps says, but for tools of developers.
wanted = set(re.search(r'wanted="(g\+\+[^"]*)"', open(os.path.join(root, "scripts/install-deps")).read()).group(1).split())
given = set(re.findall(r"[a-z0-9][a-z0-9.+-]+", stages[0][1][1]))
missing = wanted - given - {"ccache", "catch2", "openssl", "curl", "git"}
if missing:
    problems.append(f"the build lacks {sorted(missing)}")
for copied in re.findall(r"--from=(\w+)", text):
    if copied != "build":
        problems.append(f"copies from {copied}")
# The command that tells whether it lives: at a server that lives, and at a port where nobody is.
health = json.loads(last["HEALTHCHECK"].partition("CMD ")[2])
port = os.environ["PROXY"].rpartition(":")[2]
for number, want in ((port, 0), ("1", 1)):
    command = [word.replace("14322", number) for word in health]
    got = subprocess.run(command, stderr=subprocess.DEVNULL, timeout=20).returncode
    if (got == 0) != (want == 0):
        problems.append(f"the health check returned {got} at port {number}")
try:
    import yaml
    compose = yaml.safe_load(open(os.path.join(here, "compose.yaml")))
    if not compose["networks"]["inside"]["internal"] or compose["services"]["agent"]["networks"] != ["inside"]:
        problems.append("the agent's network has a way out")
    for name, service in compose["services"].items():
        if service["cap_drop"] != ["ALL"] or "no-new-privileges:true" not in service["security_opt"]:
            problems.append(f"{name} keeps privileges")
    if any(not p.startswith("127.0.0.1:") for p in compose["services"]["broker"]["ports"]):
        problems.append("a port for everybody")
except ImportError:
    print("note: no PyYAML, compose.yaml was not read")
lines = open(os.path.join(here, "devcontainer/devcontainer.json")).read().splitlines()
json.loads("\n".join(l for l in lines if not l.lstrip().startswith("//")))
print("\n".join(problems))
sys.exit(1 if problems else 0)
PY
kill -TERM "$SERVE"
wait "$SERVE" || true
canary_check "$OUT/serve.err"
