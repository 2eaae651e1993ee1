#!/usr/bin/env python3
"""An upstream that writes down every request as it found it on the wire, and what is wrong with it.

It reads as a lenient server would (chunked wins over Content-Length, a bare LF ends a line), so that
a message with two readings shows; the proxy must never send one, so every leniency that was needed
is recorded as a violation. Answers name the request that they belong to (`X-Seen`).

    recorder.py --log FILE [--certs DIR] [--behind NAME]... [--responses DIR]

On start it prints one JSON line with the ports: {"https", "http", NAME: port for each --behind}.
`--behind` is a port in clear for a server in front (nginx, HAProxy); its requests are logged under
that name. A path `/ID/r/N` is answered with the bytes of case N of the responses (vectors.py).
Standard library only.
"""

import argparse
import json
import os
import re
import signal
import socket
import ssl
import struct
import sys
import threading
import time

import vectors

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ HTTP/1\.1\Z")
SCRIPTED = re.compile(r"/r/(\d+)\Z")
# What a proxy must keep to itself, and what would stand in for the method and path that it checked;
# "_" counts as "-", as it does for CGI.
FORBIDDEN = {"proxy-authorization", "proxy-connection", "keep-alive", "trailer", "http2-settings",
             "x-http-method-override", "x-method-override", "x-http-method", "x-original-url",
             "x-rewrite-url"}
NOT_BEHIND = {"content-length", "transfer-encoding", "host", "authorization", "connection", "te",
              "upgrade", "cookie", "x-api-key"}


class Closed(Exception):
    pass


class Conn:
    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except (OSError, ssl.SSLError):
            data = b""
        if not data:
            raise Closed
        self.buffer += data

    def line(self):
        while b"\n" not in self.buffer:
            if len(self.buffer) > 1 << 22:
                raise Closed
            self.fill()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def exactly(self, size):
        while len(self.buffer) < size:
            self.fill()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data


class Request:
    """One request; `violations` says where it could have been read otherwise."""

    def __init__(self, conn, strict):
        self.conn, self.strict = conn, strict
        self.violations, self.fields, self.body = [], [], b""
        self.method = self.target = ""
        self.complete = False

    def note(self, text):
        if self.strict:
            self.violations.append(text)

    def head_line(self):
        line = self.conn.line()
        if not line.endswith(b"\r"):
            self.note("bare LF")
        line = line.rstrip(b"\r")
        if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line):
            self.note("control character")
        return line

    def read(self):
        line = self.head_line()
        if not LINE.match(line):
            self.note(f"request line {line[:200]!r}")
        parts = (line.decode("latin-1").split(" ") + ["", ""])[:3]
        self.method, self.target = parts[0], parts[1]
        while line := self.head_line():
            name, colon, value = line.partition(b":")
            if not colon or not TOKEN.match(name):
                self.note(f"field line {line[:200]!r}")
            self.fields.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
        self.check_fields()
        if SCRIPTED.search(self.target):
            return  # these answers do not wait for a body
        if self.value("expect"):
            self.conn.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.read_body()
        self.complete = True

    def values(self, name):
        return [v for n, v in self.fields if n.strip().lower() == name]

    def value(self, name):
        return (self.values(name) or [""])[0]

    def check_fields(self):
        if len(self.values("host")) != 1:
            self.note(f"{len(self.values('host'))} Host fields")
        if len(self.values("content-length")) + len(self.values("transfer-encoding")) > 1:
            self.note("more than one framing field")
        for value in self.values("transfer-encoding"):
            if value != "chunked":
                self.note(f"Transfer-Encoding {value!r}")
        for value in self.values("content-length"):
            if not re.fullmatch("0|[1-9][0-9]*", value):
                self.note(f"Content-Length {value!r}")
        if self.value("upgrade").lower() == "websocket" and not re.fullmatch(
                "[A-Za-z0-9+/]{22}==", self.value("sec-websocket-key")):
            self.note("a WebSocket handshake without a key")
        for name, value in self.fields:
            plain = name.lower().replace("_", "-")
            if plain in FORBIDDEN or plain != name.lower() and plain in (
                    "content-length", "transfer-encoding", "host", "connection"):
                self.note(f"field {name}")
            if plain == "connection" and value.lower() not in ("close", "upgrade") or \
                    plain == "upgrade" and value.lower() != "websocket":
                self.note(f"{name}: {value}")

    def read_body(self):
        if any("chunked" in value.lower() for value in self.values("transfer-encoding")):
            while True:
                line = self.conn.line()
                if not re.fullmatch(rb"[0-9a-f]+\r", line):
                    self.note(f"chunk size line {line[:100]!r}")
                try:
                    size = int(line.split(b";")[0].strip(), 16)
                except ValueError:
                    raise Closed from None
                if size == 0:
                    break
                self.body += self.conn.exactly(size)
                if self.conn.exactly(2) != b"\r\n":
                    self.note("chunk end")
            while line := self.head_line():
                name, colon, value = line.partition(b":")
                name = name.decode("latin-1").lower().replace("_", "-")
                if not colon or not TOKEN.match(name.encode("latin-1")) or \
                        name in FORBIDDEN | NOT_BEHIND or name in \
                        {n.lower().replace("_", "-") for n, _ in self.fields}:
                    self.note(f"trailer {line[:100]!r}")
        else:
            try:
                self.body = self.conn.exactly(int(self.value("content-length") or 0))
            except ValueError:
                raise Closed from None


class Recorder:
    def __init__(self, options):
        self.file = open(options.log, "a", encoding="utf-8")
        self.lock = threading.Lock()
        self.responses = vectors.load(options.responses) if options.responses else []
        self.context = None
        if options.certs:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(f"{options.certs}/server.pem", f"{options.certs}/server.key")
            self.context.set_alpn_protocols(["http/1.1"])
        self.conns = 0

    def log(self, via, number, request):
        record = {"via": via, "conn": number, "method": request.method, "target": request.target,
                  "fields": request.fields, "body": request.body.decode("latin-1"),
                  "complete": request.complete, "violations": request.violations}
        with self.lock:
            self.file.write(json.dumps(record) + "\n")
            self.file.flush()

    def serve(self, sock, via, tls):
        with self.lock:
            self.conns += 1
            number = self.conns
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls:
                sock = self.context.wrap_socket(sock, server_side=True)
            conn = Conn(sock)
            while True:
                while not conn.buffer:
                    conn.fill()
                request = Request(conn, strict=via == "raw")
                try:
                    request.read()
                finally:
                    self.log(via, number, request)
                self.answer(sock, request)
                if request.value("connection").lower() == "close":
                    break
        except (Closed, OSError, ssl.SSLError):
            pass
        finally:
            sock.close()

    def answer(self, sock, request):
        scripted = SCRIPTED.search(request.target)
        if scripted:
            self.play(sock, self.responses[int(scripted.group(1))])
            return
        body = f"{request.method} {request.target} {len(request.body)}\n".encode("latin-1")
        head = (f"HTTP/1.1 200 OK\r\nX-Seen: {request.method} {request.target}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode("latin-1")
        sock.sendall(head + (b"" if request.method == "HEAD" else body))

    @staticmethod
    def play(sock, case):
        for number, part in enumerate(case.render(None).split(vectors.WAIT)):
            if number:
                time.sleep(0.05)
            sock.sendall(part)
        if case.has("then", "reset"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Closed
        if case.has("then", "close"):
            if isinstance(sock, ssl.SSLSocket):
                sock.settimeout(2)
                try:
                    sock.unwrap()
                except (OSError, ssl.SSLError):
                    pass
            raise Closed

    def listen(self, via, tls):
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)

        def loop():
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=self.serve, args=(sock, via, tls), daemon=True).start()

        threading.Thread(target=loop, daemon=True).start()
        return listener.getsockname()[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", required=True)
    parser.add_argument("--certs")
    parser.add_argument("--responses")
    parser.add_argument("--behind", action="append", default=[])
    options = parser.parse_args()
    recorder = Recorder(options)
    ports = {"http": recorder.listen("raw", False)}
    if options.certs:
        ports["https"] = recorder.listen("raw", True)
    for name in options.behind:
        ports[name] = recorder.listen(name, False)
    print(json.dumps(ports), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
