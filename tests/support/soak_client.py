#!/usr/bin/env python3
"""The agent's side of the soak test: threads that use the proxy well, badly and not to the end, against
chaos_upstream.py. Each request has a mark; an answer must be that mark's or look broken.

    soak_client.py --seconds S [--threads N] [--seed N] [--max N] DIRECTORY

Warms the proxy up, writes its port to DIRECTORY/warm and waits for DIRECTORY/go; works; writes what
it did to DIRECTORY/done and waits for DIRECTORY/end. Exit 1, and lines beginning with PROBLEM.
"""

import argparse
import collections
import json
import os
import random
import socket
import ssl
import struct
import sys
import threading
import time

import h2_client
import proxy_client
import ws_client

GOOD = ("ok", "close", "chunked", "sse", "slow", "hints", "half", "large")
BAD = ("reset", "eof", "stall", "stallbody", "cuthead", "resethead", "cutbody", "resetbody", "cutchunk",
       "badchunk", "garbage", "hugehead", "flood", "record", "recordbody")
TLS_ONLY = ("record", "recordbody")
BAD_HOSTS = ("tlsreset", "tlsgarbage", "tlsstall", "expired", "untrusted", "wronghost", "refused")
SERVICE = "chaos.echo.test"
PATIENCE = 25


class Problem(Exception):
    pass


class Left(Exception):
    """The client has gone away on purpose."""


class Guarded:
    """A socket that looks at what it receives: the credential is in every answer of the upstream's."""

    def __init__(self, sock):
        self.sock, self.tail = sock, b""

    def recv(self, size):
        data = self.sock.recv(size)
        if b"canary-" in self.tail + data:
            raise Problem("a credential came back")
        self.tail = (self.tail + data)[-32:]
        return data

    def sendall(self, data):
        self.sock.sendall(data)

    def close(self, how):
        if how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how == "tcp" and isinstance(self.sock, ssl.SSLSocket):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Agent:
    def __init__(self, number, options, stop):
        self.random = random.Random(options.seed * 1000 + number)
        self.number, self.stop, self.count = number, stop, 0
        self.stats, self.problems = collections.Counter(), []
        self.sock, self.form = None, None
        self.context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])

    # -- connections
    def hang_up(self, how=None):
        if self.sock is not None:
            try:
                self.sock.close(how or self.random.choice(("fin", "tcp", "reset")))
            except OSError:
                pass
            self.sock = None

    def leave(self, stage):
        self.stats["left " + stage] += 1
        self.hang_up()
        raise Left

    def dial(self, host, form, stage):
        """Up to `stage` at most."""
        plain = proxy_client.dial()
        plain.settimeout(PATIENCE)
        self.sock = Guarded(plain)
        self.form = (host, form)
        if stage == "connected":
            self.leave(stage)
        if form == "absolute":
            return
        head = (f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n"
                f"Proxy-Authorization: {proxy_client.own_auth()}\r\n\r\n").encode()
        if stage == "half a CONNECT":
            plain.sendall(head[:self.random.randrange(len(head))])
            self.leave(stage)
        plain.sendall(head)
        if stage == "CONNECT sent":
            self.leave(stage)
        reply = proxy_client.read_reply(plain, "CONNECT")
        if reply.status != 200:
            raise Problem(f"CONNECT: {reply.status}")
        if stage == "tunnel":
            self.leave(stage)
        if stage == "half a handshake":
            plain.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + self.random.randbytes(40))
            self.leave(stage)
        self.sock = Guarded(self.context.wrap_socket(plain, server_hostname=host))
        if stage == "TLS":
            self.leave(stage)

    # -- requests
    def mark(self):
        self.count += 1
        return f"m{self.number}x{self.count}"

    def head(self, method, host, form, path, extra=""):
        target = path if form == "tunnel" else f"http://{host}{path}"
        auth = f"Proxy-Authorization: {proxy_client.own_auth()}\r\n" if form == "absolute" else ""
        return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{auth}{extra}\r\n".encode()

    def ready(self, host, form, stage=None):
        if self.sock is not None and self.form == (host, form) and stage is None:
            self.stats["reused"] += 1
            return
        self.hang_up("fin")
        self.dial(host, form, stage)

    def check(self, kind, mark, reply):
        good = kind in GOOD or kind == "upload"
        if reply is None:
            if good:
                raise Problem(f"{kind}: closed without an answer")
        elif kind == "upload" and reply.status == 502 and reply.code == "upstream_closed":
            # The server ended an idle connection ("half") in the moment in which this went out on it;
            # a POST must not be sent twice (RFC 9110 section 9.2.2). Rare, see main().
            self.stats["upload raced"] += 1
            self.hang_up()
            return
        elif good:
            if reply.status != 200 or not reply.complete or mark.encode() + b" " not in reply.body:
                raise Problem(f"{kind} {mark}: {reply.head!r} {reply.complete} {reply.body[-200:]!r}")
        elif kind in ("early", "stop") and reply.status in (413, 502):
            pass
        elif reply.complete and not (reply.status in (502, 504) and reply.code):
            raise Problem(f"{kind} {mark}: looks well: {reply.head!r} {reply.body[:200]!r}")
        self.stats[f"{kind} {reply.status if reply else 'closed'}"] += 1
        keep = reply is not None and reply.complete and good and \
            (reply.get("Connection") or "").lower() != "close"
        if not keep or self.random.random() < 0.1:
            self.hang_up()

    def reply(self, kind):
        try:
            return proxy_client.read_reply(self.sock)
        except TimeoutError:
            raise Problem(f"{kind}: neither an answer nor an end") from None
        except (EOFError, OSError):
            return None

    def get(self, kind):
        form = "tunnel" if kind in TLS_ONLY or self.random.random() < 0.8 else "absolute"
        mark = self.mark()
        self.ready(SERVICE, form)
        try:
            self.sock.sendall(self.head("GET", SERVICE, form, f"/{kind}/{mark}"))
        except OSError:
            # An idle connection that ended as it was used (RFC 9112 section 9.3.1).
            self.hang_up()
            return
        self.check(kind, mark, self.reply(kind))

    def post(self, kind):
        form = self.random.choice(("tunnel", "absolute"))
        mark, size = self.mark(), self.random.choice((0, 1, 1000, 70000, 600000))
        chunked = self.random.random() < 0.5
        self.ready(SERVICE, form)
        extra = "Transfer-Encoding: chunked\r\n" if chunked else f"Content-Length: {size}\r\n"
        try:
            self.sock.sendall(self.head("POST", SERVICE, form, f"/{kind}/{mark}", extra))
            left = size
            while left > 0:
                part = b"u" * min(left, self.random.choice((1, 100, 16384, 60000)) if left < 70000 else 60000)
                left -= len(part)
                self.sock.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            if chunked:
                self.sock.sendall(b"0\r\n\r\n")
        except OSError:
            if kind == "upload":
                raise Problem(f"upload {mark}: broken while it was sent") from None
        self.check(kind, mark, self.reply(kind))

    def bad_host(self):
        host = self.random.choice(BAD_HOSTS)
        host += ".test" if host in ("expired", "untrusted", "wronghost") else ".echo.test"
        self.hang_up("fin")
        self.dial(host, "tunnel", None)
        self.sock.sendall(self.head("GET", host, "tunnel", f"/ok/{self.mark()}"))
        reply = self.reply(host)
        if reply is None or reply.status not in (502, 504) or not reply.code:
            raise Problem(f"{host}: {reply and reply.head!r}")
        self.stats["host " + host.split(".")[0]] += 1
        self.hang_up()

    def websocket(self):
        self.hang_up("fin")
        self.dial(SERVICE, "tunnel", None)
        self.sock.sendall(self.head("GET", SERVICE, "tunnel", f"/ws/{self.mark()}", (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")))
        reply = self.reply("ws")
        if reply is None or reply.status != 101:
            raise Problem(f"ws: {reply and reply.head!r}")
        echoed = 0
        try:
            for i in range(self.random.randrange(8)):
                text = b"%s %d" % (b"w" * self.random.randrange(90), i)
                self.sock.sendall(ws_client.frame(1, text))
                opcode, data = ws_client.read_frame(self.sock)
                if (opcode, data) != (1, text):
                    raise Problem(f"ws: {opcode} {data!r}")
                echoed += 1
        except TimeoutError:
            raise Problem("ws: stuck") from None
        except (OSError, SystemExit):
            pass  # the upstream has had enough
        self.stats["ws ended" if echoed else "ws cut"] += 1
        self.hang_up()

    def http2(self):
        """Streams side by side, good and bad ones; each answer is its own stream's or looks broken."""
        self.hang_up("fin")
        c = h2_client.H2(SERVICE)
        c.patience = PATIENCE
        if self.random.random() < 0.1:
            c.close()
            self.stats["left h2 preface"] += 1
            return
        try:
            streams = {}
            for i in range(self.random.randrange(1, 9)):
                kind = self.random.choice(GOOD + ("upload",) if self.random.random() < 0.7 else BAD)
                kind = "cutbody" if kind in ("stall", "stallbody") else kind
                mark, stream = self.mark(), 2 * i + 1
                streams[stream] = (kind, mark)
                if kind == "upload":
                    c.request(stream, f"/{kind}/{mark}", "POST", body=b"u" * self.random.choice((0, 9, 9000)))
                else:
                    c.request(stream, f"/{kind}/{mark}")
                if self.random.random() < 0.1:
                    c.frame(h2_client.RST_STREAM, 0, stream, b"\0\0\0\x08")
                    self.stats["left h2 stream"] += 1
                    del streams[stream]
            if self.random.random() < 0.15:
                self.stats["left h2 streams"] += 1
                return
            for stream, (kind, mark) in streams.items():
                self.check_stream(kind, mark, c.response(stream))
        except h2_client.Gone as gone:
            raise Problem(f"h2: {gone}") from None
        finally:
            c.close()

    def check_stream(self, kind, mark, reply):
        if b"canary-" in reply.body:
            raise Problem("a credential came back")
        if not reply.ended and reply.reset is None:
            raise Problem(f"h2 {kind} {mark}: neither an answer nor an end")
        whole = reply.ended and reply.reset is None
        if kind in GOOD or kind == "upload":
            if reply.status != 200 or not whole or mark.encode() + b" " not in reply.body:
                raise Problem(f"h2 {kind} {mark}: {reply.status} {reply.reset} {reply.body[-200:]!r}")
        elif whole and not (reply.status in (502, 504) and reply.get("x-agent-vault-proxy-error")):
            raise Problem(f"h2 {kind} {mark}: looks well: {reply.status} {reply.fields}")
        self.stats[f"h2 {kind} {reply.status if whole else 'reset'}"] += 1

    def leave_somewhere(self):
        stage = self.random.choice(("connected", "half a CONNECT", "CONNECT sent", "tunnel",
                                    "half a handshake", "TLS", "half a head", "head sent",
                                    "half a body", "body sent", "answer begun", "in events", "stalled"))
        form = "tunnel" if stage in ("half a CONNECT", "CONNECT sent", "tunnel", "half a handshake",
                                     "TLS") else self.random.choice(("tunnel", "absolute"))
        self.hang_up("fin")
        self.dial(SERVICE, form, stage)
        mark = self.mark()
        if stage in ("half a body", "body sent"):
            head = self.head("POST", SERVICE, form, f"/upload/{mark}", "Content-Length: 200000\r\n")
            self.sock.sendall(head + b"u" * (200000 if stage == "body sent" else 90000))
            self.leave(stage)
        kind = {"in events": "sse", "stalled": "stall", "answer begun": "large"}.get(stage, "ok")
        head = self.head("GET", SERVICE, form, f"/{kind}/{mark}")
        if stage == "half a head":
            self.sock.sendall(head[:self.random.randrange(1, len(head))])
            self.leave(stage)
        self.sock.sendall(head)
        if stage in ("answer begun", "in events"):
            self.sock.recv(100)
        if stage == "stalled":
            time.sleep(0.2)
        self.leave(stage)

    # -- the loop
    def once(self):
        dice = self.random.random()
        if dice < 0.40:
            self.get(self.random.choice(GOOD))
        elif dice < 0.55:
            self.post("upload")
        elif dice < 0.62:
            self.websocket()
        elif dice < 0.66:
            self.bad_host()
        elif dice < 0.70:
            self.post(self.random.choice(("early", "stop")))
        elif dice < 0.76:
            self.http2()
        elif dice < 0.86:
            # A stall lasts as long as the time limit does; a few are enough.
            kind = self.random.choice(BAD)
            if kind in ("stall", "stallbody") and self.random.random() < 0.8:
                kind = "cutbody"
            self.get(kind)
        else:
            self.leave_somewhere()

    def work(self, until, limit):
        while time.monotonic() < until and not self.stop.is_set() and self.count < limit:
            try:
                self.once()
            except Left:
                pass
            except Problem as problem:
                self.problems.append(str(problem))
                self.hang_up()
            except Exception as error:  # whatever surprises the client is a finding
                self.problems.append(f"{type(error).__name__}: {error}")
                self.hang_up()
            if len(self.problems) > 20:
                break
        self.hang_up()


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.05)


def put(path, text):
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".part", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--threads", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max", type=int, default=1 << 60)
    parser.add_argument("directory")
    options = parser.parse_args()
    stop = threading.Event()

    agents = [Agent(number, options, stop) for number in range(options.threads)]
    for agent in agents:  # every size of buffer and every kind of connection once
        for kind in GOOD:
            agent.get(kind)
        agent.websocket()
        agent.hang_up("fin")
        agent.http2()
    put(os.path.join(options.directory, "warm"), str(proxy_client.proxy().port))
    wait_for(os.path.join(options.directory, "go"))

    until = time.monotonic() + options.seconds
    threads = [threading.Thread(target=agent.work, args=(until, options.max)) for agent in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats, problems = collections.Counter(), []
    for agent in agents:
        stats += agent.stats
        problems += agent.problems
    raced, uploads = stats["upload raced"], stats["upload 200"]
    if raced > max(3, uploads // 200):
        problems.append(f"{raced} of {uploads} uploads met the end of their connection")
    for problem in problems[:40]:
        print("PROBLEM", problem, flush=True)
    put(os.path.join(options.directory, "done"), json.dumps(
        {"requests": sum(a.count for a in agents), "problems": len(problems), "stats": stats}))
    wait_for(os.path.join(options.directory, "end"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
