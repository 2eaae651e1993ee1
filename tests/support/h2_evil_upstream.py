#!/usr/bin/env python3
"""An HTTP/2 server that answers as the cases of h2_evil_cases.py do.

    h2_evil_upstream.py CERTS

/ID/r/N plays case N. /ID/hold sends a line, and the next one when a case on the same connection has
been played. Any other path is answered with its method and itself. Prints {"port": N}; ALPN h2 only.
Standard library only.
"""

import json
import re
import signal
import socket
import ssl
import struct
import sys
import threading
import time

import h2_evil_cases
from h2_client import *  # noqa: F403  the vocabulary of frames
from h2_client import Decoder

SEEN = set()  # paths of the cases that have been asked for
LOCK = threading.Lock()


class Ended(Exception):
    pass


class Server:
    host = "evil.echo.test"

    def __init__(self, sock):
        self.sock, self.buffer, self.decoder = sock, b"", Decoder()
        self.partial, self.held, self.path, self.over = None, [], "", False
        self.waiting = []  # requests that came while a case was played

    # -- what cases use
    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            self.over = True

    def frame(self, kind, flags=0, stream=0, payload=b""):
        self.send(frame(kind, flags, stream, payload))

    def headers(self, stream, fields, flags):
        self.frame(HEADERS, flags, stream, fields if isinstance(fields, bytes) else block(fields))

    def flood(self, data, times):
        """Until it is done or nobody listens; a little is read so that nobody waits for us."""
        for _ in range(times):
            if self.over:
                return
            self.send(data)
            self.pump(0)

    def pump(self, seconds):
        end = time.monotonic() + seconds
        while not self.over:
            got = self.read_frame(max(0.0, end - time.monotonic()))
            if got is None:
                return
            self.take(*got)

    def first(self):
        with LOCK:
            known = self.path in SEEN
            SEEN.add(self.path)
            return not known

    def close(self):
        """TLS and the connection end in order."""
        try:
            self.sock.settimeout(1)
            self.sock.unwrap()
        except (OSError, ValueError):
            pass
        self.abort()

    def abort(self):
        self.over = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    # -- the rest
    def read_frame(self, seconds):
        while True:
            if len(self.buffer) >= 9:
                size = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) >= 9 + size:
                    data, self.buffer = self.buffer[:9 + size], self.buffer[9 + size:]
                    return data[3], data[4], int.from_bytes(data[5:9], "big") & 0x7FFFFFFF, data[9:]
            try:
                self.sock.settimeout(seconds or 0.0)
                data = self.sock.recv(65536)
            except (TimeoutError, ssl.SSLWantReadError, BlockingIOError):
                return None
            except (OSError, ValueError):
                data = b""
            finally:
                try:
                    self.sock.settimeout(10)
                except OSError:
                    pass
            if not data:
                self.over = True
                return None
            self.buffer += data

    def take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self.frame(SETTINGS, ACK)
        elif kind == PING and not flags & ACK:
            self.frame(PING, ACK, 0, payload)
        elif kind in (HEADERS, CONTINUATION):
            if kind == HEADERS:
                at = (1 if flags & PADDED else 0) + (5 if flags & PRIORITY_FLAG else 0)
                self.partial = payload[at:len(payload) - (payload[0] if flags & PADDED else 0)]
            else:
                self.partial += payload
            if flags & END_HEADERS:
                self.waiting.append((stream, dict(self.decoder.decode(self.partial))))

    def serve(self):
        got = b""
        while len(got) < len(PREFACE):
            part = self.sock.recv(len(PREFACE) - len(got))
            if not part:
                return
            got += part
        self.frame(SETTINGS, 0, 0, settings((MAX_CONCURRENT_STREAMS, 100)))
        while not self.over:
            while self.waiting and not self.over:
                self.answer(*self.waiting.pop(0))
            if self.over:
                break
            got = self.read_frame(60)
            if got is None:
                break
            self.take(*got)

    def answer(self, stream, fields):
        method, path = fields[":method"], fields[":path"]
        value = fields.get("authorization", "")
        scripted = re.search(r"/r/(\d+)\Z", path)
        if path.endswith("/hold"):
            self.headers(stream, [(":status", "200"), ("x-seen", f"{method} {path}")], END_HEADERS)
            self.frame(DATA, 0, stream, b"held\n")
            self.held.append(stream)
        elif scripted:
            self.path = path
            h2_evil_cases.CASES[int(scripted.group(1))][4](self, stream, value)
            for held in self.held:
                self.frame(DATA, END_STREAM, held, b"done\n")
            self.held = []
        elif path.endswith("/ticks"):
            self.tick(stream)
        else:
            text = f"{method} {path}\n".encode()
            self.headers(stream, [(":status", "200"), ("x-seen", f"{method} {path}"),
                                  ("content-length", str(len(text)))], END_HEADERS)
            self.frame(DATA, END_STREAM, stream, text)

    def tick(self, stream):
        """Alone on its connection: numbers until nobody listens."""
        self.headers(stream, [(":status", "200"), ("content-type", "text/event-stream")], END_HEADERS)
        number = 0
        while not self.over:
            self.frame(DATA, 0, stream, b"%d\n" % number)
            number += 1
            self.pump(0.05)


def offers_h2(raw):
    """Looks at the ClientHello without taking it."""
    data, end = b"", time.monotonic() + 5
    while time.monotonic() < end:
        data = raw.recv(16384, socket.MSG_PEEK)
        if not data or len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[3:5], "big"):
            break
        time.sleep(0.005)
    return b"\x02h2" in data


def serve(raw, context):
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not offers_h2(raw):
            # no_application_protocol (RFC 7301 section 3.2), which Python's TLS cannot say.
            raw.sendall(b"\x15\x03\x03\x00\x02\x02\x78")
            raw.close()
            return
        sock = context.wrap_socket(raw, server_side=True)
        if sock.selected_alpn_protocol() == "h2":
            Server(sock).serve()
        sock.close()
    except (OSError, ValueError):
        raw.close()


def main():
    certs = sys.argv[1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{certs}/server.pem", f"{certs}/server.key")
    context.set_alpn_protocols(["h2"])
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=serve, args=(raw, context), daemon=True).start()


if __name__ == "__main__":
    main()
