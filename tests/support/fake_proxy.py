#!/usr/bin/env python3
"""A proxy as companies have them, for tests of the way out: CONNECT (in clear or under TLS) or SOCKS5.

Looks names up in --map only, so that a connection shows that it was this proxy that made it. On start
it prints one JSON line {"port": port}; every request is appended to --log as one JSON line.
Standard library only.
"""

import argparse
import base64
import json
import socket
import ssl
import struct
import threading


class Refused(Exception):
    pass


def exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def pump(source, target):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(data)
    except (OSError, ValueError):
        pass
    for sock in (source, target):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Proxy:
    def __init__(self, options):
        self.options = options
        self.map = dict(entry.split("=") for entry in options.map)
        self.context = None
        if options.tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(options.tls + ".pem", options.tls + ".key")

    def log(self, **record):
        with open(self.options.log, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def reach(self, host, port):
        where = self.map.get(f"{host}:{port}")
        if where is None:
            raise Refused
        address, _, target = where.rpartition(":")
        return socket.create_connection((address, int(target)), timeout=20)

    def serve(self, sock):
        try:
            sock.settimeout(20)
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            upstream = self.socks(sock) if self.options.socks else self.connect(sock)
            sock.settimeout(None)
            upstream.settimeout(None)
            threading.Thread(target=pump, args=(upstream, sock), daemon=True).start()
            pump(sock, upstream)
        except (OSError, EOFError, Refused, ssl.SSLError):
            sock.close()

    def connect(self, sock):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += exactly(sock, 1)
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        fields = {name.lower(): value.strip() for name, _, value in
                  (line.partition(":") for line in lines[1:] if line)}
        auth = fields.get("proxy-authorization", "")
        self.log(kind="connect", method=method, target=target, auth=auth, host=fields.get("host"),
                 tls=self.context is not None, fields=sorted(fields))
        if self.options.auth and auth != "Basic " + base64.b64encode(self.options.auth.encode()).decode():
            sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                         b"Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n")
            raise Refused
        host, _, port = target.rpartition(":")
        if method != "CONNECT" or host in self.options.forbid:
            sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nsecret")
            raise Refused
        try:
            upstream = self.reach(host, int(port))
        except (Refused, OSError):
            sock.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            raise
        stray = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil" if self.options.stray else b""
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n" + stray)
        return upstream

    def socks(self, sock):
        version, count = exactly(sock, 2)
        methods = exactly(sock, count)
        if self.options.auth:
            if 2 not in methods:
                sock.sendall(b"\x05\xff")
                raise Refused
            sock.sendall(b"\x05\x02")
            exactly(sock, 1)
            user = exactly(sock, exactly(sock, 1)[0]).decode()
            password = exactly(sock, exactly(sock, 1)[0]).decode()
            good = f"{user}:{password}" == self.options.auth
            sock.sendall(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                raise Refused
        else:
            sock.sendall(b"\x05\x00")
        version, command, _, kind = exactly(sock, 4)
        if kind == 3:
            host = exactly(sock, exactly(sock, 1)[0]).decode()
        elif kind == 1:
            host = socket.inet_ntop(socket.AF_INET, exactly(sock, 4))
        else:
            host = socket.inet_ntop(socket.AF_INET6, exactly(sock, 16))
        port = struct.unpack(">H", exactly(sock, 2))[0]
        self.log(kind="socks", version=version, command=command, target=f"{host}:{port}", address=kind)
        tail = b"\x00\x01\x00\x00\x00\x00\x00\x00"
        if host in self.options.forbid:
            sock.sendall(b"\x05\x02" + tail)
            raise Refused
        try:
            upstream = self.reach(host, port)
        except (Refused, OSError):
            sock.sendall(b"\x05\x04" + tail)
            raise
        sock.sendall(b"\x05\x00" + tail)
        return upstream


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", required=True)
    parser.add_argument("--socks", action="store_true")
    parser.add_argument("--tls", help="path of NAME.pem and NAME.key")
    parser.add_argument("--auth", help="USER:PASSWORD")
    parser.add_argument("--map", action="append", default=[], help="HOST:PORT=ADDRESS:PORT")
    parser.add_argument("--forbid", action="append", default=[], help="HOST")
    parser.add_argument("--stray", action="store_true", help="say something right behind the answer")
    options = parser.parse_args()
    proxy = Proxy(options)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=proxy.serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    main()
