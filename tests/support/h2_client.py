"""An HTTP/2 client that can say anything: frames and header blocks byte by byte (RFC 9113, RFC 7541).

    c = H2("echo.test")                     through the environment's proxy, ALPN h2
    c.headers(1, get("/x"), END_STREAM | END_HEADERS)
    reply = c.response(1)                   Response(status, fields, body), or why there is none

H2_DIRECT=HOST:PORT in the environment connects there, without a proxy. Standard library only.
"""

import os
import socket
import ssl
import struct
import time

import proxy_client

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, \
    CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY_FLAG = 1, 1, 4, 8, 32
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED,
 FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM,
 INADEQUATE_SECURITY, HTTP_1_1_REQUIRED) = range(14)
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, \
    MAX_HEADER_LIST_SIZE = range(1, 7)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# RFC 7541 appendix A, as "name" or "name=value".
STATIC = (
    ":authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https "
    ":status=200 :status=204 :status=206 :status=304 :status=400 :status=404 :status=500 "
    "accept-charset accept-encoding=gzip,_deflate accept-language accept-ranges accept "
    "access-control-allow-origin age allow authorization cache-control content-disposition "
    "content-encoding content-language content-length content-location content-range content-type "
    "cookie date etag expect expires from host if-match if-modified-since if-none-match if-range "
    "if-unmodified-since last-modified link location max-forwards proxy-authenticate "
    "proxy-authorization range referer refresh retry-after server set-cookie strict-transport-security "
    "transfer-encoding user-agent vary via www-authenticate").split(" ")
STATIC = [tuple((entry.replace("_", " ") + "=").split("=")[:2]) for entry in STATIC]

# RFC 7541 appendix B: the length in bits of each symbol's code, 0 to 9 and a to z. The code is
# canonical: symbols in order of length and value.
_LENGTHS = ("dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca"
            "d67777777777777777777777878djde6f56565666577666567655677777fbeds"
            "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn"
            "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq"
            "u")


def _codes():
    codes, code, length = {}, 0, 0
    for size, symbol in sorted((int(c, 36), i) for i, c in enumerate(_LENGTHS)):
        code <<= size - length
        length = size
        codes[(size, code)] = symbol
        code += 1
    return codes


HUFFMAN = _codes()
HUFFMAN_OF = {symbol: key for key, symbol in HUFFMAN.items()}


def huffman(data):
    bits, count = 0, 0
    for byte in data:
        size, code = HUFFMAN_OF[byte]
        bits, count = bits << size | code, count + size
    pad = -count % 8
    return (bits << pad | (1 << pad) - 1).to_bytes((count + pad) // 8, "big")


def unhuffman(data):
    out, code, size = bytearray(), 0, 0
    for byte in data:
        for shift in range(7, -1, -1):
            code, size = code << 1 | byte >> shift & 1, size + 1
            symbol = HUFFMAN.get((size, code))
            if symbol is not None:
                out.append(symbol)
                code, size = 0, 0
    return bytes(out)


def integer(value, prefix, first=0):
    limit = (1 << prefix) - 1
    if value < limit:
        return bytes([first | value])
    out, value = [first | limit], value - limit
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + [value])


def text(value):
    return value if isinstance(value, bytes) else value.encode("latin-1")


def literal(name, value, first=0x00):
    """A field without indexing (0x00), never indexed (0x10) or with indexing (0x40); no Huffman."""
    name, value = text(name), text(value)
    return bytes([first]) + integer(len(name), 7) + name + integer(len(value), 7) + value


def block(fields):
    return b"".join(literal(name, value) for name, value in fields)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(*pairs):
    return b"".join(struct.pack(">HI", key, value) for key, value in pairs)


class Decoder:
    """HPACK for what comes back; the peer's encoder uses the dynamic table and Huffman."""

    def __init__(self):
        self.table, self.limit = [], 4096

    def entry(self, index):
        return STATIC[index - 1] if index <= len(STATIC) else self.table[index - len(STATIC) - 1]

    def insert(self, name, value):
        self.table.insert(0, (name, value))
        while sum(len(n) + len(v) + 32 for n, v in self.table) > self.limit:
            self.table.pop()

    def decode(self, data):
        fields, at = [], 0

        def number(prefix):
            nonlocal at
            value = data[at] & (1 << prefix) - 1
            at += 1
            if value < (1 << prefix) - 1:
                return value
            shift = 0
            while True:
                byte = data[at]
                at += 1
                value += (byte & 127) << shift
                shift += 7
                if not byte & 128:
                    return value

        def string():
            nonlocal at
            coded = data[at] & 0x80
            size = number(7)
            raw = data[at:at + size]
            at += size
            return (unhuffman(raw) if coded else raw).decode("latin-1")

        while at < len(data):
            first = data[at]
            if first & 0x80:
                fields.append(self.entry(number(7)))
            elif first & 0xE0 == 0x20:
                self.limit = number(5)
                self.insert("", "")
                self.table.pop(0) if self.table else None
            else:
                index = number(6 if first & 0x40 else 4)
                name = self.entry(index)[0] if index else string()
                value = string()
                fields.append((name, value))
                if first & 0x40:
                    self.insert(name, value)
        return fields


class Response:
    def __init__(self):
        self.status, self.fields, self.body, self.trailers = None, [], b"", []
        self.ended, self.reset = False, None

    def get(self, name):
        return next((v for n, v in self.fields if n == name), None)


class Gone(Exception):
    """The connection has ended; .code of the GOAWAY, or None when there was none."""

    def __init__(self, code):
        super().__init__(f"connection ended, GOAWAY {code}")
        self.code = code


CONTEXTS = {}


def dial(host, alpn=("h2",)):
    direct = os.environ.get("H2_DIRECT")
    if direct:
        name, port = direct.rsplit(":", 1)
        sock = socket.create_connection((name, int(port)), timeout=10)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        sock = proxy_client.connect(host + ":443")
        context = CONTEXTS.get(alpn)
        if context is None:  # reading all the roots takes a while
            context = CONTEXTS[alpn] = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    context.set_alpn_protocols(list(alpn))
    return context.wrap_socket(sock, server_hostname=host)


class H2:
    patience = 5.0

    def __init__(self, host, pairs=(), preface=PREFACE, auto=True):
        self.host, self.sock, self.buffer = host, dial(host), b""
        if self.sock.selected_alpn_protocol() != "h2":
            raise ConnectionError(f"ALPN: {self.sock.selected_alpn_protocol()}")
        self.decoder, self.partial = Decoder(), None
        self.responses, self.pongs, self.goaway = {}, [], None
        self.settings_acks, self.peer = 0, {}
        self.updates, self.data_frames, self.received = [], [], 0
        # Opens the windows again as data comes.
        self.auto = auto
        self.ended = False
        if preface is not None:
            self.send(preface + frame(SETTINGS, 0, 0, settings(*pairs)))

    # -- out
    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass  # the peer has ended the connection; what it said is read later

    def frame(self, kind, flags=0, stream=0, payload=b""):
        self.send(frame(kind, flags, stream, payload))

    def headers(self, stream, fields, flags=END_STREAM | END_HEADERS):
        self.frame(HEADERS, flags, stream, fields if isinstance(fields, bytes) else block(fields))

    def fields(self, path="/good/plain", method="GET", extra=(), authority=None):
        return [(":method", method), (":scheme", "https"), (":path", path),
                (":authority", authority or self.host), *extra]

    def request(self, stream, path="/good/plain", method="GET", extra=(), body=None, authority=None):
        last = END_HEADERS | (END_STREAM if body is None else 0)
        self.headers(stream, self.fields(path, method, extra, authority), last)
        if body is not None:
            self.frame(DATA, END_STREAM, stream, body)

    # -- in
    def read_frame(self, seconds):
        """The next frame; None when none comes in this time; Gone at the end."""
        end = time.monotonic() + seconds
        while True:
            if len(self.buffer) >= 9:
                size = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) >= 9 + size:
                    kind, flags = self.buffer[3], self.buffer[4]
                    stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
                    payload, self.buffer = self.buffer[9:9 + size], self.buffer[9 + size:]
                    return kind, flags, stream, payload
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(65536)
            except TimeoutError:
                return None
            except OSError:
                data = b""
            if not data:
                self.ended = True
                raise Gone(self.goaway)
            self.buffer += data

    def take(self, kind, flags, stream, payload):
        reply = self.responses.setdefault(stream, Response()) if stream else None
        if kind in (HEADERS, CONTINUATION):
            if kind == HEADERS:
                pad = payload[0] if flags & PADDED else 0
                at = (1 if flags & PADDED else 0) + (5 if flags & PRIORITY_FLAG else 0)
                self.partial = [flags & END_STREAM, payload[at:len(payload) - pad]]
            else:
                self.partial[1] += payload
            if flags & END_HEADERS:
                fields = self.decoder.decode(self.partial[1])
                status = next((v for n, v in fields if n == ":status"), None)
                if status is None:
                    reply.trailers = fields
                elif int(status) >= 200:
                    reply.status, reply.fields = int(status), fields
                reply.ended = reply.ended or bool(self.partial[0])
        elif kind == DATA:
            pad = payload[0] + 1 if flags & PADDED else 0
            body = payload[1:len(payload) - pad + 1] if pad else payload
            reply.body += body
            reply.ended = reply.ended or bool(flags & END_STREAM)
            self.received += len(payload)
            self.data_frames.append((stream, len(payload)))
            if self.auto and payload:
                update = struct.pack(">I", len(payload))
                self.send(frame(WINDOW_UPDATE, 0, 0, update) +
                          (b"" if flags & END_STREAM else frame(WINDOW_UPDATE, 0, stream, update)))
        elif kind == RST_STREAM:
            reply.reset = int.from_bytes(payload, "big")
        elif kind == SETTINGS:
            if flags & ACK:
                self.settings_acks += 1
            else:
                for i in range(0, len(payload), 6):
                    key, value = struct.unpack(">HI", payload[i:i + 6])
                    self.peer[key] = value
                self.frame(SETTINGS, ACK)
        elif kind == PING:
            if flags & ACK:
                self.pongs.append(payload)
            else:
                self.frame(PING, ACK, 0, payload)
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        elif kind == WINDOW_UPDATE:
            self.updates.append((stream, int.from_bytes(payload, "big")))

    def pump(self, done, seconds=None):
        """Reads frames until done(); False when that does not come in time."""
        end = time.monotonic() + (self.patience if seconds is None else seconds)
        while not done():
            got = self.read_frame(max(0.0, end - time.monotonic()))
            if got is None:
                return False
            self.take(*got)
        return True

    def of(self, stream):
        return self.responses.setdefault(stream, Response())

    def response(self, stream, seconds=None):
        """Waits for the end or the reset of a stream."""
        reply = self.of(stream)
        self.pump(lambda: reply.ended or reply.reset is not None, seconds)
        return reply

    def ping(self, payload=b"pingping"):
        """True when the peer is there and has read everything so far."""
        count = len(self.pongs)
        self.frame(PING, 0, 0, payload)
        return self.pump(lambda: len(self.pongs) > count)

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass
