#!/usr/bin/env python3
"""An upstream that fails in every way that a test has thought of: what it does is in the path,
/KIND/MARK, and in the name that TLS asks for. Every request head is logged with its mark.

    chaos_upstream.py --certs DIR --log FILE

Prints {"https": port, "http": port}. Standard library only.
"""

import argparse
import json
import os
import random
import signal
import socket
import ssl
import struct
import threading
import time

import ws_client


class Closed(Exception):
    pass


class Conn:
    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed
        self.buffer += data

    def until(self, mark):
        while mark not in self.buffer:
            self.fill()
        part, self.buffer = self.buffer.split(mark, 1)
        return part

    def recv(self, size):  # as ws_client.exactly wants it
        if not self.buffer:
            self.fill()
        part, self.buffer = self.buffer[:size], self.buffer[size:]
        return part

    def skip(self, size):
        while size > 0:
            size -= len(self.recv(min(size, 65536)))

    def send(self, data):
        self.sock.sendall(data)

    def raw(self, data):
        """Past TLS: what the peer takes for a record is garbage."""
        os.write(self.sock.fileno(), data)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Closed


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Chaos:
    def __init__(self, conn, fields, mark, random_bits):
        self.conn, self.fields, self.mark = conn, fields, mark
        # The credential comes back in every answer; the proxy must take it out.
        self.body = f"{mark} {fields.get('authorization', '')}\n".encode()
        self.random = random_bits

    def full(self, body=None, status="200 OK", extra=""):
        body = self.body if body is None else body
        self.conn.send(f"HTTP/1.1 {status}\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def read_body(self):
        if self.fields.get("transfer-encoding") == "chunked":
            while size := int(self.conn.until(b"\r\n"), 16):
                self.conn.skip(size + 2)
            self.conn.until(b"\r\n")
        else:
            self.conn.skip(int(self.fields.get("content-length", 0)))

    # -- good
    def do_ok(self):
        self.read_body()
        self.full()

    def do_close(self):
        self.read_body()
        self.full(extra="Connection: close\r\n")
        raise Closed

    def do_upload(self):
        self.read_body()
        self.full()

    def do_chunked(self):
        self.conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"x" * 5000))
        self.conn.send(chunk(self.body) + b"0\r\nX-Sum: 1\r\n\r\n")

    def do_sse(self):
        self.conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                       b"Transfer-Encoding: chunked\r\n\r\n")
        for i in range(5):
            self.conn.send(chunk(b"data: %d\n\n" % i))
            time.sleep(0.02)
        self.conn.send(chunk(self.body) + b"0\r\n\r\n")

    def do_slow(self):
        text = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(self.body), self.body)
        for i in range(len(text)):
            self.conn.send(text[i:i + 1])
            time.sleep(0.001)

    def do_hints(self):
        self.conn.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 5)
        self.full()

    def do_half(self):
        """The whole answer, then only our direction ends, without close_notify."""
        self.full()
        self.conn.sock.shutdown(socket.SHUT_WR)
        time.sleep(0.05)
        raise Closed

    def do_large(self):
        self.full(self.body + b"y" * 300000)

    # -- bad
    def do_reset(self):
        self.conn.reset()

    def do_eof(self):
        raise Closed

    def do_stall(self):
        self.wait_for_end(6)

    def do_stallbody(self):
        self.conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        self.wait_for_end(2)

    def wait_for_end(self, seconds):
        self.conn.sock.settimeout(seconds)
        try:
            while True:
                self.conn.fill()
        except TimeoutError:
            raise Closed from None

    def do_cuthead(self):
        self.conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1")
        raise Closed

    def do_resethead(self):
        self.conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1")
        self.conn.reset()

    def do_cutbody(self):
        self.conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"z" * 20000)
        raise Closed

    def do_resetbody(self):
        self.conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"z" * 20000)
        self.conn.reset()

    def do_cutchunk(self):
        self.conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\npart")
        raise Closed

    def do_badchunk(self):
        self.conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"a") + b"zz\r\n")
        raise Closed

    def do_garbage(self):
        self.conn.send(self.random.randbytes(3000))
        raise Closed

    def do_hugehead(self):
        self.conn.send(b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 200000 + b"\r\n\r\n")
        raise Closed

    def do_flood(self):
        self.conn.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)
        self.full()

    def do_record(self):
        self.conn.raw(b"\x17\x03\x03\x00\x40" + self.random.randbytes(64))
        raise Closed

    def do_recordbody(self):
        self.conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"z" * 2000)
        self.conn.raw(self.random.randbytes(200))
        raise Closed

    # -- either
    def do_early(self):
        """An answer before the body; the body is never read."""
        self.full(b"no\n", "413 Content Too Large", "Connection: close\r\n")
        time.sleep(0.02)
        raise Closed

    def do_stop(self):
        """A part of the body is read, then the connection is reset."""
        if self.fields.get("content-length", "0") != "0" or "transfer-encoding" in self.fields:
            self.conn.recv(1000)
        self.conn.reset()

    def do_ws(self):
        key = self.fields.get("sec-websocket-key", "")
        import base64
        import hashlib
        accept = base64.b64encode(hashlib.sha1(
            (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        self.conn.send(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").encode())
        for _ in range(self.random.randrange(1, 6)):
            first, second = ws_client.exactly(self.conn, 2)
            size = second & 0x7F
            mask = ws_client.exactly(self.conn, 4)
            data = bytes(b ^ mask[i & 3] for i, b in enumerate(ws_client.exactly(self.conn, size)))
            if first & 0x0F == 8:
                break
            self.conn.send(bytes([0x81, len(data)]) + data)
        if self.random.random() < 0.3:
            self.conn.reset()
        raise Closed


class Server:
    def __init__(self, options):
        self.certs, self.contexts, self.lock = options.certs, {}, threading.Lock()
        self.file = open(options.log, "a", encoding="utf-8")
        self.random = random.Random(1)

    def context(self, stem):
        with self.lock:
            if stem not in self.contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(f"{self.certs}/{stem}.pem", f"{self.certs}/{stem}.key")
                self.contexts[stem] = context
            return self.contexts[stem]

    def choose(self, channel, name, _):
        stem = (name or "").split(".")[0]
        channel.context = self.context(stem if stem in ("expired", "untrusted", "wronghost") else "server")

    def serve(self, sock, tls):
        try:
            sock.settimeout(30)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls:
                # The client's first record has the name in clear; no library is needed to be rude.
                hello = sock.recv(4096, socket.MSG_PEEK)
                if b"tlsreset.echo.test" in hello:
                    Conn(sock).reset()
                if b"tlsgarbage.echo.test" in hello:
                    sock.sendall(self.random.randbytes(500))
                    raise Closed
                if b"tlsstall.echo.test" in hello:
                    time.sleep(0.5)
                    raise Closed
                base = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                base.load_cert_chain(f"{self.certs}/server.pem", f"{self.certs}/server.key")
                base.sni_callback = self.choose
                sock = base.wrap_socket(sock, server_side=True)
            conn = Conn(sock)
            while True:
                self.one(conn)
        except (Closed, OSError, ssl.SSLError, ValueError, SystemExit):
            pass
        finally:
            sock.close()

    def one(self, conn):
        lines = conn.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        target = lines[0].split(" ")[1]
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        kind, mark = target.strip("/").split("/")
        with self.lock:
            self.file.write(json.dumps({"mark": mark, "kind": kind}) + "\n")
            self.file.flush()
            bits = random.Random(self.random.random())
        getattr(Chaos(conn, fields, mark, bits), "do_" + kind)()

    def listen(self, tls):
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)

        def loop():
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=self.serve, args=(sock, tls), daemon=True).start()

        threading.Thread(target=loop, daemon=True).start()
        return listener.getsockname()[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certs", required=True)
    parser.add_argument("--log", required=True)
    server = Server(parser.parse_args())
    print(json.dumps({"https": server.listen(True), "http": server.listen(False)}), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
