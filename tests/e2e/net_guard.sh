#!/usr/bin/env bash
# The network guard: loopback, private, link-local and metadata addresses are refused, however they are
# spelt and whatever name leads to them; --allow-net opens exactly what it names.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream

export HTTP_PORT HTTPS_PORT
cat >"$OUT/guard.py" <<'PY'
import os, proxy_client as p
http, https = os.environ["HTTP_PORT"], os.environ["HTTPS_PORT"]
codes = set()
for host in ("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.1.1",
             "169.254.169.254", "100.100.100.200", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
             "[::1]", "[::]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00:ec2::254]", "[64:ff9b::7f00:1]",
             "localhost"):
    reply = p.request(f"http://{host}:{http}/echo")
    assert reply.status == 403 and reply.code, (host, reply.head, reply.body)
    codes.add(reply.code)
    tunnel = p.request(f"https://{host}:{https}/echo")
    assert tunnel.status == 403 and tunnel.code == reply.code, (host, tunnel.head)
print("codes", *sorted(codes))
# Spellings that only some resolvers understand are no hosts at all.
for host in ("0x7f.1", "2130706433", "017700000001", "127.1", "0177.0.0.1", "localhost%00.echo.test"):
    reply = p.raw(f"GET http://{host}:{http}/echo HTTP/1.1\r\nHost: {host}:{http}\r\n"
                  f"Proxy-Authorization: {p.own_auth()}\r\n\r\n".encode())
    assert reply is not None and reply.status in (400, 403), (host, reply and reply.head)
PY
agent_python <"$OUT/guard.py"
cat "$OUT/agent.out"
assert_eq 0 "$(received 'len(r)')" "requests that left"

cat >"$OUT/open.py" <<'PY'
import os, proxy_client as p
http = os.environ["HTTP_PORT"]
assert p.request(f"http://127.0.0.1:{http}/echo").status == 200
for host in ("10.0.0.1", "169.254.169.254"):
    assert p.request(f"http://{host}:{http}/echo").status == 403, host
PY
agent_python --allow-net 127.0.0.0/8 <"$OUT/open.py"
# The proxy's own port is refused all the same, in every spelling: no loop into ourselves.
cat >"$OUT/loop.py" <<'PY'
import os, proxy_client as p
port = p.proxy().port
# It is there, and answers whoever comes directly.
assert p.raw(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()).status == 200
for host in ("127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "localhost"):
    reply = p.request(f"http://{host}:{port}/health")
    assert (reply.status, reply.code) == (403, "address_not_allowed"), (host, reply.head, reply.body)
    assert "this proxy" in reply.json["message"], (host, reply.body)
PY
agent_python --allow-net 127.0.0.0/8 --allow-net 0.0.0.0 --allow-net ::/0 <"$OUT/loop.py"
# A range that happens to hold the metadata service does not open it.
cat >"$OUT/metadata.py" <<'PY'
import proxy_client as p
reply = p.request("http://169.254.169.254/latest/meta-data/")
assert reply.status == 403 and reply.code, (reply.head, reply.body)
PY
agent_python --allow-net 169.254.0.0/16 <"$OUT/metadata.py"
