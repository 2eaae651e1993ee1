#!/usr/bin/env python3
"""A server that plays every upstream of the end-to-end tests on loopback.

By Host it is api.openai.com, api.anthropic.com, github.com (git over smart HTTP), api.telegram.org
or, for any other name, echo.test: a collection of well-formed and malformed HTTP/1.1 behaviour.
Everything is spoken on raw sockets, because the tests are about bytes.

On start it prints one JSON line {"https": port, "http": port, "pid": pid}. Every request is appended
to --log as one JSON line, written before the response begins, with the fields exactly as received.
Standard library only.
"""

import argparse
import base64
import gzip
import hashlib
import html
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import zlib

HEAD_LIMIT = 1 << 20
BODY_LIMIT = 64 << 20


class Closed(Exception):
    """The peer went away, or a handler wants the connection gone."""


class Conn:
    """One connection with a read buffer."""

    def __init__(self, sock, ident, tls, sni):
        self.sock, self.ident, self.tls, self.sni = sock, ident, tls, sni
        self.buffer = b""
        self.count = 0

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except (OSError, ssl.SSLError):
            data = b""
        if not data:
            raise Closed
        self.buffer += data

    def read_until(self, mark, limit=HEAD_LIMIT):
        while mark not in self.buffer:
            if len(self.buffer) > limit:
                raise Closed
            self.fill()
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def read_some(self, limit):
        if not self.buffer:
            self.fill()
        data, self.buffer = self.buffer[:limit], self.buffer[limit:]
        return data

    def read_exact(self, size):
        parts = []
        while size > 0:
            part = self.read_some(size)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (OSError, ssl.SSLError) as error:
            raise Closed from error

    def wait_close(self, seconds):
        """Reads and drops until the peer closes; true when it did so in time."""
        self.sock.settimeout(seconds)
        try:
            while self.sock.recv(65536):
                pass
            return True
        except socket.timeout:
            return False
        except (OSError, ssl.SSLError):
            return True

    def end(self):
        """Ends our direction in order: close_notify under TLS, so that nothing looks cut off."""
        if self.tls:
            self.sock.settimeout(2)
            try:
                self.sock.unwrap()
            except (OSError, ssl.SSLError, ValueError):
                pass
        raise Closed

    def reset(self):
        """Closes with a TCP RST instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw = self.sock.detach()
        os.close(raw)
        raise Closed


class Request:
    def __init__(self, conn, head):
        lines = head.decode("latin-1").split("\r\n")
        self.conn = conn
        self.method, self.target, self.version = (lines[0].split(" ") + ["", "", ""])[:3]
        self.headers = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers.append((name, value.strip(" \t")))
        self.path, _, self.query_text = self.target.partition("?")
        self.query = dict(urllib.parse.parse_qsl(self.query_text, keep_blank_values=True))
        self.host = self.get("host").lower()
        name = self.host
        if not name.startswith("[") and ":" in name:
            name = name.split(":")[0]
        self.host_name = name
        self.chunked = self.get("transfer-encoding").lower() == "chunked"
        self.length = int(self.get("content-length") or 0)
        self.trailers = []
        self.body = None
        self.body_sha256 = None
        self.body_length = None

    def get(self, name, default=""):
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return default

    def integer(self, name, default):
        return int(self.query.get(name, default))

    def chunks(self):
        """The body piece by piece, de-chunked, without holding it."""
        conn = self.conn
        if self.chunked:
            while True:
                size = int(conn.read_until(b"\r\n").split(b";")[0], 16)
                if size == 0:
                    break
                while size > 0:
                    part = conn.read_some(size)
                    size -= len(part)
                    yield part
                if conn.read_exact(2) != b"\r\n":
                    raise Closed
            while True:
                line = conn.read_until(b"\r\n")
                if not line:
                    return
                self.trailers.append(line.decode("latin-1"))
        else:
            left = self.length
            while left > 0:
                part = conn.read_some(left)
                left -= len(part)
                yield part

    def consume(self, keep=True):
        digest, length, parts = hashlib.sha256(), 0, []
        for part in self.chunks():
            digest.update(part)
            length += len(part)
            if keep:
                if length > BODY_LIMIT:
                    raise Closed
                parts.append(part)
        self.body = b"".join(parts)
        self.body_sha256, self.body_length = digest.hexdigest(), length


class Response:
    """Writers that know about HEAD and about the connection's request counter."""

    def __init__(self, request):
        self.request = request
        self.conn = request.conn

    def head(self, status, fields, reason="OK"):
        lines = [f"HTTP/1.1 {status} {reason}", f"X-Conn: {self.conn.ident}",
                 f"X-Conn-Requests: {self.conn.count}"]
        lines += [f"{name}: {value}" for name, value in fields]
        self.conn.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def full(self, status, body, content_type="text/plain", fields=()):
        if isinstance(body, str):
            body = body.encode()
        fields = list(fields) + [("Content-Type", content_type), ("Content-Length", len(body))]
        self.head(status, fields)
        if self.request.method != "HEAD":
            self.conn.send(body)

    def json(self, status, value, fields=()):
        self.full(status, json.dumps(value, indent=1) + "\n", "application/json", fields)

    def start_chunked(self, content_type, fields=(), status=200):
        self.head(status, [("Content-Type", content_type), *fields, ("Transfer-Encoding", "chunked")])

    def chunk(self, data):
        if isinstance(data, str):
            data = data.encode()
        self.conn.send(b"%x\r\n%s\r\n" % (len(data), data))

    def end_chunked(self, trailers=()):
        tail = "".join(f"{name}: {value}\r\n" for name, value in trailers)
        self.conn.send(b"0\r\n" + tail.encode("latin-1") + b"\r\n")

    def event(self, value):
        self.chunk(f"event: {value['type']}\ndata: {json.dumps(value)}\n\n")


def ws_accept(key):
    magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1((key + magic).encode()).digest()).decode()


def ws_read(conn):
    """One whole message as (opcode, payload); control frames are returned as they are."""
    message, kind = b"", None
    while True:
        first, second = conn.read_exact(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", conn.read_exact(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", conn.read_exact(8))[0]
        mask = conn.read_exact(4) if second & 0x80 else b"\0\0\0\0"
        data = conn.read_exact(size)
        data = bytes(b ^ mask[i & 3] for i, b in enumerate(data))
        opcode = first & 0x0F
        if opcode >= 8:
            return opcode, data
        kind = opcode or kind
        message += data
        if first & 0x80:
            return kind, message


def ws_write(conn, opcode, payload):
    size = len(payload)
    if size < 126:
        head = struct.pack(">BB", 0x80 | opcode, size)
    elif size < 65536:
        head = struct.pack(">BBH", 0x80 | opcode, 126, size)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, 127, size)
    conn.send(head + payload)


def ws_switch(request, response, fields=()):
    response.head(101, [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                        ("Sec-WebSocket-Accept", ws_accept(request.get("sec-websocket-key"))),
                        *fields], "Switching Protocols")


class OpenAI:
    """The part of the Responses API that Codex uses."""

    def __init__(self, options):
        self.key = read_key(options.openai_key_file)
        self.websocket = options.openai_ws
        self.answer = options.answer
        self.tool = options.openai_tool

    def events_for(self, asked):
        """The plain answer, or first a call of a tool and then what the tool said."""
        said = [item for item in asked.get("input", []) if item.get("type") == "function_call_output"]
        names = [tool.get("name") for tool in asked.get("tools", [])]
        if not self.tool or not names:
            return self.events(self.answer)
        if said:
            return self.events("the tool said: " + json.dumps(said[-1]["output"]))
        arguments = {"exec_command": {"cmd": self.tool}, "shell_command": {"command": self.tool}, "shell": {"command": ["sh", "-c", self.tool]}}
        name = next((name for name in arguments if name in names), None)
        return self.call(name, arguments[name]) if name else self.events(f"no tool that is known among {names}")

    def call(self, name, arguments):
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name, "arguments": json.dumps(arguments), "status": "completed"}
        yield {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}
        yield {"type": "response.output_item.added", "output_index": 0, "item": item}
        yield {"type": "response.output_item.done", "output_index": 0, "item": item}
        yield self.completed([item])

    def events(self, text):
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": text, "annotations": []}]}
        yield {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}
        yield {"type": "response.output_item.added", "output_index": 0,
               "item": {**item, "status": "in_progress", "content": []}}
        for word in text.split(" "):
            yield {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
                   "content_index": 0, "delta": word + " "}
        yield {"type": "response.output_item.done", "output_index": 0, "item": item}
        yield self.completed([item])

    @staticmethod
    def completed(output):
        usage = {"input_tokens": 7, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5,
                 "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 12}
        return {"type": "response.completed",
                "response": {"id": "resp_1", "status": "completed", "output": output, "usage": usage}}

    def handle(self, request, response):
        if self.key is not None and request.get("authorization") != "Bearer " + self.key:
            response.json(401, {"error": {"message": "Incorrect API key provided.",
                                          "type": "invalid_request_error",
                                          "code": "invalid_api_key"}})
        elif request.path == "/v1/responses" and request.get("upgrade").lower() == "websocket":
            self.over_websocket(request, response)
        elif request.path == "/v1/responses" and request.method == "POST":
            response.start_chunked("text/event-stream", [("x-request-id", "req_fake")])
            for event in self.events_for(json.loads(request.body or b"{}") if self.tool else {}):
                response.event(event)
            response.end_chunked()
        elif request.path.startswith("/v1/models"):
            model = {"id": "gpt-5-codex", "object": "model", "created": 1, "owned_by": "openai"}
            response.json(200, {"object": "list", "data": [model]})
        else:
            response.json(404, {"error": {"message": "unknown path", "type": "invalid_request_error"}})

    def over_websocket(self, request, response):
        if self.websocket != "serve":
            response.json(int(self.websocket), {"error": {"message": "no websocket here"}})
            return
        ws_switch(request, response)
        while True:
            opcode, data = ws_read(request.conn)
            if opcode == 8:
                ws_write(request.conn, 8, data)
                raise Closed
            if opcode == 9:
                ws_write(request.conn, 10, data)
            if opcode not in (1, 2):
                continue
            message = json.loads(data)
            RECORDER.write({"event": "ws", "host": request.host, "message": message})
            if message.get("type") != "response.create":
                continue
            # `generate: false` only warms the connection up.
            if message.get("generate") is False:
                events = [{"type": "response.created", "response": {"id": "resp_0"}},
                          self.completed([])]
            else:
                events = self.events_for(message)
            for event in events:
                ws_write(request.conn, 1, json.dumps(event).encode())


class ChatGPT(OpenAI):
    """The same behind a subscription: the paths are another's, and so is what is shown."""

    PREFIX = "/backend-api/codex"

    def __init__(self, options):
        super().__init__(options)
        self.key = None

    def handle(self, request, response):
        if request.path == "/backend-api/wham/accounts/check":
            # Where the account's traffic goes: Codex asks before its first prompt.
            account = {"id": request.get("chatgpt-account-id"), "name": "me", "structure": "personal", "plan_type": "plus",
                       "is_deactivated": False, "can_access_with_session": True, "sso_connection_name": None,
                       "is_fedramp_compliant_workspace": False, "workspace_backend_origin": "https://chatgpt.com",
                       "account_routing_override": "us", "profile_picture_url": None}
            response.json(200, {"accounts": [account], "account_ordering": [account["id"]], "default_account_id": account["id"]})
            return
        if request.path.startswith(self.PREFIX):
            request.path = "/v1" + request.path[len(self.PREFIX):]
        super().handle(request, response)


class Anthropic:
    """The part of the Messages API that Claude Code uses."""

    def __init__(self, options):
        self.key = read_key(options.anthropic_key_file)
        self.answer = options.answer

    def handle(self, request, response):
        if self.key is not None and request.get("x-api-key") != self.key:
            response.json(401, {"type": "error", "error": {"type": "authentication_error",
                                                           "message": "invalid x-api-key"}})
        elif request.path == "/v1/messages/count_tokens":
            response.json(200, {"input_tokens": 7})
        elif request.path == "/v1/messages" and request.method == "POST":
            self.message(request, response)
        elif request.path == "/v1/models":
            response.json(200, {"data": [], "has_more": False, "first_id": None, "last_id": None})
        else:
            # Telemetry, settings and the like: there is nothing for this account.
            response.json(200 if request.method == "POST" else 404, {})

    def message(self, request, response):
        asked = json.loads(request.body or b"{}")
        usage = {"input_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                 "output_tokens": 5}
        message = {"id": "msg_fake", "type": "message", "role": "assistant",
                   "model": asked.get("model", "claude"), "content": [], "stop_reason": None,
                   "stop_sequence": None, "usage": usage}
        fields = [("request-id", "req_fake")]
        if not asked.get("stream"):
            message.update(content=[{"type": "text", "text": self.answer}], stop_reason="end_turn")
            response.json(200, message, fields)
            return
        response.start_chunked("text/event-stream; charset=utf-8", fields)
        response.event({"type": "message_start", "message": message})
        response.event({"type": "content_block_start", "index": 0,
                        "content_block": {"type": "text", "text": ""}})
        response.event({"type": "ping"})
        for word in self.answer.split(" "):
            response.event({"type": "content_block_delta", "index": 0,
                            "delta": {"type": "text_delta", "text": word + " "}})
        response.event({"type": "content_block_stop", "index": 0})
        response.event({"type": "message_delta", "usage": usage,
                        "delta": {"stop_reason": "end_turn", "stop_sequence": None}})
        response.event({"type": "message_stop"})
        response.end_chunked()


class GitHub:
    """git over smart HTTP: /owner/repo.git, made at start with one commit."""

    def __init__(self, options):
        self.token = read_key(options.github_token_file)
        self.root = None

    def make_repository(self):
        self.root = tempfile.mkdtemp(prefix="fake-git-")
        bare = os.path.join(self.root, "owner", "repo.git")
        env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
            env.pop(variable, None)

        def git(*args, stdin=b""):
            return subprocess.run(("git", "-C", bare) + args, input=stdin, env=env, check=True,
                                  stdout=subprocess.PIPE).stdout.strip().decode()

        os.makedirs(bare)
        git("init", "-q", "--bare", "-b", "main")
        git("config", "http.receivepack", "true")
        blob = git("hash-object", "-w", "--stdin", stdin=b"hello from the fake\n")
        tree = git("mktree", stdin=f"100644 blob {blob}\tREADME\n".encode())
        who = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t",
               "GIT_COMMITTER_EMAIL": "t@t"}
        env.update(who)
        git("update-ref", "refs/heads/main", git("commit-tree", tree, "-m", "first"))

    def handle(self, request, response):
        expected = base64.b64encode(f"x-access-token:{self.token}".encode()).decode()
        if self.token is not None and request.get("authorization") != "Basic " + expected:
            response.full(401, "authentication required\n",
                          fields=[("WWW-Authenticate", 'Basic realm="fake"')])
            return
        if self.root is None:
            self.make_repository()
        env = {"PATH": os.environ.get("PATH", ""), "GIT_PROJECT_ROOT": self.root,
               "GIT_HTTP_EXPORT_ALL": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
               "REQUEST_METHOD": request.method, "PATH_INFO": urllib.parse.unquote(request.path),
               "QUERY_STRING": request.query_text, "REMOTE_USER": "t", "REMOTE_ADDR": "127.0.0.1",
               "CONTENT_TYPE": request.get("content-type"),
               "CONTENT_LENGTH": str(request.body_length),
               "HTTP_CONTENT_ENCODING": request.get("content-encoding"),
               "GIT_PROTOCOL": request.get("git-protocol"),
               "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
               "GIT_CONFIG_VALUE_0": "*"}
        done = subprocess.run(["git", "http-backend"], input=request.body, env=env,
                              stdout=subprocess.PIPE, check=False)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        status, fields = 200, []
        for line in head.decode("latin-1").split("\r\n"):
            name, _, value = line.partition(":")
            if name.lower() == "status":
                status = int(value.split()[0])
            elif name:
                fields.append((name, value.strip()))
        response.head(status, fields + [("Content-Length", len(body))])
        response.conn.send(body)


class Telegram:
    """The bot token is a path segment; the answer repeats the path."""

    def handle(self, request, response):
        response.json(200, {"ok": True, "result": {"path": request.target}})


def bad_responses(request):
    """Responses that a proxy must not forward as they are, by name."""
    secret = request.get("authorization", "none")
    filler = "x" * (1 << 20)
    return {
        "two-lengths": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "length-list": "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        "length-and-chunked": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "negative-length": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "bad-chunk-size": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        "bad-chunk-end": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
        "unknown-coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: rot13, chunked\r\n\r\n0\r\n\r\n",
        "coding-after-chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "huge-head": f"HTTP/1.1 200 OK\r\nX-Big: {filler}\r\nContent-Length: 0\r\n\r\n",
        "bare-lf": "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        "nul-in-head": "HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\nContent-Length: 0\r\n\r\n",
        "bare-cr": "HTTP/1.1 200 OK\r\nX-Cr: a\rb\r\nContent-Length: 0\r\n\r\n",
        "space-before-colon": "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
        "folded": "HTTP/1.1 200 OK\r\nX-A: one\r\n two\r\nContent-Length: 0\r\n\r\n",
        "bad-status-line": "HTTQ/1.1 whatever\r\n\r\n",
        "bad-status-code": "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "not-http": "220 smtp.example ESMTP\r\n",
        "empty": "",
        "unasked-101": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\n\r\n" + secret,
        "short-body": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        "cut-chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nonly this",
    }


def stored_brotli(data):
    """RFC 7932 with uncompressed meta-blocks: a window of 16 bits, MNIBBLES 4, ISUNCOMPRESSED."""
    out, bits, count = bytearray(), 0, 0

    def put(value, size):
        nonlocal bits, count
        bits |= value << count
        count += size
        while count >= 8:
            out.append(bits & 255)
            bits >>= 8
            count -= 8

    put(0, 1)  # WBITS 16
    for at in range(0, len(data), 60000):
        part = data[at:at + 60000]
        put(0, 1)  # ISLAST
        put(0, 2)
        put(len(part) - 1, 16)
        put(1, 1)
        put(0, -count % 8)
        out += part
    put(3, 2)  # the last one, and empty
    put(0, -count % 8)
    return bytes(out)


def stored_zstd(data):
    """RFC 8878: one frame of raw blocks, single segment."""
    out = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data))
    parts = [data[at:at + 60000] for at in range(0, len(data), 60000)] or [b""]
    for i, part in enumerate(parts):
        out += struct.pack("<I", len(part) << 3 | (i == len(parts) - 1))[:3] + part
    return out


class Echo:
    """echo.test and every other name: behaviour by path."""

    def __init__(self, options):
        self.any_path = options.any_path

    def handle(self, request, response):
        first = request.path.split("/")[1]
        name = "do_" + first.replace("-", "_")
        handler = getattr(self, name, None)
        if handler is None and self.any_path:
            self.do_echo(request, response)
        elif handler is None:
            response.json(404, {"error": "no such path", "target": request.target})
        else:
            handler(request, response)

    # -- reflection
    @staticmethod
    def reflected(request):
        return {"method": request.method, "target": request.target,
                "headers": [list(field) for field in request.headers],
                "body": (request.body or b"").decode("latin-1"), "trailers": request.trailers}

    def do_echo(self, request, response):
        response.json(200, self.reflected(request))

    def do_echo_gzip(self, request, response):
        body = gzip.compress(json.dumps(self.reflected(request)).encode())
        response.full(200, body, "application/json", [("Content-Encoding", "gzip")])

    def do_reflect(self, request, response):
        """The credential in the form &form=, and in the content coding &coding=."""
        value = request.get(request.query.get("name", "authorization"))
        value = value.removeprefix("Bearer ")
        raw = value.encode("latin-1")
        wide = base64.b64encode(b"p" * 50 + raw + b"s" * 70).decode()
        some = lambda escape: "".join(escape(c) if i % 3 else c for i, c in enumerate(value))
        forms = {
            "raw": value,
            "html": html.escape(value), "html-decimal": some(lambda c: f"&#{ord(c)};"),
            "html-hex": some(lambda c: f"&#x{ord(c):04X};"),
            "percent-partly": some(lambda c: f"%{ord(c):02x}"),
            "json-partly": json.dumps(value).replace("/", "\\/")[1:-1],
            "json-unicode": some(lambda c: f"\\u{ord(c):04x}"),
            "json-in-json": json.dumps(json.dumps({"k": some(lambda c: f"\\u{ord(c):04X}")})),
            "x-partly": some(lambda c: f"\\x{ord(c):02x}"),
            "mime": base64.encodebytes(b"p" * 50 + raw + b"s" * 70).decode(),
            "pem": "\n".join(wide[i:i + 64] for i in range(0, len(wide), 64)),
            "mime-in-json": json.dumps(base64.encodebytes(b"p" * 50 + raw + b"s" * 70).decode()),
            "base64-percent": urllib.parse.quote(base64.b64encode(b"u:" + raw).decode(), safe=""),
            "hex-colon": raw.hex(":"), "hex-space": raw.hex(" ").upper(), "hex-dash": raw.hex("-"),
            "hex-lines": raw.hex(":", 1)[:45] + "\n    " + raw.hex(":", 1)[45:],
            "hex-mixed": "".join(c.upper() if i % 3 else c for i, c in enumerate(raw.hex())),
            "utf-16": value.encode("utf-16-le").decode("latin-1"),
        }
        body = ("<" + forms[request.query["form"]] + ">\n").encode("latin-1")
        coding = request.query.get("coding", "identity")
        coded = {
            "identity": lambda: body, "gzip": lambda: gzip.compress(body),
            "deflate": lambda: zlib.compress(body), "raw-deflate": lambda: zlib.compress(body)[2:-4],
            # Stored: the formats without their compressors.
            "br": lambda: stored_brotli(body), "zstd": lambda: stored_zstd(body),
            "gzip, br": lambda: stored_brotli(gzip.compress(body)),
        }[coding]()
        fields = [] if coding == "identity" else [
            ("Content-Encoding", coding.removeprefix("raw-"))]
        response.full(200, coded, "text/plain", fields + [("X-Form", request.query["form"])])

    def do_echo_header(self, request, response):
        value = request.get(request.query.get("name", "authorization"))
        response.full(200, "see the head\n", fields=[
            ("X-Reflected", value), ("Location", "https://evil.test/?k=" + value),
            ("Set-Cookie", "k=" + value + "; Path=/")])

    def do_split(self, request, response):
        """The credential in two writes: `at` bytes of it in the first. With &as=chunked|gzip."""
        value = request.get(request.query.get("name", "authorization")).encode("latin-1")
        at, how = request.integer("at", 1), request.query.get("as", "length")
        body = b"before " + value + b" after\n"
        cut = len(b"before ") + at
        if how == "gzip":
            whole = gzip.compress(body)
            parts = whole[:cut % len(whole)], whole[cut % len(whole):]
            response.start_chunked("text/plain", [("Content-Encoding", "gzip")])
        elif how == "chunked":
            parts = body[:cut], body[cut:]
            response.start_chunked("text/plain")
        else:
            parts = body[:cut], body[cut:]
            response.head(200, [("Content-Type", "text/plain"), ("Content-Length", len(body))])
        for part in parts:
            if not part:
                continue
            if how == "length":
                response.conn.send(part)
            else:
                response.chunk(part)
            time.sleep(0.02)
        if how != "length":
            response.end_chunked()

    # -- well-formed streams
    def do_chunked(self, request, response):
        response.start_chunked("application/octet-stream")
        for size in (1, 2, 3, 5, 8, 1000, 1, 4096, 65536, 7):
            response.chunk(b"c" * size)
        response.end_chunked()

    def do_sse(self, request, response):
        """`n` events, `ms` apart, each with the time of its sending."""
        response.start_chunked("text/event-stream")
        for i in range(request.integer("n", 5)):
            if i:
                time.sleep(request.integer("ms", 200) / 1000)
            response.chunk(f"data: {i} {time.monotonic():.6f}\n\n")
        response.end_chunked()

    def do_upload(self, request, response):
        response.json(200, {"bytes": request.body_length, "sha256": request.body_sha256,
                            "chunked": request.chunked})

    def do_download(self, request, response):
        left = request.integer("bytes", 1 << 20)
        block = bytes(range(256)) * 256
        response.head(200, [("Content-Type", "application/octet-stream"), ("Content-Length", left)])
        while left > 0 and request.method != "HEAD":
            part = block[:left]
            response.conn.send(part)
            left -= len(part)

    def do_trailers(self, request, response):
        response.start_chunked("text/plain", [("Trailer", "X-Checksum")])
        response.chunk("with a trailer\n")
        response.end_chunked([("X-Checksum", "abc"),
                              ("X-Reflected", request.get("authorization"))])

    def do_close_delimited(self, request, response):
        response.head(200, [("Content-Type", "text/plain"), ("Connection", "close")])
        response.conn.send(b"until the end\n")
        if request.query.get("cut") != "1":
            response.conn.end()
        raise Closed

    def do_early_hints(self, request, response):
        response.conn.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
        response.full(200, "after the hints\n")

    def do_status(self, request, response):
        status = int(request.path.split("/")[2])
        if status in (204, 304):
            response.head(status, [], "Empty")
        else:
            response.full(status, f"status {status}\n")

    def do_redirect(self, request, response):
        response.full(302, "elsewhere\n", fields=[
            ("Location", request.query.get("to", "https://elsewhere.test/there"))])

    def do_cookies(self, request, response):
        response.full(200, "cookies\n", fields=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"),
                                                ("Alt-Svc", 'h3=":443"; ma=86400')])

    # -- timing and breakage
    def do_slow(self, request, response):
        time.sleep(request.integer("ms", 1000) / 1000)
        response.full(200, "late\n")

    def do_stall_head(self, request, response):
        response.conn.wait_close(request.integer("ms", 60000) / 1000)
        raise Closed

    def do_stall_body(self, request, response):
        response.head(200, [("Content-Length", 100)])
        response.conn.send(b"first part\n")
        response.conn.wait_close(request.integer("ms", 60000) / 1000)
        raise Closed

    def do_reset(self, request, response):
        if "after" in request.query:
            response.head(200, [("Content-Length", 1 << 20)])
            response.conn.send(b"x" * request.integer("after", 0))
            time.sleep(0.05)
        response.conn.reset()

    def do_half_close(self, request, response):
        """The whole response, then only our direction is shut."""
        response.full(200, "half closed\n")
        if not response.conn.tls:
            response.conn.sock.shutdown(socket.SHUT_WR)
        response.conn.wait_close(10)
        raise Closed

    def do_bad(self, request, response):
        text = bad_responses(request).get(request.path.split("/")[2])
        if text is None:
            response.json(404, {"known": sorted(bad_responses(request))})
            return
        response.conn.send(text.encode("latin-1"))
        raise Closed

    def do_smuggle(self, request, response):
        """A second response after the first, which nobody asked for."""
        extra = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"
        response.conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst" + extra)
        response.conn.wait_close(2)
        raise Closed

    # -- request bodies under negotiation; the body is still on the wire here
    def do_100(self, request, response):
        expected = request.get("expect").lower() == "100-continue"
        if expected:
            response.conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.consume()
        response.json(200, {"expected": expected, "bytes": request.body_length,
                            "sha256": request.body_sha256})

    def do_417(self, request, response):
        response.head(417, [("Content-Length", 0), ("Connection", "close")], "Expectation Failed")
        raise Closed

    def do_early_413(self, request, response):
        body = b"too large\n"
        response.head(413, [("Content-Length", len(body)), ("Connection", "close")], "Too Large")
        response.conn.send(body)
        response.conn.wait_close(request.integer("ms", 2000) / 1000)
        raise Closed

    # -- WebSocket
    def do_ws(self, request, response):
        if request.get("upgrade").lower() != "websocket":
            response.json(426, {"error": "websocket only"})
            return
        protocol = request.get("sec-websocket-protocol")
        fields = [("Sec-WebSocket-Protocol", protocol.split(",")[0])] if protocol else []
        ws_switch(request, response, fields)
        while True:
            opcode, data = ws_read(request.conn)
            if opcode == 8:
                ws_write(request.conn, 8, data)
                raise Closed
            ws_write(request.conn, 10 if opcode == 9 else opcode, data)


# These decide for themselves when, and whether, to read the body.
BODY_LATER = ("/100", "/417", "/early-413")


class Recorder:
    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8") if path else None
        self.lock = threading.Lock()

    def write(self, record):
        if self.file:
            with self.lock:
                self.file.write(json.dumps(record) + "\n")
                self.file.flush()

    def request(self, request):
        conn = request.conn
        # A body only where it was asked for: ?record.
        body = {"body": request.body.decode("latin-1")} if request.body and "record" in request.query else {}
        self.write({"event": "request", "time": time.time(), "conn": conn.ident, "count": conn.count,
                    "tls": conn.tls, "sni": conn.sni, "host": request.host,
                    "method": request.method, "target": request.target, "version": request.version,
                    "headers": [list(field) for field in request.headers],
                    "chunked": request.chunked, "body_length": request.body_length,
                    "body_sha256": request.body_sha256, "trailers": request.trailers, **body})


RECORDER = Recorder(None)


def read_key(path):
    if not path:
        return None
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


class Server:
    def __init__(self, options):
        echo = Echo(options)
        github = GitHub(options)
        self.hosts = {"api.openai.com": OpenAI(options), "api.anthropic.com": Anthropic(options),
                      "chatgpt.com": ChatGPT(options),
                      "github.com": github, "api.telegram.org": Telegram()}
        self.echo = echo
        self.certs = options.certs
        self.contexts = {}
        self.next_conn = 0
        self.lock = threading.Lock()

    def context_for(self, name):
        """SNI chooses the certificate: expired.test presents expired.pem, and so on."""
        stem = (name or "").split(".")[0]
        if stem not in ("expired", "wronghost", "untrusted"):
            stem = "server"
        with self.lock:
            if stem not in self.contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                context.load_cert_chain(f"{self.certs}/{stem}.pem", f"{self.certs}/{stem}.key")
                context.set_alpn_protocols(["http/1.1"])
                self.contexts[stem] = context
            return self.contexts[stem]

    def serve(self, sock, tls):
        names = []
        with self.lock:
            self.next_conn += 1
            ident = self.next_conn
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if tls:
                base = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                base.minimum_version = ssl.TLSVersion.TLSv1_2
                base.load_cert_chain(f"{self.certs}/server.pem", f"{self.certs}/server.key")

                def choose(channel, name, _):
                    names.append(name)
                    channel.context = self.context_for(name)

                base.sni_callback = choose
                base.set_alpn_protocols(["http/1.1"])
                try:
                    sock = base.wrap_socket(sock, server_side=True)
                except (OSError, ssl.SSLError) as error:
                    RECORDER.write({"event": "tls-failed", "conn": ident, "sni": names[-1:],
                                    "error": str(error)})
                    return
            conn = Conn(sock, ident, tls, names[-1] if names else None)
            while True:
                self.one_request(conn)
        except Closed:
            pass
        except Exception as error:  # a bug of the fake must be visible, not a hang
            print(f"fake_upstream: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            try:
                sock.close()
            except OSError:
                pass

    def one_request(self, conn):
        head = conn.read_until(b"\r\n\r\n")
        conn.count += 1
        request = Request(conn, head)
        response = Response(request)
        if not request.path.startswith(BODY_LATER):
            if request.get("expect").lower() == "100-continue":
                conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.consume(keep=not request.path.startswith("/upload"))
        RECORDER.request(request)
        self.hosts.get(request.host_name, self.echo).handle(request, response)
        if request.get("connection").lower() == "close":
            raise Closed

    def listen(self, tls, port):
        listener = socket.create_server(("127.0.0.1", port), backlog=256)

        def loop():
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=self.serve, args=(sock, tls), daemon=True).start()

        threading.Thread(target=loop, daemon=True).start()
        return listener.getsockname()[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certs", required=True, help="directory made by make_certs.sh")
    parser.add_argument("--log", help="JSON lines, one per request")
    parser.add_argument("--https-port", type=int, default=0)
    parser.add_argument("--http-port", type=int, default=0)
    parser.add_argument("--expect-openai-key-file", dest="openai_key_file")
    parser.add_argument("--expect-anthropic-key-file", dest="anthropic_key_file")
    parser.add_argument("--expect-github-token-file", dest="github_token_file")
    parser.add_argument("--openai-ws", default="426",
                        help="'serve', or the status that refuses the upgrade")
    parser.add_argument("--openai-tool", help="a shell command that the model has run before it answers")
    parser.add_argument("--any-path", action="store_true",
                        help="a path that means nothing here is answered with the request")
    parser.add_argument("--answer", default="Hello from the fake model.")
    options = parser.parse_args()

    global RECORDER
    RECORDER = Recorder(options.log)
    server = Server(options)
    ports = {"https": server.listen(True, options.https_port),
             "http": server.listen(False, options.http_port), "pid": os.getpid()}
    print(json.dumps(ports), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
