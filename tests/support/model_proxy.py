#!/usr/bin/env python3
"""A small proxy that injects a credential, for the control of attack_rows.sh: each of its defences
can be left out, which the real one's cannot. In clear only; every host leads to the same upstream.

    model_proxy.py --upstream PORT --secret FILE --placeholder TEXT [--without DEFENCE]...

Prints its port. Defences: reflection binding identity placement path host redirect field upgrade
tunnel.
The credential is for echo.test and *.wild.test, and on path.echo.test for /public/ and below.
"""

import argparse
import re
import signal
import socket
import threading
import urllib.parse

HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+\Z")


def canonical(path):
    """Dot segments and escapes resolved; None when that leaves more than one reading."""
    path = re.sub("%2[eE]", ".", path)
    if "\\" in path or ";" in path or "//" in path or re.search("%2[fF]|%5[cC]|%25", path):
        return None
    out = []
    for part in path.split("/")[1:]:
        if part == "..":
            out = out[:-1]
        elif part != ".":
            out.append(part)
    return "/" + "/".join(out)


class Refused(Exception):
    pass


class Model:
    def __init__(self, options):
        self.options = options
        with open(options.secret, encoding="utf-8", newline="") as file:
            self.secret = file.read()

    def defends(self, defence):
        return defence not in self.options.without

    def serve(self, client):
        try:
            data = b""
            while b"\r\n\r\n" not in data:
                part = client.recv(65536)
                if not part:
                    return
                data += part
            head, body = data.split(b"\r\n\r\n", 1)
            length = re.search(rb"\ncontent-length: *(\d+)", head, re.I)
            while length and len(body) < int(length.group(1)):
                body += client.recv(65536)
            if head.startswith(b"CONNECT ") and not self.defends("tunnel"):
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                self.relay(client)
                return
            try:
                client.sendall(self.answer(head.decode("latin-1"), body.decode("latin-1")))
            except Refused as refused:
                client.sendall(f"HTTP/1.1 403 {refused}\r\nContent-Length: 0\r\n\r\n".encode())
        except OSError:
            pass
        finally:
            client.close()

    def relay(self, client):
        """Bytes, whatever they are: one message each way."""
        with socket.create_connection(("127.0.0.1", self.options.upstream)) as server:
            server.settimeout(2)
            server.sendall(client.recv(65536))
            client.sendall(server.recv(65536))

    def answer(self, head, body):
        line, *fields = head.split("\r\n")
        method, target, _ = line.split(" ", 2)
        if method == "CONNECT":
            raise Refused("tunnel")
        host, path = re.match(r"http://([^/]*)(/.*)\Z", target, re.S).groups()
        fields = [tuple(f.split(": ", 1)) for f in fields if not f.lower().startswith("proxy-")]
        host_field = next(v for n, v in fields if n == "Host")
        if self.defends("identity") and host_field != host:
            raise Refused("identity")
        if self.defends("host") and not HOST.match(host):
            raise Refused("host")
        # What a resolver written in C would look up.
        name = re.split("[\0#?]|%00", host)[0]
        if self.defends("upgrade"):
            fields = [(n, v) for n, v in fields if n.lower() not in ("upgrade", "connection", "http2-settings")]
        if self.defends("path"):
            plain = canonical(path.split("?")[0])
            if plain is None:
                raise Refused("path")
            path = plain + path[len(path.split("?")[0]):]
        bound = host == "echo.test" or host.endswith(".wild.test") or \
            host == "path.echo.test" and path.startswith("/public/")
        return self.forward(method, name, host_field, path, fields, body, bound)

    def forward(self, method, name, host_field, path, fields, body, bound):
        placeholder, out, filled = self.options.placeholder, [], False
        if self.defends("field") and re.search("[\r\n\0]", self.secret):
            raise Refused("field")
        for field, value in fields:
            if placeholder in value:
                if not bound and self.defends("binding"):
                    raise Refused("binding")
                value = value.replace(placeholder, self.secret)
                filled = True
            out.append((field, name if field == "Host" and host_field.startswith(name) else value))
        if placeholder in path + body:
            if self.defends("placement") or not bound and self.defends("binding"):
                raise Refused("placement")
            path, body = path.replace(placeholder, self.secret), body.replace(placeholder, self.secret)
        if bound and not filled:
            out.append(("Authorization", "Bearer " + self.secret))
        return self.send(method, path, out, body)

    def send(self, method, path, fields, body):
        fields = [(n, v) for n, v in fields if n.lower() not in ("content-length", "connection") or
                  n == "Connection" and "Upgrade" in v]
        text = "".join(f"{n}: {v}\r\n" for n, v in fields)
        with socket.create_connection(("127.0.0.1", self.options.upstream)) as server:
            server.settimeout(2)
            server.sendall((f"{method} {path} HTTP/1.1\r\n{text}Content-Length: {len(body)}\r\n\r\n" +
                            body).encode("latin-1"))
            data = b""
            try:
                while b"\r\n\r\n" not in data:
                    data += server.recv(65536)
                length = re.search(rb"\ncontent-length: *(\d+)", data, re.I)
                while length and len(data) < data.index(b"\r\n\r\n") + 4 + int(length.group(1)):
                    data += server.recv(65536)
            except TimeoutError:
                pass
        location = re.search(rb"\nlocation: *http://([^/\r]+)([^\r]*)", data, re.I)
        if location and not self.defends("redirect"):
            where = [(n, location.group(1).decode() if n == "Host" else v) for n, v in fields]
            return self.send("GET", location.group(2).decode() or "/", where, "")
        if self.defends("reflection"):
            data = data.replace(self.secret.encode(), b"*" * len(self.secret))
        return data


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", type=int, required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--placeholder", required=True)
    parser.add_argument("--without", action="append", default=[])
    model = Model(parser.parse_args())
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=model.serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    main()
