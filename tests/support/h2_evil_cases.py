"""What an HTTP/2 upstream may answer, case by case (RFC 9113, RFC 7541); h2_evil_upstream.py plays the
cases, h2_responses.py judges what becomes of them at the client.

A case is a function of the upstream's connection `c`, the stream `s` of the request and the value `v`
that came with it, which each case puts where it might come back. What the client may get:

    bad                  an answer of the proxy's own
    cut                  a beginning that does not look complete
    passes(STATUS, BODY) this, and nothing else; "{v}" in BODY stands for what the proxy makes of v
    either(...)          one of several, where it depends on what is read first

`alone`: the error is the stream's, so another stream of the same connection must come to its end.
"""

import base64
import hashlib
import struct
import zlib

from h2_client import *  # noqa: F403  the vocabulary of frames

CASES = []
END_ALL = END_STREAM | END_HEADERS
SOME_TIME = 0.15


def bad(reply):
    return None if reply.own and reply.status == 502 else f"passed on: {reply}"


def cut(reply):
    return None if not reply.complete or reply.own else f"looks complete: {reply}"


def passes(status, body=""):
    def judge(reply):
        want = body.encode("latin-1")
        if not reply.complete:
            return f"cut: {reply}"
        got = reply.body
        if b"{v}" in want:
            before, after = want.split(b"{v}")
            middle = got[len(before):len(got) - len(after)]
            if not (got.startswith(before) and got.endswith(after)) or not middle or \
                    b"redacted" not in middle and b"***" not in middle:
                return f"not masked: {reply}"
        elif got != want:
            return f"another body: {reply}"
        return None if reply.status == status and not reply.own else f"another answer: {reply}"
    return judge


def either(*judges):
    def judge(reply):
        problems = [one(reply) for one in judges]
        return None if None in problems else problems[0]
    return judge


def case(title, judge, alone=False, **how):
    def register(function):
        CASES.append((title, judge, alone, how, function))
        return function
    return register


def ok(v, *extra):
    return [(":status", "200"), ("x-echo", v), *extra]


def answer(c, s, v, body=b"body", *extra):
    c.headers(s, ok(v, *extra), END_HEADERS)
    c.frame(DATA, END_STREAM, s, body)


# -- 8.3.2: the status

for _title, _fields in (
        ("no :status", []),
        ("two :status", [(":status", "200"), (":status", "500")]),
        ("two equal :status", [(":status", "200"), (":status", "200")]),
        (":status behind a field", [("x-a", "b"), (":status", "200")]),
        ("an unknown pseudo-header field", [(":status", "200"), (":test", "{v}")]),
        (":method in a response", [(":status", "200"), (":method", "GET")]),
        (":path in a response", [(":status", "200"), (":path", "/{v}")]),
        (":authority in a response", [(":status", "200"), (":authority", "else.test")]),
        (":scheme in a response", [(":status", "200"), (":scheme", "https")]),
        (":protocol in a response", [(":status", "200"), (":protocol", "websocket")]),
        (":Status", [(":Status", "200")]),
        *((f":status {status!r}", [(":status", status)]) for status in (
            "", "20", "2000", "0200", "abc", "2x0", "+20", "-20", " 200", "200 ", "200 OK", "2e2", "000",
            "099", "600", "999", "101", "200\r\nx-smuggled: 1", "200\0", "\xb2\xb0\xb0", "{v}")),
):
    @case(_title, bad, alone=True)
    def _(c, s, v, fields=_fields):
        c.headers(s, [(n, x.replace("{v}", v)) for n, x in fields] + [("x-echo", v)], END_HEADERS)
        c.frame(DATA, END_STREAM, s, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen")


# -- 8.2: fields

for _title, _extra in (
        ("a name in upper case", [("X-Upper", "a")]),
        ("an empty name", [("", "a")]),
        ("a name with a space", [("x a", "b")]),
        ("a name with a colon inside", [("x:a", "b")]),
        ("a name with CR LF", [("x\r\nset-cookie: stolen", "b")]),
        ("a name with a NUL", [("x\0a", "b")]),
        ("a name above ASCII", [(b"x\xff", "b")]),
        ("a value with CR LF", [("x-a", "b\r\nset-cookie: stolen=1")]),
        ("a value with CR LF CR LF and another response",
         [("x-a", "b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen")]),
        ("a value with a bare LF", [("x-a", "b\nset-cookie: stolen=1")]),
        ("a value with a bare CR", [("x-a", "b\rset-cookie: stolen=1")]),
        ("a value with a NUL", [("x-a", "b\0c")]),
        ("a value with a DEL", [("x-a", "b\x7fc")]),
        ("a value with a space before", [("x-a", " b")]),
        ("a value with a tab behind", [("x-a", "b\t")]),
        ("Connection", [("connection", "close")]),
        ("Connection that names another field", [("connection", "content-length")]),
        ("Keep-Alive", [("keep-alive", "timeout=5")]),
        ("Proxy-Connection", [("proxy-connection", "keep-alive")]),
        ("Upgrade", [("upgrade", "websocket")]),
        ("Transfer-Encoding", [("transfer-encoding", "chunked")]),
        ("TE", [("te", "gzip")]),
        ("two lengths", [("content-length", "4"), ("content-length", "5")]),
        ("two equal lengths", [("content-length", "4"), ("content-length", "4")]),
        ("a length with a sign", [("content-length", "+4")]),
        ("a negative length", [("content-length", "-4")]),
        ("a length that is a list", [("content-length", "4, 4")]),
        ("a hexadecimal length", [("content-length", "0x4")]),
        ("an empty length", [("content-length", "")]),
        ("a length that overflows", [("content-length", "18446744073709551620")]),
):
    @case(_title, bad, alone=True)
    def _(c, s, v, extra=_extra):
        answer(c, s, v, b"body", *extra)


@case("a head of 70 000 bytes", bad)
def _(c, s, v):
    data = block(ok(v)) + b"".join(literal(f"x-{i}", "y" * 1000) for i in range(70))
    c.frame(HEADERS, 0, s, data[:16000])
    for at in range(16000, len(data), 16000):
        c.frame(CONTINUATION, END_HEADERS if at + 16000 >= len(data) else 0, s, data[at:at + 16000])
    c.frame(DATA, END_STREAM, s, b"body")


@case("a head of 3000 fields", bad)
def _(c, s, v):
    c.headers(s, ok(v, *[("a", "b")] * 3000), END_HEADERS)
    c.frame(DATA, END_STREAM, s, b"body")


@case("the value as a name", passes(200, "body"), alone=True)
def _(c, s, v):
    answer(c, s, v, b"body", (v.replace(" ", "-").lower(), "1"))


@case("the value in two halves of a header block", passes(200, "<{v}>"), alone=True)
def _(c, s, v):
    data = block(ok(v))
    half = data.index(v.encode()) + len(v) // 2
    c.frame(HEADERS, 0, s, data[:half])
    c.frame(CONTINUATION, END_HEADERS, s, data[half:])
    c.frame(DATA, END_STREAM, s, f"<{v}>".encode())


@case("the value from the dynamic table", passes(200, "body"), alone=True)
def _(c, s, v):
    c.headers(s, b"\x88" + literal("x-echo", v, 0x40) + b"\xbe" * 5, END_HEADERS)
    c.frame(DATA, END_STREAM, s, b"body")


@case("the value in Huffman code", passes(200, "body"), alone=True)
def _(c, s, v):
    coded = huffman(v.encode())
    c.headers(s, b"\x88\x00\x06x-echo" + integer(len(coded), 7, 0x80) + coded, END_HEADERS)
    c.frame(DATA, END_STREAM, s, b"body")


# -- 8.1.1: lengths

@case("DATA longer than its length", cut, alone=True)
def _(c, s, v):
    answer(c, s, v, b"bodyHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen", ("content-length", "4"))


@case("DATA shorter than its length", cut, alone=True)
def _(c, s, v):
    answer(c, s, v, b"body", ("content-length", "400"))


@case("several DATA that exceed the length", cut, alone=True)
def _(c, s, v):
    c.headers(s, ok(v, ("content-length", "10")), END_HEADERS)
    for _ in range(4):
        c.frame(DATA, 0, s, b"body")
    c.frame(DATA, END_STREAM, s, b"")


@case("a length and no DATA", bad, alone=True)
def _(c, s, v):
    c.headers(s, ok(v, ("content-length", "4")), END_ALL)


@case("a length of zero, with DATA", either(bad, cut, passes(200)), alone=True)
def _(c, s, v):
    answer(c, s, v, b"body", ("content-length", "0"))


@case("trailers before the length is reached", cut, alone=True)
def _(c, s, v):
    c.headers(s, ok(v, ("content-length", "400")), END_HEADERS)
    c.frame(DATA, 0, s, b"body")
    c.headers(s, [("x-trailer", v)], END_ALL)


@case("a length that is right", passes(200, "body"), alone=True)
def _(c, s, v):
    answer(c, s, v, b"body", ("content-length", "4"))


for _status in ("204", "304"):
    @case(f"{_status} with DATA", either(bad, cut, passes(int(_status))), alone=True)
    def _(c, s, v, status=_status):
        c.headers(s, [(":status", status), ("x-echo", v)], END_HEADERS)
        c.frame(DATA, END_STREAM, s, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen")

    @case(f"{_status} with a length and DATA", either(bad, cut, passes(int(_status))), alone=True)
    def _(c, s, v, status=_status):
        c.headers(s, [(":status", status), ("x-echo", v), ("content-length", "6")], END_HEADERS)
        c.frame(DATA, END_STREAM, s, b"stolen")


@case("205 with DATA, which frames itself", passes(205, "body"), alone=True)
def _(c, s, v):
    c.headers(s, [(":status", "205"), ("x-echo", v)], END_HEADERS)
    c.frame(DATA, END_STREAM, s, b"body")


@case("HEAD with DATA", either(bad, cut, passes(200)), alone=True, method="HEAD")
def _(c, s, v):
    answer(c, s, v, b"stolen")


@case("HEAD with a length and DATA", either(bad, cut, passes(200)), alone=True, method="HEAD")
def _(c, s, v):
    answer(c, s, v, b"stolen", ("content-length", "6"))


@case("HEAD with a length", passes(200), alone=True, method="HEAD")
def _(c, s, v):
    c.headers(s, ok(v, ("content-length", "400")), END_ALL)


@case("304 with the length that another answer would have", passes(304), alone=True)
def _(c, s, v):
    c.headers(s, [(":status", "304"), ("content-length", "400")], END_ALL)


# -- 8.1: order

@case("DATA before HEADERS", bad)
def _(c, s, v):
    c.frame(DATA, 0, s, b"stolen")
    answer(c, s, v)


@case("DATA and nothing else", bad)
def _(c, s, v):
    c.frame(DATA, END_STREAM, s, b"stolen")


@case("END_STREAM without HEADERS", bad)
def _(c, s, v):
    c.frame(DATA, END_STREAM, s, b"")


@case("a second head without END_STREAM", cut, alone=True)
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.headers(s, [(":status", "200"), ("set-cookie", "stolen=1")], END_HEADERS)
    c.frame(DATA, END_STREAM, s, b"stolen")


@case("a second head behind the body", cut, alone=True)
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.frame(DATA, 0, s, b"body")
    c.headers(s, [(":status", "200"), ("set-cookie", "stolen=1")], END_HEADERS)
    c.frame(DATA, END_STREAM, s, b"stolen")


@case("an interim response behind the final one", cut, alone=True)
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.headers(s, [(":status", "103")], END_HEADERS)
    c.frame(DATA, END_STREAM, s, b"stolen")


for _title, _fields in (
        ("with :status", [(":status", "200")]),
        ("with :path", [(":path", "/{v}")]),
        ("with an unknown pseudo-header field", [(":test", "{v}")]),
        ("with a name in upper case", [("X-Sum", "1")]),
        ("with Connection", [("connection", "close")]),
        ("with a length", [("content-length", "400")]),
        ("with Transfer-Encoding", [("transfer-encoding", "chunked")]),
        ("with CR LF", [("x-sum", "1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen")]),
        ("with a NUL", [("x-sum", "1\x002")]),
):
    @case(f"trailers {_title}", cut, alone=True)
    def _(c, s, v, fields=_fields):
        c.headers(s, ok(v), END_HEADERS)
        c.frame(DATA, 0, s, b"body")
        c.headers(s, [(n, x.replace("{v}", v)) for n, x in fields], END_ALL)


@case("trailers with cookies, a location, credentials and the value", passes(200, "body"), alone=True)
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.frame(DATA, 0, s, b"body")
    c.headers(s, [("set-cookie", "stolen=1"), ("location", "https://else.test/"),
                  ("alt-svc", 'h3="stolen.test:443"'), ("authorization", v), ("x-sum", v)], END_ALL)


@case("DATA behind the trailers", either(cut, passes(200, "body")))
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.frame(DATA, 0, s, b"body")
    c.headers(s, [("x-sum", v)], END_ALL)
    c.frame(DATA, END_STREAM, s, b"stolen")


@case("a whole second response on the same stream", either(cut, passes(200, "body")))
def _(c, s, v):
    answer(c, s, v)
    c.headers(s, [(":status", "200"), ("x-seen", "GET /stolen")], END_HEADERS)
    c.frame(DATA, END_STREAM, s, b"stolen")


# -- interim responses

for _status in ("100", "102", "103", "199"):
    @case(f"{_status} that ends the stream", bad, alone=True)
    def _(c, s, v, status=_status):
        c.headers(s, [(":status", status), ("x-echo", v)], END_ALL)


@case("101", bad, alone=True)
def _(c, s, v):
    c.headers(s, [(":status", "101"), ("x-echo", v)], END_HEADERS)
    c.frame(DATA, END_STREAM, s, b"stolen")


@case("an interim response and DATA", bad, alone=True)
def _(c, s, v):
    c.headers(s, [(":status", "103")], END_HEADERS)
    c.frame(DATA, END_STREAM, s, b"stolen")


@case("an interim response with a length, then a good one", either(bad, passes(200, "body")), alone=True)
def _(c, s, v):
    c.headers(s, [(":status", "103"), ("content-length", "400"), ("link", v)], END_HEADERS)
    answer(c, s, v)


@case("interim responses with the value", passes(200, "body"), alone=True)
def _(c, s, v):
    for _ in range(3):
        c.headers(s, [(":status", "103"), ("link", f"<{v}>"), ("alt-svc", "h3=:443")], END_HEADERS)
    answer(c, s, v)


@case("ten thousand interim responses", bad)
def _(c, s, v):
    c.send(frame(HEADERS, END_HEADERS, s, block([(":status", "103"), ("link", v)])) * 10000)
    answer(c, s, v)


@case("interim responses for a while", bad)
def _(c, s, v):
    for _ in range(200):
        c.headers(s, [(":status", "103"), ("link", v)], END_HEADERS)
        c.pump(0.001)
    answer(c, s, v)


# -- streams that nobody has asked for

@case("a response on an idle stream", bad)
def _(c, s, v):
    answer(c, s + 100, v, b"stolen")
    answer(c, s, v)


@case("a response on a stream of the server's", bad)
def _(c, s, v):
    answer(c, 2, v, b"stolen")
    answer(c, s, v)


@case("a response on stream 0", bad)
def _(c, s, v):
    answer(c, 0, v, b"stolen")
    answer(c, s, v)


@case("DATA on an idle stream", bad)
def _(c, s, v):
    c.frame(DATA, END_STREAM, s + 100, b"stolen")
    answer(c, s, v)


@case("PUSH_PROMISE", bad)
def _(c, s, v):
    c.frame(PUSH_PROMISE, END_HEADERS, s, struct.pack(">I", 2) + block(
        [(":method", "GET"), (":scheme", "https"), (":path", "/stolen"), (":authority", c.host)]))
    answer(c, 2, v, b"stolen")
    answer(c, s, v)


@case("PUSH_PROMISE on stream 0", bad)
def _(c, s, v):
    c.frame(PUSH_PROMISE, END_HEADERS, 0, struct.pack(">I", 2) + block([(":method", "GET")]))
    answer(c, s, v)


@case("SETTINGS that enable pushes, then one", bad)
def _(c, s, v):
    c.frame(SETTINGS, 0, 0, settings((ENABLE_PUSH, 1)))
    c.frame(PUSH_PROMISE, END_HEADERS, s, struct.pack(">I", 2) + block([(":method", "GET")]))
    answer(c, s, v)


# -- SETTINGS

for _pair in ((ENABLE_PUSH, 1), (ENABLE_PUSH, 2), (INITIAL_WINDOW_SIZE, 1 << 31), (MAX_FRAME_SIZE, 16383),
              (MAX_FRAME_SIZE, 1 << 24)):
    @case(f"SETTINGS {_pair}", bad)
    def _(c, s, v, pair=_pair):
        c.frame(SETTINGS, 0, 0, settings(pair))
        answer(c, s, v)


for _title, _flags, _stream, _payload in (
        ("on a stream", 0, None, settings((MAX_CONCURRENT_STREAMS, 1))),
        ("of five bytes", 0, 0, b"\0\1\0\0\0"),
        ("acknowledged with a payload", ACK, 0, settings((MAX_CONCURRENT_STREAMS, 1))),
        ("acknowledged too often", ACK, 0, b"")):
    @case(f"SETTINGS {_title}", bad)
    def _(c, s, v, flags=_flags, stream=_stream, payload=_payload):
        if flags:
            c.pump(SOME_TIME)  # ours have been acknowledged, and theirs by us
        c.frame(SETTINGS, flags, s if stream is None else stream, payload)
        answer(c, s, v)


@case("SETTINGS of every legal extreme", passes(200, "body"), alone=True)
def _(c, s, v):
    c.frame(SETTINGS, 0, 0, settings((HEADER_TABLE_SIZE, 0), (MAX_HEADER_LIST_SIZE, 0), (MAX_FRAME_SIZE, 16384),
                                     (INITIAL_WINDOW_SIZE, (1 << 31) - 1), (0xFFFF, 0xFFFFFFFF)))
    answer(c, s, v)


@case("SETTINGS that permit no stream: others go elsewhere", passes(200, "body"), alone=True)
def _(c, s, v):
    c.frame(SETTINGS, 0, 0, settings((MAX_CONCURRENT_STREAMS, 0)))
    answer(c, s, v)


@case("a flood of SETTINGS", bad)
def _(c, s, v):
    c.flood(frame(SETTINGS, 0, 0, settings((INITIAL_WINDOW_SIZE, 65535))) * 100, 1000)
    answer(c, s, v)


@case("a flood of PING", bad)
def _(c, s, v):
    c.flood(frame(PING, 0, 0, b"\0" * 8) * 100, 1000)
    answer(c, s, v)


@case("a flood of empty DATA", either(bad, cut))
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.flood(frame(DATA, 0, s) * 100, 1000)
    c.frame(DATA, END_STREAM, s, b"body")


@case("a flood of DATA that is all padding", either(bad, cut))
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.flood(frame(DATA, PADDED, s, b"\xff" + v.encode()[:1] * 255) * 20, 1000)
    c.frame(DATA, END_STREAM, s, b"body")


@case("a flood of PRIORITY", either(bad, passes(200, "body")))
def _(c, s, v):
    c.flood(frame(PRIORITY, 0, 1, struct.pack(">IB", 0, 1)) * 100, 500)
    answer(c, s, v)


@case("a flood of WINDOW_UPDATE", either(bad, passes(200, "body")))
def _(c, s, v):
    c.flood(frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 100, 500)
    answer(c, s, v)


@case("a flood of unknown frames", either(bad, passes(200, "body")))
def _(c, s, v):
    c.flood(frame(0x42, 0, 0, v.encode()) * 100, 500)
    answer(c, s, v)


@case("a flood of RST_STREAM for streams that are over", either(bad, passes(200, "body")))
def _(c, s, v):
    c.frame(WINDOW_UPDATE, 0, s, b"\0\0\0\1")
    answer(c, s, v)
    c.flood(frame(RST_STREAM, 0, s, struct.pack(">I", CANCEL)) * 100, 300)


# -- header blocks

@case("an HPACK bomb", bad)
def _(c, s, v):
    data = b"\x88" + literal("x-a", "b" * 4000, 0x40) + b"\xbe" * 12000
    c.frame(HEADERS, 0, s, data[:16000])
    c.frame(CONTINUATION, END_HEADERS, s, data[16000:])
    c.frame(DATA, END_STREAM, s, b"body")


for _title, _tail in (
        ("index 0", b"\x80"),
        ("an index beyond the tables", b"\xff\x80\x01"),
        ("an integer that does not end", b"\x7f" + b"\x80" * 30 + b"\x01"),
        ("a string that is not all there", b"\x00\x01x\x7f\x40abc"),
        ("Huffman with the end of string", b"\x00\x01x\x84\xff\xff\xff\xff"),
        ("Huffman padded with zeros", b"\x00\x01x\x81\x18"),
        ("a table size behind a field", b"\x20"),
        ("a table size above the setting", integer(1 << 20, 5, 0x20))):
    @case(f"HPACK: {_title}", bad)
    def _(c, s, v, tail=_tail):
        c.headers(s, b"\x88" + tail, END_HEADERS)
        c.frame(DATA, END_STREAM, s, b"body")


@case("a flood of CONTINUATION", bad)
def _(c, s, v):
    c.frame(HEADERS, 0, s, block(ok(v)))
    c.flood(frame(CONTINUATION, 0, s, literal("x-a", "b" * 1000)), 20000)


@case("a flood of empty CONTINUATION", bad)
def _(c, s, v):
    c.frame(HEADERS, 0, s, block(ok(v)))
    c.flood(frame(CONTINUATION, 0, s) * 100, 1000)


@case("DATA within a header block", bad)
def _(c, s, v):
    c.frame(HEADERS, 0, s, block(ok(v)))
    c.frame(DATA, END_STREAM, s, b"stolen")


@case("CONTINUATION of nothing", bad)
def _(c, s, v):
    c.frame(CONTINUATION, END_HEADERS, s, block(ok(v)))
    answer(c, s, v)


@case("a header block that is never finished", bad)
def _(c, s, v):
    c.frame(HEADERS, 0, s, block(ok(v)))
    c.close()


# -- frames

@case("DATA larger than SETTINGS_MAX_FRAME_SIZE", either(bad, cut))
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.frame(DATA, END_STREAM, s, b"x" * 16385)


@case("HEADERS larger than SETTINGS_MAX_FRAME_SIZE", bad)
def _(c, s, v):
    c.frame(HEADERS, END_ALL, s, block(ok(v)) + literal("x-a", "b" * 17000))


@case("the largest length of a frame that there is", either(bad, cut))
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.send(b"\xff\xff\xff" + bytes([DATA, 0]) + struct.pack(">I", s) + b"x" * 1000)


@case("DATA with padding, the value in it and around it", passes(200, "<{v}>"), alone=True)
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    text = f"<{v}>".encode()
    for i, byte in enumerate(text):
        pad = v.encode()[:200]
        c.frame(DATA, PADDED | (END_STREAM if i + 1 == len(text) else 0), s,
                bytes([len(pad), byte]) + pad)


@case("HEADERS with padding and priority", passes(200, "body"), alone=True)
def _(c, s, v):
    pad = v.encode()[:200]
    c.frame(HEADERS, END_HEADERS | PADDED | PRIORITY_FLAG, s,
            bytes([len(pad)]) + struct.pack(">IB", 0, 255) + block(ok(v)) + pad)
    c.frame(DATA, END_STREAM, s, b"body")


@case("padding longer than DATA", either(bad, cut))
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.frame(DATA, END_STREAM | PADDED, s, b"\xffbody")


@case("padding longer than HEADERS", bad)
def _(c, s, v):
    data = block(ok(v))
    c.frame(HEADERS, END_ALL | PADDED, s, bytes([255]) + data)


@case("RST_STREAM of three bytes", bad)
def _(c, s, v):
    c.frame(RST_STREAM, 0, s, b"\0\0\0")
    answer(c, s, v)


@case("garbage instead of frames", bad)
def _(c, s, v):
    c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen" * 20)


@case("the end of TLS within a frame", bad)
def _(c, s, v):
    c.send(frame(HEADERS, END_ALL, s, block(ok(v)))[:20])
    c.close()


# -- windows

@case("WINDOW_UPDATE of 0 for the connection", bad)
def _(c, s, v):
    c.frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0")
    answer(c, s, v)


@case("WINDOW_UPDATE of 0 for the stream", bad)
def _(c, s, v):
    c.frame(WINDOW_UPDATE, 0, s, b"\0\0\0\0")
    answer(c, s, v)


@case("WINDOW_UPDATE beyond 2^31 for the connection", bad)
def _(c, s, v):
    c.frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff")
    answer(c, s, v)


@case("WINDOW_UPDATE beyond 2^31 for the stream", bad, alone=True)
def _(c, s, v):
    c.frame(WINDOW_UPDATE, 0, s, b"\x7f\xff\xff\xff")
    answer(c, s, v)


@case("SETTINGS that make a window overflow", bad)
def _(c, s, v):
    c.frame(WINDOW_UPDATE, 0, s, struct.pack(">I", (1 << 31) - 1 - 65535))
    c.frame(SETTINGS, 0, 0, settings((INITIAL_WINDOW_SIZE, 70000)))
    answer(c, s, v)


@case("WINDOW_UPDATE of five bytes", bad)
def _(c, s, v):
    c.frame(WINDOW_UPDATE, 0, s, b"\0\0\0\1\0")
    answer(c, s, v)


@case("more DATA than any window permits", either(bad, cut))
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.flood(frame(DATA, 0, s, b"x" * 16384), 4000)
    c.frame(DATA, END_STREAM, s, b"")


# -- ends

@case("RST_STREAM before the head", bad, alone=True)
def _(c, s, v):
    c.frame(RST_STREAM, 0, s, struct.pack(">I", INTERNAL_ERROR))


@case("RST_STREAM that refuses: once more", passes(200, "again"), alone=True)
def _(c, s, v):
    if c.first():
        c.frame(RST_STREAM, 0, s, struct.pack(">I", REFUSED_STREAM))
    else:
        answer(c, s, v, b"again")


@case("RST_STREAM that refuses, always", bad)
def _(c, s, v):
    c.frame(RST_STREAM, 0, s, struct.pack(">I", REFUSED_STREAM))


for _name, _code in (("NO_ERROR", NO_ERROR), ("CANCEL", CANCEL), ("REFUSED_STREAM", REFUSED_STREAM),
                     ("an unknown code", 0xFFFFFFFF)):
    @case(f"RST_STREAM behind the head: {_name}", either(bad, cut), alone=True)
    def _(c, s, v, code=_code):
        c.headers(s, ok(v), END_HEADERS)
        c.frame(RST_STREAM, 0, s, struct.pack(">I", code))

    @case(f"RST_STREAM in the body: {_name}", cut, alone=True)
    def _(c, s, v, code=_code):
        c.headers(s, ok(v, ("content-length", "400")), END_HEADERS)
        c.frame(DATA, 0, s, b"body\n")
        c.pump(SOME_TIME)
        c.frame(RST_STREAM, 0, s, struct.pack(">I", code))


@case("RST_STREAM behind the end", passes(200, "body"), alone=True)
def _(c, s, v):
    answer(c, s, v)
    c.frame(RST_STREAM, 0, s, struct.pack(">I", NO_ERROR))


@case("GOAWAY that leaves the request out: once more", passes(200, "again"))
def _(c, s, v):
    if c.first():
        c.frame(GOAWAY, 0, 0, struct.pack(">II", s - 2 if s > 1 else 0, NO_ERROR) + v.encode())
        answer(c, s, v, b"stolen")
        c.pump(SOME_TIME)
        c.close()
    else:
        answer(c, s, v, b"again")


@case("GOAWAY that takes the request in, then the answer", passes(200, "body"), alone=True)
def _(c, s, v):
    c.frame(GOAWAY, 0, 0, struct.pack(">II", 0x7FFFFFFF, NO_ERROR) + v.encode())
    answer(c, s, v)


@case("GOAWAY, DATA, GOAWAY, and the end of the connection", cut)
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.frame(GOAWAY, 0, 0, struct.pack(">II", 0x7FFFFFFF, NO_ERROR))
    c.frame(DATA, 0, s, b"body")
    c.frame(GOAWAY, 0, 0, struct.pack(">II", s, INTERNAL_ERROR) + v.encode())
    c.close()


@case("GOAWAY whose last stream grows", either(bad, passes(200, "body"), passes(200, "again")))
def _(c, s, v):
    if c.first():
        c.frame(GOAWAY, 0, 0, struct.pack(">II", 0, NO_ERROR))
        c.frame(GOAWAY, 0, 0, struct.pack(">II", 0x7FFFFFFF, NO_ERROR))
        answer(c, s, v)
        c.close()
    else:
        answer(c, s, v, b"again")


@case("GOAWAY of seven bytes", bad)
def _(c, s, v):
    c.frame(GOAWAY, 0, 0, b"\0" * 7)
    answer(c, s, v)


@case("the connection ends before END_STREAM", cut)
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.frame(DATA, 0, s, b"body")
    c.close()


@case("the connection ends before END_STREAM, without close_notify", cut)
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.frame(DATA, 0, s, b"body")
    c.abort()


@case("the connection ends behind all bytes of the length, without END_STREAM",
      either(cut, passes(200, "body")))
def _(c, s, v):
    c.headers(s, ok(v, ("content-length", "4")), END_HEADERS)
    c.frame(DATA, 0, s, b"body")
    c.abort()


@case("the connection ends behind the head", either(bad, cut))
def _(c, s, v):
    c.headers(s, ok(v), END_HEADERS)
    c.close()


@case("the connection ends without a word", either(bad, passes(200, "again")))
def _(c, s, v):
    if c.first():
        c.abort()
    else:
        answer(c, s, v, b"again")


GRPC = ("content-type", "application/grpc")


@case("a gRPC message that is compressed without a word", cut, alone=True)
def _(c, s, v):
    data = zlib.compress(v.encode(), wbits=31)
    c.headers(s, ok(v, GRPC), END_HEADERS)
    c.frame(DATA, 0, s, b"\x01" + struct.pack(">I", len(data)) + data)
    c.headers(s, [("grpc-status", "0")], END_ALL)


@case("a gRPC message that is compressed and says so", bad, alone=True)
def _(c, s, v):
    data = zlib.compress(v.encode(), wbits=31)
    c.headers(s, ok(v, GRPC, ("grpc-encoding", "gzip")), END_HEADERS)
    c.frame(DATA, 0, s, b"\x01" + struct.pack(">I", len(data)) + data)
    c.headers(s, [("grpc-status", "0")], END_ALL)


@case("gRPC messages", passes(200, "\0\0\0\0\x05hello\0\0\0\0{v}"), alone=True)
def _(c, s, v):
    c.headers(s, ok(v, GRPC), END_HEADERS)
    for text in ("hello", v):
        c.frame(DATA, 0, s, b"\0" + struct.pack(">I", len(text)) + text.encode())
    c.headers(s, [("grpc-status", "0")], END_ALL)


@case("digests of a body with the value in it", passes(200, "<{v}>"), alone=True)
def _(c, s, v):
    body = f"<{v}>".encode()
    digest = "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"
    c.headers(s, ok(v, ("repr-digest", digest), ("digest", digest)), END_HEADERS)
    c.frame(DATA, 0, s, body)
    c.headers(s, [("content-digest", digest)], END_ALL)


@case("a plain response", passes(200, "<{v}>"), alone=True)
def _(c, s, v):
    answer(c, s, v, f"<{v}>".encode())
