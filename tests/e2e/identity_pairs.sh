#!/usr/bin/env bash
# One request has one host: every combination of two hosts in CONNECT, in the name of TLS, in Host or
# :authority and in the target itself, over HTTP/1.1 and HTTP/2. Only where all agree does a request go
# out, to that host and with that host's credential. (What happens to a proxy that believes only one of
# them is in attack_rows.sh.)
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test second.test
one=$(new_canary)
two=$(new_canary)
bearer_service echo.test ONE "$one"
bearer_service second.test TWO "$two"

agent_python <<'PY'
import itertools, json, ssl
import h2_client
import proxy_client as p

context = ssl._create_unverified_context()
h2_context = ssl._create_unverified_context()
h2_context.set_alpn_protocols(["h2"])
hosts = ("echo.test", "second.test")
good, wrong, count = [], [], 0

def h1(sock, target, host):
    with sock:
        sock.sendall(p.compose("GET", target, host))
        return p.read_reply(sock)

class Over(h2_client.H2):
    def __init__(self, sock):
        h2_client.dial = lambda host: sock
        super().__init__("unused")

def h2(sock, path, authority, host):
    c = Over(sock)
    try:
        fields = [(":method", "GET"), (":scheme", "https"), (":path", path)]
        fields += [(":authority", authority)] if authority else []
        c.headers(1, fields + ([("host", host)] if host else []))
        reply = c.response(1)
        return reply
    finally:
        c.close()

def judge(names, label, ask):
    global count
    count += 1
    try:
        reply = ask()
        status = reply.status
    except (h2_client.Gone, EOFError, OSError) as error:
        status = None
    agree = len(set(names)) == 1
    if agree and status != 200 or not agree and status not in (None, 400, 403, 421):
        wrong.append((names, label, status))
    if agree:
        good.append(names[0])

for connect, sni, host in itertools.product(hosts, (*hosts, None), hosts):
    names = [n for n in (connect, sni, host) if n]
    mark = f"{connect}-{sni}-{host}"
    def wrapped(with_context):
        return with_context.wrap_socket(p.connect(connect + ":443"), server_hostname=sni)
    judge(names, "h1", lambda: h1(wrapped(context), "/echo?" + mark, host))
    judge(names, "h1, a host with another spelling", lambda: h1(wrapped(context), "/echo?" + mark, host.upper() + ".:443"))
    judge(names + ["in a tunnel there is no absolute form"], "h1, absolute",
          lambda: h1(wrapped(context), f"https://{host}/echo?{mark}", host))
    judge(names, "h2, :authority", lambda: h2(wrapped(h2_context), "/echo?" + mark, host, None))
    judge(names, "h2, host", lambda: h2(wrapped(h2_context), "/echo?" + mark, None, host))
    for other in hosts:
        judge(names + [other], "h2, both", lambda: h2(wrapped(h2_context), "/echo?" + mark, host, other))
for target, host in itertools.product(hosts, hosts):
    for scheme in ("http", "https"):
        data = (f"GET {scheme}://{target}/echo?{target}-{host} HTTP/1.1\r\nHost: {host}\r\n"
                f"Proxy-Authorization: {p.own_auth()}\r\n\r\n").encode()
        judge([target, host], f"absolute {scheme}", lambda: p.raw(data))
for ports in ((":443", ":80"), (":443", ":444"), (":80", ":443")):
    connect, host = "echo.test" + ports[0], "echo.test" + ports[1]
    tls = ports[0] == ":443"
    def dialled():
        sock = p.connect(connect)
        return context.wrap_socket(sock, server_hostname="echo.test") if tls else sock
    judge([connect, host], "ports", lambda: h1(dialled(), "/echo?ports", host))
print(json.dumps({"count": count, "good": good, "wrong": [repr(w) for w in wrong]}))
PY
assert_eq '[]' "$(json "$OUT/agent.out" 'd["wrong"]')" "combinations that were judged otherwise"
[ "$(json "$OUT/agent.out" 'd["count"]')" -ge 90 ] || fail "too few combinations"
# The upstream saw as many as agreed, each with one name in every place and that host's credential.
assert_eq "$(json "$OUT/agent.out" 'len(d["good"])')" "$(received 'len(r)')" "requests upstream"
assert_eq true "$(received "all(x['sni'] in (x['host'], None) and x['tls'] == (x['sni'] is not None) for x in r)")"
assert_eq true "$(received "all(set(x['target'].split('?')[1].split('-')) <= {x['host'], 'None'} for x in r)")"
assert_eq true "$(received "all(('$two' in str(x)) <= (x['host'] == 'second.test') and ('$one' in str(x)) <= (x['host'] == 'echo.test') for x in r)")"
assert_eq true "$(received "any('$one' in str(x) for x in r) and any('$two' in str(x) for x in r)")"
canary_check "$OUT/agent.out" "$OUT/agent.err"
