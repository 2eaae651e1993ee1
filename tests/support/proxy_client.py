"""A client of the environment's proxy for tests that care about bytes: plain sockets, nothing hidden.

    reply = request("https://echo.test/echo", headers=[("X-A", "1")])
    sock = tls(connect("echo.test:443"), "echo.test"); sock.sendall(...); reply = read_reply(sock)

Standard library only.
"""

import base64
import json
import os
import socket
import ssl
import urllib.parse

TIMEOUT = 20


class Reply:
    def __init__(self, head, body, complete):
        lines = head.decode("latin-1").split("\r\n")
        self.head = head.decode("latin-1")
        self.status = int(lines[0].split(" ")[1])
        self.fields = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.fields.append((name, value.strip()))
        self.body = body
        self.complete = complete  # false: the connection ended before the framing said so
        self.trailers = []

    def get(self, name, default=None):
        for key, value in self.fields:
            if key.lower() == name.lower():
                return value
        return default

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The proxy's own error code, or None when the reply is the upstream's."""
        if self.get("X-Agent-Vault-Proxy-Error") != "true":
            return None
        return self.json["error"]


class Refused(Exception):
    """CONNECT was answered with something else than 200."""

    def __init__(self, reply):
        super().__init__(reply.head)
        self.reply = reply


def proxy():
    return urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])


def token():
    return urllib.parse.unquote(proxy().username)


def basic(user, password=""):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def own_auth():
    return basic(token(), urllib.parse.unquote(proxy().password or ""))


def dial():
    return socket.create_connection((proxy().hostname, proxy().port), timeout=TIMEOUT)


def _line(sock, limit=1 << 20):
    data = b""
    while not data.endswith(b"\n"):
        part = sock.recv(1)
        if not part or len(data) > limit:
            raise EOFError(data)
        data += part
    return data.rstrip(b"\r\n")


def read_reply(sock, method="GET"):
    """One final response; interim ones are skipped. EOFError when the peer closes before a head."""
    while True:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            part = sock.recv(1)
            if not part:
                raise EOFError(head)
            head += part
        reply = Reply(head[:-4], b"", True)
        if reply.status >= 200 or reply.status == 101:
            break
    if method == "HEAD" or reply.status in (101, 204, 304) or method == "CONNECT" and reply.status == 200:
        return reply
    try:
        if (reply.get("Transfer-Encoding") or "").lower() == "chunked":
            while True:
                size = int(_line(sock).split(b";")[0], 16)
                if size == 0:
                    while True:
                        line = _line(sock)
                        if not line:
                            return reply
                        reply.trailers.append(line.decode("latin-1"))
                reply.body += _exactly(sock, size)
                _line(sock)
        elif reply.get("Content-Length") is not None:
            reply.body = _exactly(sock, int(reply.get("Content-Length")))
        else:
            while True:
                part = sock.recv(65536)
                if not part:
                    break
                reply.body += part
    except (EOFError, OSError) as error:
        reply.complete = False
        reply.body += error.args[0] if error.args and isinstance(error.args[0], bytes) else b""
    return reply


def _exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(min(65536, size - len(data)))
        if not part:
            raise EOFError(data)
        data += part
    return data


def connect(authority, auth="own", extra=b""):
    """A tunnel. `auth`: "own", None, or the field's value. `extra` follows the head at once."""
    sock = dial()
    head = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
    if auth is not None:
        head += f"Proxy-Authorization: {own_auth() if auth == 'own' else auth}\r\n"
    sock.sendall(head.encode() + b"\r\n" + extra)
    reply = read_reply(sock, "CONNECT")
    if reply.status != 200:
        raise Refused(reply)
    return sock


def tls(sock, name, strict_end=False):
    """`strict_end`: an end without close_notify raises ssl.SSLError instead of looking like one."""
    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    if strict_end:
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    return context.wrap_socket(sock, server_hostname=name, suppress_ragged_eofs=not strict_end)


def compose(method, target, host, headers=(), body=None):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None and not any(n.lower() in ("content-length", "transfer-encoding")
                                    for n, _ in headers):
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


def request(url, method="GET", headers=(), body=None, auth="own"):
    """One request over a connection of its own. A refused CONNECT returns that reply."""
    parts = urllib.parse.urlsplit(url)
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    if parts.scheme == "http":
        sock = dial()
        own = [("Proxy-Authorization", own_auth() if auth == "own" else auth)] if auth else []
        sock.sendall(compose(method, url, parts.netloc, own + list(headers), body))
    else:
        try:
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            sock = connect(f"{host}:{parts.port or 443}", auth)
        except Refused as refused:
            return refused.reply
        sock = tls(sock, parts.hostname)
        sock.sendall(compose(method, target, parts.netloc, headers, body))
    with sock:
        return read_reply(sock, method)


def raw(data):
    """Sends bytes to the proxy; the first reply, or None when it just closes."""
    with dial() as sock:
        sock.sendall(data)
        try:
            return read_reply(sock)
        except (EOFError, OSError):
            return None


def raw_inside(host, data):
    """Sends bytes inside a TLS tunnel to the host; the first reply or None."""
    with tls(connect(host + ":443"), host) as sock:
        sock.sendall(data)
        try:
            return read_reply(sock)
        except (EOFError, OSError):
            return None
