#!/usr/bin/env bash
# A program inside `run` logs in by itself: a human is asked, the vault keeps the tokens, the program works with stand-ins, in
# this run and in later ones; what hides a login, or what a provider says besides, brings no token out either.
# timeout: 240
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
start_upstream
play echo.test
start_idp --client '{"client_id": "tool", "redirect_uris": ["http://127.0.0.1/callback"], "grants": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"], "device_interval": 1}'
idp_hosts github.com api.github.com oauth2.googleapis.com accounts.google.com
secret=$(idp_value /clients 'd["github"]["client_secret"]')

# login_code [CLIENT [SCOPE]]: what the browser of a human who logs in brings back, in CODE; VERIFIER belongs to it
login_code() {
  VERIFIER=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
  local challenge
  challenge=$(printf %s "$VERIFIER" | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d '=\n')
  browse --stop-at http://127.0.0.1/callback "https://github.com/login/oauth/authorize?response_type=code&client_id=${1:-github}&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcallback&scope=${2:-read}&state=s&code_challenge=$challenge&code_challenge_method=S256"
  CODE=$("$AV_PYTHON" -c 'import json, sys, urllib.parse as u; print(dict(u.parse_qsl(u.urlsplit(json.load(open(sys.argv[1]))["url"]).query))["code"])' "$OUT/browsed")
}
redeem() { # CLIENT...: the body of the request for a token
  if [ "$1" = github ]; then
    printf 'grant_type=authorization_code&code=%s&redirect_uri=http%%3A%%2F%%2F127.0.0.1%%2Fcallback&client_id=github&client_secret=%s&code_verifier=%s' "$CODE" "$secret" "$VERIFIER"
  else
    printf 'grant_type=authorization_code&code=%s&redirect_uri=http%%3A%%2F%%2F127.0.0.1%%2Fcallback&client_id=%s&code_verifier=%s' "$CODE" "$1" "$VERIFIER"
  fi
}
# What the provider has issued by now is not to be seen outside of the store.
no_tokens_in() {
  idp_value /tokens '"\n".join(x["value"] for x in (d if isinstance(d, list) else d["tokens"]))' >"$CANARIES"
  canary_check "$@"
}
token_requests() { idp_value '/requests?endpoint=token' 'len(d)'; }
waiting() { av approval list --json >"$OUT/list.json" && json "$OUT/list.json" 'len(d["approvals"])'; }
waiting_is() { [ "$(waiting)" = "$1" ]; }
first() { av approval list --json >"$OUT/list.json" && json "$OUT/list.json" "d['approvals'][0]['$1']"; }
key_is_there() { av vault credential list | grep -q "^$1 "; }

cat >work.py <<'PY'
import json, os, sys, time
import proxy_client as p
TOKEN = "https://github.com/login/oauth/access_token"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
JSON = ("Accept", "application/json")
def post(url, body, *fields):
    return p.request(url, "POST", [FORM, *fields], body.encode())
def show(name, reply):
    print(name, reply.status, reply.code or "-", flush=True)
def user(token):
    return p.request("https://api.github.com/user", "GET", [("Authorization", "Bearer " + token)])
def say(name, value):
    open(os.path.join(os.environ["CASE_OUT"], name), "w").write(value)
PY
# The agent's own Python; its output in $OUT/agent.out; with CASE_OUT it can hand things to the case.
program() { # OPTION... ; the Python on standard input
  { cat work.py; cat; } >program.py
  CASE_OUT=$OUT PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 "$AV_BINARY" run "${RUN_OPTIONS[@]}" "$@" -- "$AV_PYTHON" program.py >"$OUT/agent.out" 2>"$OUT/agent.err" &
  PROGRAM=$!
}
finish() { wait "$PROGRAM" || fail "the program failed: $(cat "$OUT/agent.out" "$OUT/agent.err")"; }

# The control: without the option the program gets the real token, and the human is told.
login_code
program <<PY
reply = post(TOKEN, "$(redeem github)", JSON)
say("control", reply.json["access_token"])
show("control", user(reply.json["access_token"]))
PY
finish
assert_eq true "$(idp_value /tokens "'$(cat "$OUT/control")' in [x['value'] for x in (d if isinstance(d, list) else d['tokens'])]")" "the control has a real token"
assert_contains "$OUT/agent.err" 'logged in at GitHub'
rm "$OUT/control"

# With it: nothing is redeemed before somebody has allowed it, and then the program has stand-ins that work.
login_code
before=$(token_requests)
program --capture-logins <<PY
reply = post(TOKEN, "$(redeem github)", JSON)
show("login", reply)
say("answer.json", reply.body.decode())
got = reply.json
show("user", user(got["access_token"]))
say("user.json", user(got["access_token"]).body.decode())
again = post(TOKEN, "grant_type=refresh_token&client_id=github&client_secret=$secret&refresh_token=" + got["refresh_token"], JSON)
show("refresh", again)
assert again.json["access_token"] == got["access_token"], again.json
show("replay", post(TOKEN, "$(redeem github)", JSON))
show("elsewhere", p.request("https://echo.test/echo", "GET", [("Authorization", "Bearer " + got["access_token"])]))
show("refresh-elsewhere", p.request("https://echo.test/echo", "POST", [FORM], ("t=" + got["refresh_token"]).encode()))
# What was given for one provider is nobody's at another.
show("other-provider", p.request("https://oauth2.googleapis.com/token", "POST", [FORM], ("grant_type=refresh_token&client_id=x&refresh_token=" + got["refresh_token"]).encode()))
PY
wait_for 30 waiting_is 1
assert_eq "$before" "$(token_requests)" "redeemed before it was allowed"
assert_eq 'login capture' "$(first rule)"
id=$(first id)
av approval show "$id" >"$OUT/show.txt"
assert_contains "$OUT/show.txt" 'logs in at GitHub'
assert_contains "$OUT/show.txt" 'GITHUB_OAUTH'
assert_contains "$OUT/show.txt" 'api.github.com (the new service github-login)'
assert_contains "$OUT/show.txt" 'Whose account it is'
assert_contains "$OUT/show.txt" '| client_id=github'
assert_absent "$OUT/show.txt" "$CODE"
assert_absent "$OUT/show.txt" "$secret"
assert_absent "$OUT/show.txt" REPLACES
wait_for 30 grep -q "approval show $id" "$OUT/agent.err"
if key_is_there GITHUB_OAUTH; then fail "kept before it was allowed"; fi
av approval allow "$id" 2>/dev/null
finish
assert_contains "$OUT/agent.out" 'login 200 -'
assert_contains "$OUT/agent.out" 'user 200 -'
assert_contains "$OUT/agent.out" 'refresh 200 -'
assert_contains "$OUT/agent.out" 'replay 200 -'
assert_contains "$OUT/agent.out" 'elsewhere 403 placeholder_misuse'
assert_contains "$OUT/agent.out" 'refresh-elsewhere 403 placeholder_misuse'
assert_contains "$OUT/agent.out" 'other-provider 400 -'
assert_eq $((before + 1)) "$(token_requests)" "one code, one request"
assert_eq 0 "$(idp_value /counters 'd["codes_reused"]')"
real=$(av vault credential get GITHUB_OAUTH)
assert_eq "$(printf %s "$real" | sha256sum | cut -d' ' -f1)" "$(json "$OUT/user.json" 'd["token_sha256"]')" "the token at the provider's API"
assert_eq bearer "$(json "$OUT/answer.json" 'd["token_type"].lower()')"
assert_eq read "$(json "$OUT/answer.json" 'd["scope"]')"
no_tokens_in "$HOME" "$AV_CASE/work" "$TMPDIR" "$AGENT_VAULT_HOME" "$OUT/agent.out" "$OUT/agent.err" "$OUT/answer.json" "$OUT/show.txt"
assert_eq 1 "$(audited "sum(x['event'] == 'oauth.capture' and x['credentials'] == ['GITHUB_OAUTH'] and '$id' in x.get('detail', '') for x in r)")" "records of what was kept"
av oauth status GITHUB_OAUTH --json >"$OUT/status.json"
assert_eq github "$(json "$OUT/status.json" 'd.get("provider")')"

# It refreshes like any other, with what the program had shown.
av oauth refresh GITHUB_OAUTH "${RUN_OPTIONS[@]}" >"$OUT/refresh" 2>&1 || fail "refresh: $(cat "$OUT/refresh")"
[ "$(av vault credential get GITHUB_OAUTH)" != "$real" ] || fail "not refreshed"

# A later run, which captures nothing: what the program has in its files still works and never reaches the provider.
before=$(token_requests)
stand_in=$(json "$OUT/answer.json" 'd["access_token"]')
refresh=$(json "$OUT/answer.json" 'd["refresh_token"]')
program <<PY
show("user", user("$stand_in"))
reply = post(TOKEN, "grant_type=refresh_token&client_id=github&refresh_token=$refresh", JSON)
show("refresh", reply)
show("again", user(reply.json["access_token"]))
PY
finish
for line in 'user 200 -' 'refresh 200 -' 'again 200 -'; do assert_contains "$OUT/agent.out" "$line"; done
assert_eq "$before" "$(token_requests)" "a stand-in at the provider"

# Denied: nothing was redeemed, nothing is kept, the code is still good for nobody else.
login_code
before=$(token_requests)
program --capture-logins <<PY
show("login", post(TOKEN, "$(redeem github)", JSON))
show("again", post(TOKEN, "$(redeem github)", JSON))
PY
wait_for 30 waiting_is 1
assert_contains <(av approval show "$(first id)") 'REPLACES GITHUB_OAUTH'
real=$(av vault credential get GITHUB_OAUTH)
av approval deny "$(first id)" 2>/dev/null
finish
assert_contains "$OUT/agent.out" 'login 403 login_not_captured'
assert_contains "$OUT/agent.out" 'again 403 login_not_captured'
assert_eq "$before" "$(token_requests)" "a denied login was redeemed"
assert_eq "$real" "$(av vault credential get GITHUB_OAUTH)"
assert_eq 2 "$(audited "sum(x.get('error') == 'login_not_captured' and x['decision'] == 'deny' for x in r)")"

# With a code on another device: the program polls on while the human decides, and is asked about once. As a form.
before=$(token_requests)
program --capture-logins <<PY
code = post("https://github.com/login/device/code", "client_id=github&client_secret=$secret&scope=write", JSON).json
poll = "client_id=github&client_secret=$secret&grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=" + code["device_code"]
show("poll", post(TOKEN, poll))
show("poll", post(TOKEN, poll))
while True:
    reply = post(TOKEN, poll)
    if reply.status == 200 and b"error=" not in reply.body:
        break
    assert b"authorization_pending" in reply.body or b"slow_down" in reply.body, (reply.status, reply.body)
    time.sleep(1.2)
say("device", reply.get("Content-Type") + " " + reply.body.decode())
import urllib.parse
show("user", user(dict(urllib.parse.parse_qsl(reply.body.decode()))["access_token"]))
PY
wait_for 30 waiting_is 1
assert_contains <(av approval show "$(first id)") 'REPLACES GITHUB_OAUTH'
wait_for 30 grep -q 'poll 400 -' "$OUT/agent.out"
assert_eq "$before" "$(token_requests)" "polled before it was allowed"
av approval allow "$(first id)" 2>/dev/null
more_than_before() { [ "$(token_requests)" -gt "$before" ]; }
wait_for 30 more_than_before
idp POST /device '{"decision": "approve"}' >/dev/null
finish
assert_contains "$OUT/device" 'application/x-www-form-urlencoded'
assert_contains "$OUT/device" 'av_ph_'
assert_contains "$OUT/agent.out" 'user 200 -'
assert_eq 1 "$(av approval list --all --json >"$OUT/list.json" && json "$OUT/list.json" "len([a for a in d['approvals'] if a['run'] == d['approvals'][-1]['run']])")" "questions about one device"
no_tokens_in "$OUT/agent.out" "$OUT/agent.err" "$OUT/device" "$AV_CASE/work" "$AGENT_VAULT_HOME"

# What hides a login, or is none that can be kept, brings no token: everything is denied, or refused before anybody is asked.
(while :; do
  av approval list --json >"$OUT/deny.json" 2>/dev/null && for id in $(json "$OUT/deny.json" '" ".join(a["id"] for a in d["approvals"])'); do av approval deny "$id" 2>/dev/null; done
  sleep 0.2
done) &
denier=$!
: >hidden.txt
for _ in 1 2 3 4 5 6 7 8; do
  login_code tool
  redeem tool >>hidden.txt
  echo >>hidden.txt
done
before=$(token_requests)
program --capture-logins <<'PY'
import gzip
bodies = open("hidden.txt").read().split()
for at, path in enumerate(["/login/oauth/./access_token", "/login//oauth/access_token", "/Login/OAuth/Access_Token", "/login/oauth/access_token/",
                           "/login/oauth/access%5ftoken", "/login/oauth/access_token?x=1", "/login;a=b/oauth/access_token"]):
    show(path, post("https://github.com" + path, bodies[at]))
body = bodies[7]
show("port", post("https://github.com:443/login/oauth/access_token", body))
show("gzip", p.request(TOKEN, "POST", [FORM, ("Content-Encoding", "gzip")], gzip.compress(body.encode())))
show("twice", post(TOKEN, body + "&grant_type=client_credentials"))
show("parts", p.request(TOKEN, "POST", [("Content-Type", "multipart/form-data; boundary=x")], b"--x\r\nContent-Disposition: form-data; name=\"code\"\r\n\r\nc\r\n--x--\r\n"))
show("get", p.request(TOKEN + "?" + body, "GET"))
show("put", p.request(TOKEN, "PUT", [FORM], body.encode()))
show("json", p.request(TOKEN, "POST", [("Content-Type", "application/json")], json.dumps(dict(x.split("=") for x in body.split("&"))).encode()))
show("mint", post(TOKEN, "grant_type=client_credentials&client_id=service&client_secret=x"))
show("large", post(TOKEN, body + "&x=" + "x" * 70000))
show("chunked", p.request(TOKEN, "POST", [FORM, ("Transfer-Encoding", "chunked")], b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body.encode())))
PY
finish
kill "$denier"
assert_eq 17 "$(grep -c ' 403 login_not_captured' "$OUT/agent.out")" "refused: $(cat "$OUT/agent.out")"
assert_eq "$before" "$(token_requests)" "hidden logins that reached the provider"

# What a provider says besides, or in place of tokens.
(while :; do
  av approval list --json >"$OUT/allow.json" 2>/dev/null && for id in $(json "$OUT/allow.json" '" ".join(a["id"] for a in d["approvals"])'); do av approval allow "$id" 2>/dev/null; done
  sleep 0.2
done) &
allower=$!
hostile() { # NAME FAULT: one login, answered so
  login_code tool
  idp POST /next "$2" >/dev/null
  program --capture-logins <<PY
reply = post(TOKEN, "$(redeem tool)", JSON)
show("$1", reply)
say("said", reply.head + "\n" + reply.body.decode("latin-1"))
PY
  finish
}
hostile merge '{"kind": "merge", "members": {"note": "zzz-note", "team": {"id": "T1", "webhook": "zzz-hook"}, "otp": 991199, "token_type": "bearer"}}'
assert_contains "$OUT/agent.out" 'merge 200 -'
assert_contains "$OUT/said" '"team":{"id":"T1"}'
for gone in zzz 991199; do assert_absent "$OUT/said" $gone; done
for bad in huge html garbage truncated twins '"redirect", "to": "https://echo.test/?token=zzz'; do
  hostile bad "{\"kind\": \"${bad#\"}\"}"
  assert_matches "$OUT/agent.out" 'bad 50[0-9] '
  assert_absent "$OUT/said" Location
  no_tokens_in "$OUT/said" "$OUT/agent.out" "$OUT/agent.err"
done
hostile refused '{"kind": "error", "error": "invalid_grant", "status": 400}'
assert_contains "$OUT/agent.out" 'refused 400 -'
assert_contains "$OUT/said" invalid_grant
hostile mac '{"kind": "token_type"}'
assert_contains "$OUT/agent.out" 'mac 502 -'
no_tokens_in "$OUT/said"

# A name that is taken by something else is left alone; what has a service keeps it. A service of the provider's own host
# puts nothing into a login (this provider would refuse it).
bearer_service github.com OWN own-value
before=$(av vault credential list | grep -c GITHUB_OAUTH)
av oauth disconnect GITHUB_OAUTH --no-revoke >/dev/null 2>&1
set_credential GITHUB_OAUTH ghp_own
hostile second '{"kind": "slow", "seconds": 0.1}'
kill "$allower"
assert_eq ghp_own "$(av vault credential get GITHUB_OAUTH)"
key_is_there GITHUB_OAUTH_2 || fail "no second name: $(av vault credential list)"
no_tokens_in "$HOME" "$AV_CASE/work" "$TMPDIR" "$AGENT_VAULT_HOME" "$OUT/said" "$OUT/agent.err"

# Never by a file of the project; by the user's own it is.
printf 'vault = "default"\n[run]\ncapture_logins = true\n' >agent-vault.toml
before=$(token_requests)
login_code tool
program <<PY
say("said", post(TOKEN, "$(redeem tool)", JSON).body.decode())
PY
finish
assert_eq $((before + 1)) "$(token_requests)"
assert_absent "$OUT/said" av_ph_
rm agent-vault.toml "$OUT/said"
rm -f work.py program.py hidden.txt
