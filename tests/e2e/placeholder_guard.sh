#!/usr/bin/env bash
# A placeholder that turns up where it does not belong is refused before anything is sent, and is an
# alarm on the log: another credential's host, a host without a service, another place of the
# request, its body. The places where it belongs work.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test second.test a.echo.test
alpha=$(new_canary)
beta=$(new_canary)
set_credential ALPHA "$alpha"
set_credential BETA "$beta"
service_file <<'JSON'
{"services": [
  {"name": "alpha", "host": "echo.test", "auth": {"type": "bearer", "token": "ALPHA"},
   "env": {"ALPHA": "ALPHA"}, "placeholder": "sk-av-{40}"},
  {"name": "beta", "host": "second.test", "auth": {"type": "basic", "user": "x", "password": "BETA"},
   "env": {"BETA": "BETA"}, "allow_quoted_placeholders": true}
]}
JSON
agent_python <<'PY'
import base64, os
import proxy_client as p
alpha, beta = os.environ["ALPHA"], os.environ["BETA"]
assert alpha.startswith("sk-av-") and beta.startswith("av_ph_"), (alpha, beta)

def outcome(host, target="/echo", method="GET", headers=(), body=None):
    reply = p.request(f"https://{host}{target}", method, headers=list(headers), body=body)
    if reply.code:
        assert reply.get("x-should-retry") == "false", reply.head
        assert alpha not in reply.body.decode() and beta not in reply.body.decode(), reply.body
    return reply.code or reply.status

def bearer(text):
    return [("Authorization", "Bearer " + text)]
def basic(text):
    return [("Authorization", "Basic " + base64.b64encode(("x:" + text).encode()).decode())]

# Where they belong.
assert outcome("echo.test", headers=bearer(alpha)) == 200
assert outcome("second.test", headers=basic(beta)) == 200
# Laundering: every placeholder at every other host, in every place.
for host, foreign in (("echo.test", beta), ("second.test", alpha), ("a.echo.test", alpha), ("a.echo.test", beta)):
    for headers in (bearer(foreign), basic(foreign), [("X-Any", foreign)], [("Cookie", "a=" + foreign)]):
        assert outcome(host, headers=headers) == "placeholder_misuse", (host, headers)
    assert outcome(host, "/x/" + foreign) == "placeholder_misuse", host
    assert outcome(host, "/x?q=" + foreign) == "placeholder_misuse", host
# Placement: their own host, a place that nothing is put into.
assert outcome("echo.test", "/x?q=" + alpha) == "placeholder_misuse"
assert outcome("echo.test", headers=[("X-Debug", alpha)]) == "placeholder_misuse"
# Bodies, in one piece and cut anywhere by chunks.
for host in ("echo.test", "a.echo.test"):
    text = b'{"note": "my key is ' + alpha.encode() + b'"}'
    assert outcome(host, method="POST", body=text) == "placeholder_misuse", host
    for cut in (1, 25, 40, 60):
        chunked = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (text[:cut], text[cut:])) + b"0\r\n\r\n"
        assert outcome(host, method="POST", headers=[("Transfer-Encoding", "chunked")], body=chunked) \
            == "placeholder_misuse", (host, cut, outcome(host, method="POST", headers=[("Transfer-Encoding", "chunked")], body=chunked))
# A conversation may quote.
assert outcome("second.test", method="POST", body=b"the variable is " + alpha.encode()) == 200
# The connection survives a refusal.
sock = p.tls(p.connect("a.echo.test:443"), "a.echo.test")
sock.sendall(p.compose("GET", "/echo?" + alpha, "a.echo.test"))
assert p.read_reply(sock).code == "placeholder_misuse"
sock.sendall(p.compose("GET", "/echo", "a.echo.test"))
assert p.read_reply(sock).status == 200
open("placeholders", "w").write(alpha + "\n" + beta + "\n")
PY
# Whole, none of them went anywhere but where it is quoted.
while read -r placeholder; do
  assert_eq 0 "$(received "sum('$placeholder' in str(x) and x['host'] != 'second.test' for x in r)")" "placeholders sent"
done <"$AV_CASE/work/placeholders"
# The alarm names the credential and the place, never the text.
av log --json --limit 0 >log.json
assert_eq true "$(json log.json "any(x.get('error') == 'placeholder_misuse' and x['decision'] == 'deny' and x['detail'] == 'placeholder of ALPHA in the query' for x in d)")"
assert_eq true "$(json log.json "any(x.get('detail') == 'placeholder of BETA in the field Authorization' for x in d)")"
assert_eq true "$(json log.json "any(x.get('detail') == 'placeholder of ALPHA in the body' for x in d)")"
av log --alarms >alarms.txt
assert_contains alarms.txt 'ALARM'
assert_contains alarms.txt 'placeholder of ALPHA in the path'
assert_absent alarms.txt ' 200 '
canary_check "$OUT/agent.out" "$OUT/agent.err" log.json alarms.txt
while read -r placeholder; do
  case $placeholder in av_ph_*) assert_absent alarms.txt "detail=$placeholder" ;; esac
  assert_absent alarms.txt "of $placeholder"
done <"$AV_CASE/work/placeholders"
