"""The conformance cases of h2_conformance.py: RFC 9113 and RFC 7541 in the manner of h2spec, and attacks.

A case is a function of a fresh connection `c` that returns nothing when the peer did what it must,
and raises Wrong otherwise. Its path begins with /good when the upstream may see the request and with
/bad when it must not.
"""

import struct
import time

from h2_client import *  # noqa: F403  the vocabulary of frames
from h2_client import H2, Gone, Response

CASES = []


class Wrong(Exception):
    pass


def case(section, title, **how):
    def register(function):
        CASES.append((section, title, function, how))
        return function
    return register


# -- what the peer must do

def connection_error(c, *codes):
    """GOAWAY with one of the codes, or at least the end."""
    try:
        if not c.pump(lambda: c.goaway not in (None, NO_ERROR)):
            raise Wrong("no connection error" + (f", stream errors: {resets(c)}" if resets(c) else ""))
        if c.goaway not in codes:
            raise Wrong(f"GOAWAY {c.goaway} instead of {codes}")
        c.pump(lambda: False, 2)
    except Gone as gone:
        if gone.code not in (None, NO_ERROR) and gone.code not in codes:
            raise Wrong(f"GOAWAY {gone.code} instead of {codes}") from None
        return
    raise Wrong("GOAWAY, but the connection stays open")


def resets(c):
    return {stream: reply.reset for stream, reply in c.responses.items() if reply.reset is not None}


def stream_error(c, stream, *codes):
    """RST_STREAM with one of the codes, an error of the connection, or the refusal of the request."""
    reply = c.of(stream)
    try:
        if not c.pump(lambda: reply.reset is not None or reply.ended or c.goaway not in (None, NO_ERROR)):
            raise Wrong("neither a stream error nor a refusal")
    except Gone as gone:
        if gone.code is not None and gone.code not in codes:
            raise Wrong(f"GOAWAY {gone.code} instead of {codes}") from None
        return
    if c.goaway not in (None, NO_ERROR):
        if c.goaway not in codes:
            raise Wrong(f"GOAWAY {c.goaway} instead of {codes}")
    elif reply.reset is not None:
        if reply.reset not in codes and not (reply.status or 0) >= 400:
            raise Wrong(f"RST_STREAM {reply.reset} instead of {codes}")
    elif not 400 <= (reply.status or 0) < 500:
        raise Wrong(f"status {reply.status}")
    else:
        return
    if c.goaway in (None, NO_ERROR):
        alive(c, stream + 2 | 1)


def fine(c, stream=1, status=200, seen=None):
    reply = c.response(stream)
    if reply.status is None or reply.reset is not None and not reply.ended:
        raise Wrong(f"status {reply.status}, RST_STREAM {reply.reset}, GOAWAY {c.goaway}")
    if status is not None and reply.status != status:
        raise Wrong(f"status {reply.status} instead of {status}: {reply.body[:200]!r}")
    if seen is not None and reply.get("x-seen") != seen:
        raise Wrong(f"seen {reply.get('x-seen')!r} instead of {seen!r}")
    return reply


def alive(c, stream=101):
    """The connection still serves."""
    c.request(stream, "/good/alive")
    fine(c, stream)


def refused(c, stream, *statuses):
    reply = c.response(stream)
    if reply.reset is not None and reply.status is None:
        return reply
    if reply.status not in statuses:
        raise Wrong(f"status {reply.status} instead of {statuses}: {reply.body[:200]!r}")
    return reply


def malformed(c, fields, body=None):
    """A malformed request (RFC 9113 section 8.1.1) is a stream error of type PROTOCOL_ERROR."""
    c.headers(1, fields, END_HEADERS | (END_STREAM if body is None else 0))
    if body is not None:
        c.frame(DATA, END_STREAM, 1, body)
    stream_error(c, 1, PROTOCOL_ERROR)


def open_stream(c, stream=1, path="/good/open"):
    """Headers without the end: the stream is open."""
    c.headers(stream, c.fields(path, "POST"), END_HEADERS)


# -- 3.4, 4: preface and frames

@case("3.4", "a good preface")
def _(c):
    c.request(1)
    fine(c)
    if not c.settings_acks:
        raise Wrong("SETTINGS were not acknowledged")


@case("3.4", "a wrong preface ends the connection", preface=b"INVALID * HTTP/2.0\r\n\r\nSM\r\n\r\n")
def _(c):
    connection_error(c, PROTOCOL_ERROR)


@case("3.4", "a preface without SETTINGS", preface=None)
def _(c):
    c.send(PREFACE + frame(PING, 0, 0, b"12345678"))
    connection_error(c, PROTOCOL_ERROR)


@case("3.4", "HTTP/1.1 after h2 was agreed", preface=None)
def _(c):
    c.send(f"GET /bad/h1 HTTP/1.1\r\nHost: {c.host}\r\n\r\n".encode())
    connection_error(c, PROTOCOL_ERROR)


@case("4.1", "an unknown type of frame is ignored")
def _(c):
    c.frame(0x16, 0xFF, 0, b"\0" * 8)
    alive(c)


@case("4.1", "undefined flags are ignored")
def _(c):
    c.frame(PING, 0x16, 0, b"\0" * 8)
    alive(c)


@case("4.1", "the reserved bit is ignored")
def _(c):
    c.send(struct.pack(">I", 8)[1:] + bytes([PING, 0]) + struct.pack(">I", 0x80000000) + b"\0" * 8)
    alive(c)


@case("4.2", "DATA of 2^14 bytes")
def _(c):
    c.request(1, "/good/large", "POST", body=b"x" * 16384)
    fine(c)


@case("4.2", "DATA larger than SETTINGS_MAX_FRAME_SIZE")
def _(c):
    open_stream(c)
    c.frame(DATA, END_STREAM, 1, b"x" * ((c.peer.get(MAX_FRAME_SIZE) or 16384) + 1))
    connection_or_stream(c, 1, FRAME_SIZE_ERROR)


def connection_or_stream(c, stream, *codes):
    try:
        stream_error(c, stream, *codes)
    except Gone as gone:
        if gone.code is not None and gone.code not in codes:
            raise Wrong(f"GOAWAY {gone.code}") from None


@case("4.2", "HEADERS larger than SETTINGS_MAX_FRAME_SIZE")
def _(c):
    c.headers(1, c.fields("/bad/x", extra=[("a", "b" * 17000)]))
    connection_error(c, FRAME_SIZE_ERROR)


@case("4.3", "a header block that does not decode")
def _(c):
    c.headers(1, b"\x40\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
    connection_error(c, COMPRESSION_ERROR, PROTOCOL_ERROR)


@case("4.3", "another frame within a header block")
def _(c):
    c.headers(1, c.fields("/bad/x"), END_STREAM)
    c.frame(PRIORITY, 0, 1, struct.pack(">IB", 0, 255))
    c.frame(CONTINUATION, END_HEADERS, 1, block([("a", "b")]))
    connection_error(c, PROTOCOL_ERROR)


@case("4.3", "HEADERS of another stream within a header block")
def _(c):
    c.headers(1, c.fields("/bad/x"), END_STREAM)
    c.headers(3, c.fields("/bad/x"))
    connection_error(c, PROTOCOL_ERROR)


# -- 5.1: states

for _kind, _payload in ((DATA, b"x"), (RST_STREAM, b"\0\0\0\x08"), (WINDOW_UPDATE, b"\0\0\0\x64"),
                        (CONTINUATION, b"\x82")):
    @case("5.1", f"idle: frame type {_kind}")
    def _(c, kind=_kind, payload=_payload):
        c.frame(kind, END_HEADERS if kind == CONTINUATION else 0, 1, payload)
        connection_error(c, PROTOCOL_ERROR)


def half_closed(c):
    # A request that ends, with the answer not taken yet: no window for its body.
    c.request(1, "/good/half-closed")


@case("5.1", "half-closed (remote): DATA", pairs=((INITIAL_WINDOW_SIZE, 0),))
def _(c):
    half_closed(c)
    c.frame(DATA, END_STREAM, 1, b"x")
    stream_error_or_done(c, 1, STREAM_CLOSED)


@case("5.1", "half-closed (remote): HEADERS", pairs=((INITIAL_WINDOW_SIZE, 0),))
def _(c):
    half_closed(c)
    c.headers(1, c.fields("/bad/x"))
    stream_error_or_done(c, 1, STREAM_CLOSED, PROTOCOL_ERROR)


@case("5.1", "half-closed (remote): CONTINUATION", pairs=((INITIAL_WINDOW_SIZE, 0),))
def _(c):
    half_closed(c)
    c.frame(CONTINUATION, END_HEADERS, 1, block([("a", "b")]))
    stream_error_or_done(c, 1, STREAM_CLOSED, PROTOCOL_ERROR)


def stream_error_or_done(c, stream, *codes):
    reply = c.of(stream)
    try:
        c.pump(lambda: reply.reset is not None or c.goaway not in (None, NO_ERROR))
    except Gone as gone:
        if gone.code is not None and gone.code not in codes:
            raise Wrong(f"GOAWAY {gone.code} instead of {codes}") from None
        return
    code = reply.reset if c.goaway in (None, NO_ERROR) else c.goaway
    if code not in codes:
        raise Wrong(f"{code} instead of {codes}")


@case("5.1", "half-closed (remote): WINDOW_UPDATE is taken", pairs=((INITIAL_WINDOW_SIZE, 0),))
def _(c):
    half_closed(c)
    c.frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1000))
    fine(c)


@case("5.1", "half-closed (remote): PRIORITY is ignored")
def _(c):
    half_closed(c)
    c.frame(PRIORITY, 0, 1, struct.pack(">IB", 0, 255))
    fine(c)


for _kind, _flags, _payload in ((DATA, END_STREAM, b"x"), (HEADERS, END_STREAM | END_HEADERS, None),
                                (CONTINUATION, END_HEADERS, b"\x82")):
    @case("5.1", f"closed by RST_STREAM: frame type {_kind}")
    def _(c, kind=_kind, flags=_flags, payload=_payload):
        open_stream(c)
        c.frame(RST_STREAM, 0, 1, struct.pack(">I", CANCEL))
        c.frame(kind, flags, 1, block(c.fields("/bad/x")) if payload is None else payload)
        after_closing(c, kind)

    @case("5.1", f"closed by END_STREAM: frame type {_kind}")
    def _(c, kind=_kind, flags=_flags, payload=_payload):
        c.request(1, "/good/closed")
        fine(c)
        c.frame(kind, flags, 1, block(c.fields("/bad/x")) if payload is None else payload)
        after_closing(c, kind)


def after_closing(c, kind):
    """STREAM_CLOSED, on the stream or the connection; DATA that crossed a reset may be ignored."""
    try:
        if c.ping() and c.goaway in (None, NO_ERROR):
            if c.of(1).reset is None and kind == CONTINUATION:
                raise Wrong("a CONTINUATION of nothing was ignored")
            alive(c)
            return
        c.pump(lambda: False, 1)
    except Gone as gone:
        if gone.code not in (None, STREAM_CLOSED, PROTOCOL_ERROR):
            raise Wrong(f"GOAWAY {gone.code}") from None


@case("5.1", "closed: PRIORITY and WINDOW_UPDATE are ignored")
def _(c):
    c.request(1)
    fine(c)
    c.frame(PRIORITY, 0, 1, struct.pack(">IB", 0, 255))
    c.frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1))
    alive(c)


@case("5.1.1", "an even stream")
def _(c):
    c.headers(2, c.fields("/bad/x"))
    connection_error(c, PROTOCOL_ERROR)


@case("5.1.1", "a stream number smaller than the last")
def _(c):
    c.request(5)
    fine(c, 5)
    c.headers(3, c.fields("/bad/x"))
    # The RFC wants PROTOCOL_ERROR. nghttp2 does not remember which streams were ever open, and takes
    # this for a frame that crossed the end of its stream; then nothing may come of it.
    ignored_or_error(c, 3, PROTOCOL_ERROR, STREAM_CLOSED)


@case("5.1.2", "more streams than SETTINGS_MAX_CONCURRENT_STREAMS")
def _(c):
    c.ping()
    limit = c.peer.get(MAX_CONCURRENT_STREAMS)
    if limit is None or limit > 1000:
        raise Wrong(f"no sensible limit: {limit}")
    for i in range(limit + 1):
        open_stream(c, 2 * i + 1)
    last = 2 * limit + 1
    stream_error_or_done(c, last, REFUSED_STREAM, PROTOCOL_ERROR)


@case("5.3", "a stream that depends on itself: an error or nothing, never a loop")
def _(c):
    c.frame(PRIORITY, 0, 1, struct.pack(">IB", 1, 10))
    try:
        c.request(3)
        fine(c, 3)
    except Gone as gone:
        if gone.code not in (None, PROTOCOL_ERROR):
            raise Wrong(f"GOAWAY {gone.code}") from None


@case("5.4.1", "an error of the connection is told by GOAWAY, then it ends")
def _(c):
    c.frame(PING, 0, 1, b"\0" * 8)
    try:
        c.pump(lambda: False, 3)
    except Gone as gone:
        if gone.code != PROTOCOL_ERROR:
            raise Wrong(f"GOAWAY {gone.code}") from None
        return
    raise Wrong("open")


@case("5.5", "an unknown type of frame within a header block")
def _(c):
    c.headers(1, c.fields("/bad/x"), END_STREAM)
    c.frame(0x16, 0, 1, b"x")
    c.frame(CONTINUATION, END_HEADERS, 1, block([("a", "b")]))
    connection_error(c, PROTOCOL_ERROR)


def ignored_or_error(c, stream, *codes):
    try:
        c.ping()
        if c.goaway in (None, NO_ERROR):
            if c.of(stream).status is not None:
                raise Wrong(f"answered: {c.of(stream).status}")
            alive(c)
        elif c.goaway not in codes:
            raise Wrong(f"GOAWAY {c.goaway} instead of {codes}")
    except Gone as gone:
        if gone.code is not None and gone.code not in codes:
            raise Wrong(f"GOAWAY {gone.code} instead of {codes}") from None


# -- 6: frames

@case("6.1", "DATA on stream 0")
def _(c):
    c.frame(DATA, END_STREAM, 0, b"x")
    connection_error(c, PROTOCOL_ERROR)


@case("6.1", "DATA with padding")
def _(c):
    open_stream(c, 1, "/good/padded")
    c.frame(DATA, END_STREAM | PADDED, 1, b"\x05hello" + b"\0" * 5)
    fine(c, 1, seen="POST /good/padded")


@case("6.1", "padding longer than DATA")
def _(c):
    open_stream(c)
    c.frame(DATA, END_STREAM | PADDED, 1, b"\x16\x01\x02")
    connection_error(c, PROTOCOL_ERROR)


@case("6.2", "HEADERS on stream 0")
def _(c):
    c.headers(0, c.fields("/bad/x"))
    connection_error(c, PROTOCOL_ERROR)


@case("6.2", "HEADERS with padding and priority")
def _(c):
    payload = b"\x03" + struct.pack(">IB", 0, 255) + block(c.fields()) + b"\0" * 3
    c.frame(HEADERS, END_STREAM | END_HEADERS | PADDED | PRIORITY_FLAG, 1, payload)
    fine(c)


@case("6.2", "padding longer than HEADERS")
def _(c):
    data = block(c.fields("/bad/x"))
    c.frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, bytes([len(data) + 1]) + data)
    connection_error(c, PROTOCOL_ERROR)


@case("6.3", "PRIORITY on stream 0")
def _(c):
    c.frame(PRIORITY, 0, 0, struct.pack(">IB", 0, 255))
    # Who sent SETTINGS_NO_RFC7540_PRIORITIES may ignore the frame (RFC 9218 section 2.1).
    if 9 in c.peer or c.pump(lambda: 9 in c.peer, 1):
        ignored_or_error(c, 1, PROTOCOL_ERROR)
    else:
        connection_error(c, PROTOCOL_ERROR)


@case("6.3", "PRIORITY of another length")
def _(c):
    open_stream(c)
    c.frame(PRIORITY, 0, 1, b"\x80\0\0\1")
    connection_or_stream(c, 1, FRAME_SIZE_ERROR)


@case("6.4", "RST_STREAM on stream 0")
def _(c):
    c.frame(RST_STREAM, 0, 0, b"\0\0\0\x08")
    connection_error(c, PROTOCOL_ERROR)


@case("6.4", "RST_STREAM of another length")
def _(c):
    open_stream(c)
    c.frame(RST_STREAM, 0, 1, b"\0\0\0")
    connection_error(c, FRAME_SIZE_ERROR)


@case("6.5", "SETTINGS acknowledgement with a payload")
def _(c):
    c.frame(SETTINGS, ACK, 0, settings((ENABLE_PUSH, 0)))
    connection_error(c, FRAME_SIZE_ERROR)


@case("6.5", "SETTINGS on a stream")
def _(c):
    c.frame(SETTINGS, 0, 1, settings((MAX_CONCURRENT_STREAMS, 1)))
    connection_error(c, PROTOCOL_ERROR)


@case("6.5", "SETTINGS of a length that is no multiple of 6")
def _(c):
    c.frame(SETTINGS, 0, 0, b"\0\3\0")
    connection_error(c, FRAME_SIZE_ERROR)


for _pair, _code in (((ENABLE_PUSH, 2), PROTOCOL_ERROR),
                     ((INITIAL_WINDOW_SIZE, 0x80000000), FLOW_CONTROL_ERROR),
                     ((MAX_FRAME_SIZE, 16383), PROTOCOL_ERROR),
                     ((MAX_FRAME_SIZE, 1 << 24), PROTOCOL_ERROR)):
    @case("6.5.2", f"SETTINGS {_pair}")
    def _(c, pair=_pair, code=_code):
        c.frame(SETTINGS, 0, 0, settings(pair))
        connection_error(c, code)


@case("6.5.2", "an unknown setting is ignored")
def _(c):
    c.frame(SETTINGS, 0, 0, settings((0xFF, 1)))
    alive(c)


@case("6.5.3", "the last value of a setting counts", pairs=((INITIAL_WINDOW_SIZE, 100),
                                                           (INITIAL_WINDOW_SIZE, 1)), auto=False)
def _(c):
    c.request(1)
    c.pump(lambda: bool(c.data_frames))
    if [size for _, size in c.data_frames][:1] != [1]:
        raise Wrong(f"DATA of {c.data_frames}")


@case("6.5.3", "SETTINGS are acknowledged")
def _(c):
    c.pump(lambda: c.settings_acks > 0)
    before = c.settings_acks
    c.frame(SETTINGS, 0, 0, b"")
    if not c.pump(lambda: c.settings_acks > before):
        raise Wrong("no acknowledgement")


@case("6.6", "PUSH_PROMISE from a client")
def _(c):
    open_stream(c)
    c.frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + block(c.fields("/bad/x")))
    connection_error(c, PROTOCOL_ERROR)


@case("6.7", "PING is answered with its payload")
def _(c):
    if not c.ping(b"h2-pings") or c.pongs[-1] != b"h2-pings":
        raise Wrong(f"{c.pongs}")


@case("6.7", "a PING acknowledgement is not answered")
def _(c):
    c.frame(PING, ACK, 0, b"not-mine")
    c.ping()
    if b"not-mine" in c.pongs:
        raise Wrong("answered")


@case("6.7", "PING on a stream")
def _(c):
    c.frame(PING, 0, 1, b"\0" * 8)
    connection_error(c, PROTOCOL_ERROR)


@case("6.7", "PING of another length")
def _(c):
    c.frame(PING, 0, 0, b"\0" * 6)
    connection_error(c, FRAME_SIZE_ERROR)


@case("6.8", "GOAWAY on a stream")
def _(c):
    c.frame(GOAWAY, 0, 1, b"\0" * 8)
    connection_error(c, PROTOCOL_ERROR)


@case("6.8", "a request under way is answered after the client's GOAWAY")
def _(c):
    c.request(1)
    c.frame(GOAWAY, 0, 0, b"\0" * 8)
    fine(c)


@case("6.9", "WINDOW_UPDATE of 0 on the connection")
def _(c):
    c.frame(WINDOW_UPDATE, 0, 0, b"\0" * 4)
    connection_error(c, PROTOCOL_ERROR)


@case("6.9", "WINDOW_UPDATE of 0 on a stream")
def _(c):
    open_stream(c)
    c.frame(WINDOW_UPDATE, 0, 1, b"\0" * 4)
    stream_error(c, 1, PROTOCOL_ERROR)


@case("6.9", "WINDOW_UPDATE of another length")
def _(c):
    c.frame(WINDOW_UPDATE, 0, 0, b"\0\0\1")
    connection_error(c, FRAME_SIZE_ERROR)


@case("6.9.1", "a window of one byte sends one byte", pairs=((INITIAL_WINDOW_SIZE, 1),), auto=False)
def _(c):
    c.request(1)
    c.pump(lambda: bool(c.data_frames))
    c.ping()
    if sum(size for _, size in c.data_frames) != 1:
        raise Wrong(f"{c.data_frames}")


@case("6.9.1", "the window of the connection above 2^31-1")
def _(c):
    c.frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFFFFFF))
    c.frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFFFFFF))
    connection_error(c, FLOW_CONTROL_ERROR)


@case("6.9.1", "the window of a stream above 2^31-1")
def _(c):
    open_stream(c)
    c.frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 0x7FFFFFFF))
    c.frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 0x7FFFFFFF))
    stream_error(c, 1, FLOW_CONTROL_ERROR)


@case("6.9.2", "SETTINGS_INITIAL_WINDOW_SIZE opens streams that wait",
      pairs=((INITIAL_WINDOW_SIZE, 0),), auto=False)
def _(c):
    c.request(1)
    c.pump(lambda: c.of(1).status is not None)
    c.ping()
    if c.data_frames and any(size for _, size in c.data_frames):
        raise Wrong("DATA without a window")
    c.frame(SETTINGS, 0, 0, settings((INITIAL_WINDOW_SIZE, 1)))
    c.pump(lambda: any(size for _, size in c.data_frames))
    if sum(size for _, size in c.data_frames) != 1:
        raise Wrong(f"{c.data_frames}")


@case("6.9.2", "a window that became negative", pairs=((INITIAL_WINDOW_SIZE, 3),), auto=False)
def _(c):
    c.request(1)
    c.pump(lambda: sum(size for _, size in c.data_frames) == 3)
    c.frame(SETTINGS, 0, 0, settings((INITIAL_WINDOW_SIZE, 2)))
    c.frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 2))
    c.pump(lambda: sum(size for _, size in c.data_frames) > 3)
    c.ping()
    if sum(size for _, size in c.data_frames) != 4:
        raise Wrong(f"{c.data_frames}")


@case("6.9", "more DATA than the windows allow")
def _(c):
    open_stream(c, 1, "/good/overrun")
    c.ping()
    size = c.peer.get(MAX_FRAME_SIZE, 16384)
    room = max(c.peer.get(INITIAL_WINDOW_SIZE, 65535), 65535) + \
        sum(n for _, n in c.updates)
    # Nothing is read from the windows that open meanwhile: one write, larger than all of them.
    c.send(frame(DATA, 0, 1, b"x" * size) * (room * 8 // size))
    try:
        c.pump(lambda: c.goaway not in (None, NO_ERROR) or c.of(1).reset is not None)
    except Gone:
        return
    if c.goaway in (None, NO_ERROR) and c.of(1).reset is None:
        raise Wrong("eight times the window was taken")


@case("6.10", "header blocks in many CONTINUATION frames")
def _(c):
    data = block(c.fields("/good/continued", extra=[("a", "b"), ("c", "d")]))
    c.headers(1, data[:10], END_STREAM)
    for at in range(10, len(data), 30):
        c.frame(CONTINUATION, END_HEADERS if at + 30 >= len(data) else 0, 1, data[at:at + 30])
    fine(c, 1, seen="GET /good/continued")


@case("6.10", "CONTINUATION on stream 0")
def _(c):
    c.headers(1, block(c.fields("/bad/x"))[:10], END_STREAM)
    c.frame(CONTINUATION, END_HEADERS, 0, block(c.fields("/bad/x"))[10:])
    connection_error(c, PROTOCOL_ERROR)


@case("6.10", "CONTINUATION behind a whole header block")
def _(c):
    c.headers(1, c.fields("/good/x"), END_HEADERS)
    c.frame(CONTINUATION, END_HEADERS, 1, block([("a", "b")]))
    connection_error(c, PROTOCOL_ERROR)


@case("6.10", "CONTINUATION behind DATA")
def _(c):
    open_stream(c)
    c.frame(DATA, 0, 1, b"x")
    c.frame(CONTINUATION, END_HEADERS, 1, block([("a", "b")]))
    connection_error(c, PROTOCOL_ERROR)


@case("7", "unknown error codes are taken")
def _(c):
    open_stream(c)
    c.frame(RST_STREAM, 0, 1, struct.pack(">I", 0xFF))
    c.request(3)
    fine(c, 3)
    c.frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0xFF))
    try:
        c.ping()
    except Gone as gone:  # without streams there is nothing left to do
        if gone.code not in (None, NO_ERROR):
            raise Wrong(f"GOAWAY {gone.code}") from None


# -- 8: HTTP

@case("8.1", "GET, HEAD, POST and trailers")
def _(c):
    c.request(1, "/good/get")
    fine(c, 1, seen="GET /good/get")
    c.request(3, "/good/head", "HEAD")
    if fine(c, 3, seen="HEAD /good/head").body:
        raise Wrong("a body for HEAD")
    c.request(5, "/good/post", "POST", body=b"hello")
    if b" 5\n" not in fine(c, 5, seen="POST /good/post").body:
        raise Wrong("the body")
    open_stream(c, 7, "/good/trailers")
    c.frame(DATA, 0, 7, b"hello")
    c.headers(7, [("x-sum", "1")])
    fine(c, 7, seen="POST /good/trailers")


@case("8.1", "a second HEADERS without END_STREAM")
def _(c):
    open_stream(c, 1, "/good/second")
    c.headers(1, [("x-a", "b")], END_HEADERS)
    stream_error(c, 1, PROTOCOL_ERROR)


@case("8.1", "trailers with a pseudo-header field")
def _(c):
    open_stream(c, 1, "/good/pseudo-trailers")
    c.frame(DATA, 0, 1, b"hello")
    c.headers(1, [(":method", "GET")])
    stream_error(c, 1, PROTOCOL_ERROR)


@case("8.1", "trailers with framing, routing and credentials do not pass")
def _(c):
    open_stream(c, 1, "/good/bad-trailers")
    c.frame(DATA, 0, 1, b"hello")
    c.headers(1, [("content-length", "50"), ("authorization", "Bearer mine"), ("host", "second.test")])
    reply = c.response(1)
    if reply.reset is None and not (reply.status == 200 or 400 <= (reply.status or 0) < 500):
        raise Wrong(f"{reply.status}")


for _title, _extra in (
        ("an upper-case name", [("X-A", "b")]),
        ("an empty name", [("", "b")]),
        ("a name with a space", [("x a", "b")]),
        ("a name with a colon inside", [("x:a", "b")]),
        ("a name with CR LF", [("x\r\na", "b")]),
        ("a name with a NUL", [("x\0a", "b")]),
        ("a name above ASCII", [(b"x\xff", "b")]),
        ("a value with CR LF", [("x-a", "b\r\nx-smuggled: c")]),
        ("a value with a bare LF", [("x-a", "b\nx-smuggled: c")]),
        ("a value with a bare CR", [("x-a", "b\rc")]),
        ("a value with a NUL", [("x-a", "b\0c")]),
        ("a value with a space before", [("x-a", " b")]),
        ("a value with a tab behind", [("x-a", "b\t")]),
        ("Connection", [("connection", "keep-alive")]),
        ("Keep-Alive", [("keep-alive", "timeout=5")]),
        ("Proxy-Connection", [("proxy-connection", "keep-alive")]),
        ("Upgrade", [("upgrade", "h2c")]),
        ("H2.TE: Transfer-Encoding", [("transfer-encoding", "chunked")]),
        ("TE other than trailers", [("te", "trailers, deflate")]),
        ("an unknown pseudo-header field", [(":test", "x")]),
        ("a pseudo-header field of responses", [(":status", "200")]),
        ("a second :method", [(":method", "DELETE")]),
        ("a second :scheme", [(":scheme", "https")]),
        ("a second :path", [(":path", "/bad/other")]),
        ("a second :authority", [(":authority", "second.test")]),
        ("two lengths", [("content-length", "0"), ("content-length", "5")]),
        ("a length with a sign", [("content-length", "+0")]),
        ("a negative length", [("content-length", "-1")]),
        ("a length that is a list", [("content-length", "0, 0")]),
        ("a length that overflows", [("content-length", "18446744073709551616")]),
        ("an underscore for the hyphen of framing", [("transfer_encoding", "chunked")])):
    @case("8.2", _title)
    def _(c, extra=_extra):
        malformed(c, c.fields("/bad/field", extra=extra))


@case("8.2", "TE: trailers is good")
def _(c):
    c.request(1, extra=[("te", "trailers")])
    fine(c)


@case("8.2.3", "cookies in crumbs reach an HTTP/1 server as one field")
def _(c):
    c.request(1, "/good/cookies", extra=[("cookie", "a=1"), ("cookie", "b=2")])
    fine(c)


for _title, _build in (
        ("no :method", lambda f: f[1:]),
        ("no :scheme", lambda f: [f[0]] + f[2:]),
        ("no :path", lambda f: f[:2] + f[3:]),
        ("an empty :path", lambda f: f[:2] + [(":path", "")] + f[3:]),
        (":path without a slash", lambda f: f[:2] + [(":path", "bad/x")] + f[3:]),
        (":path in absolute form", lambda f: f[:2] + [(":path", "https://second.test/bad/x")] + f[3:]),
        (":path with a space", lambda f: f[:2] + [(":path", "/bad/x y HTTP/1.1")] + f[3:]),
        (":path with CR LF", lambda f: f[:2] + [(":path", "/bad/x HTTP/1.1\r\nx-a: b")] + f[3:]),
        (":path with a fragment", lambda f: f[:2] + [(":path", "/bad/x#y")] + f[3:]),
        (":path with escaped dot segments", lambda f: f[:2] + [(":path", "/a%2f..%2fbad")] + f[3:]),
        (":path * for GET", lambda f: f[:2] + [(":path", "*")] + f[3:]),
        (":method with a space", lambda f: [(":method", "GET /bad/y HTTP/1.1\r\nx: y")] + f[1:]),
        (":method with a separator", lambda f: [(":method", "GE(T")] + f[1:]),
        ("an empty :method", lambda f: [(":method", "")] + f[1:]),
        (":scheme with a space", lambda f: [f[0], (":scheme", "https ://x")] + f[2:]),
        ("an empty :authority", lambda f: f[:3] + [(":authority", "")]),
        (":authority with user information", lambda f: f[:3] + [(":authority", "a@" + f[3][1])]),
        (":authority with CR LF", lambda f: f[:3] + [(":authority", f[3][1] + "\r\nx-a: b")]),
        ("a pseudo-header field behind a regular one", lambda f: f[:3] + [("x-a", "b"), f[3]])):
    @case("8.3", _title)
    def _(c, build=_build):
        malformed(c, build(c.fields("/bad/pseudo")))


@case("8.3.1", ":scheme http within TLS is not https")
def _(c):
    fields = c.fields("/bad/scheme")
    fields[1] = (":scheme", "http")
    c.headers(1, fields)
    refused(c, 1, 400, 421)


for _title, _authority in (("another host", "second.test"), ("another port", "{}:8443"),
                           ("a list", "{},second.test"), ("a suffix", "{}.second.test"),
                           ("a prefix", "x.{}")):
    @case("8.3.1", f":authority is {_title}, not the host of CONNECT: 421")
    def _(c, authority=_authority):
        c.request(1, "/bad/authority", authority=authority.format(c.host))
        refused(c, 1, 400, 421)
        alive(c)


@case("8.3.1", ":authority spelt otherwise is the same host")
def _(c):
    c.request(1, "/good/upper", authority=c.host.upper())
    fine(c, 1, seen="GET /good/upper")
    c.request(3, "/good/port", authority=c.host + ":443")
    fine(c, 3, seen="GET /good/port")


@case("8.3.1", "Host that is not :authority")
def _(c):
    c.request(1, "/bad/host", extra=[("host", "second.test")])
    refused(c, 1, 400, 421)
    alive(c)


@case("8.3.1", "two Host fields")
def _(c):
    c.request(1, "/bad/host", extra=[("host", c.host), ("host", "second.test")])
    refused(c, 1, 400, 421)


@case("8.3.1", "Host without :authority")
def _(c):
    c.headers(1, [*c.fields("/good/host")[:3], ("host", c.host)])
    fine(c, 1, seen="GET /good/host")


@case("8.3.1", "neither Host nor :authority")
def _(c):
    c.headers(1, c.fields("/bad/none")[:3])
    reply = c.response(1)
    if reply.status == 200 and reply.get("x-seen") != "GET /bad/none":
        raise Wrong("answered by another")
    if reply.status == 200:
        raise Wrong("a request without an authority reached the upstream")


@case("8.5", "CONNECT without :protocol")
def _(c):
    c.headers(1, [(":method", "CONNECT"), (":authority", "second.test:443")], END_HEADERS)
    refused(c, 1, 400, 403, 405, 421, 501)
    alive(c)


@case("8.5", "CONNECT with :path and :scheme, but no :protocol")
def _(c):
    c.headers(1, c.fields("/bad/connect", "CONNECT"), END_HEADERS)
    stream_error(c, 1, PROTOCOL_ERROR)


@case("RFC 8441", "extended CONNECT to an unknown protocol")
def _(c):
    c.headers(1, [*c.fields("/bad/connect", "CONNECT"), (":protocol", "connect-udp")], END_HEADERS)
    refused(c, 1, 400, 403, 405, 421, 501)


@case("RFC 8441", "a WebSocket that an HTTP/1.1 upstream answers with 200 is not open")
def _(c):
    # Of an extended CONNECT, 2xx means that the tunnel stands (RFC 8441 section 5). The recorder
    # looks at the handshake that it gets: it needs a key (RFC 6455 section 4.1).
    c.headers(1, [*c.fields("/good/ws", "CONNECT"), (":protocol", "websocket"),
                  ("sec-websocket-version", "13")], END_HEADERS)
    reply = c.of(1)
    c.pump(lambda: reply.status is not None or reply.reset is not None)
    if reply.reset is None and (reply.status or 0) < 300:
        raise Wrong(f"status {reply.status}")


@case("8.1.1", "H2.CL: a length larger than the body")
def _(c):
    malformed(c, c.fields("/good-head/length", "POST", [("content-length", "50")]), b"hello")


@case("8.1.1", "H2.CL: a length smaller than the body")
def _(c):
    smuggled = b"GET /bad/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    malformed(c, c.fields("/good-head/length", "POST", [("content-length", "5")]), b"hello" + smuggled)


@case("8.1.1", "H2.CL: a length of zero with a body")
def _(c):
    # The request is whole before its body begins, and may be answered by then: without a body.
    c.headers(1, c.fields("/good/length-zero", "POST", [("content-length", "0")]), END_HEADERS)
    c.frame(DATA, END_STREAM, 1, b"GET /bad/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    reply = c.response(1)
    if reply.status == 200:
        if reply.body != b"POST /good/length-zero 0\n":
            raise Wrong(f"{reply.body!r}")
    else:
        stream_error(c, 1, PROTOCOL_ERROR)


@case("8.1.1", "H2.CL: several DATA frames that exceed the length")
def _(c):
    c.headers(1, c.fields("/good-head/length", "POST", [("content-length", "6")]), END_HEADERS)
    c.frame(DATA, 0, 1, b"hello")
    c.frame(DATA, END_STREAM, 1, b"hello")
    stream_error(c, 1, PROTOCOL_ERROR)


@case("8.1.1", "a length without a body")
def _(c):
    malformed(c, c.fields("/good-head/length", "POST", [("content-length", "5")]))


@case("8.1.1", "a length that is right")
def _(c):
    c.request(1, "/good/length", "POST", [("content-length", "5")], b"hello")
    fine(c, 1, seen="POST /good/length")


@case("8.1.1", "the request is answered after the body was refused: the next one is its own")
def _(c):
    c.headers(1, c.fields("/good-head/length", "POST", [("content-length", "5")]), END_HEADERS)
    c.frame(DATA, END_STREAM, 1, b"hello, and more")
    c.request(3, "/good/next")
    fine(c, 3, seen="GET /good/next")


# -- RFC 7541

@case("HPACK 2.3.3", "an index beyond both tables")
def _(c):
    c.headers(1, block(c.fields("/bad/x")) + b"\xbe")
    connection_error(c, COMPRESSION_ERROR)


@case("HPACK 2.3.3", "a name's index beyond both tables")
def _(c):
    c.headers(1, block(c.fields("/bad/x")) + b"\x7f\x20\x01x")
    connection_error(c, COMPRESSION_ERROR)


@case("HPACK 4.2", "a table size update behind a field")
def _(c):
    c.headers(1, block(c.fields("/bad/x")) + b"\x20")
    connection_error(c, COMPRESSION_ERROR)


@case("HPACK 5.2", "Huffman padding of more than 7 bits")
def _(c):
    c.headers(1, block(c.fields("/bad/x")) + b"\x00\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\x1d\xa7\xf3\xff\xff")
    connection_error(c, COMPRESSION_ERROR)


@case("HPACK 5.2", "Huffman padding of zeros")
def _(c):
    c.headers(1, block(c.fields("/bad/x")) + b"\x00\x01x\x81\x18")  # "0" in five bits, then 000
    connection_error(c, COMPRESSION_ERROR)


@case("HPACK 5.2", "Huffman with the end of string")
def _(c):
    c.headers(1, block(c.fields("/bad/x")) + b"\x00\x01x\x84\xff\xff\xff\xff")
    connection_error(c, COMPRESSION_ERROR)


@case("HPACK 6.1", "index 0")
def _(c):
    c.headers(1, block(c.fields("/bad/x")) + b"\x80")
    connection_error(c, COMPRESSION_ERROR)


@case("HPACK 6.3", "a table size above the setting")
def _(c):
    c.headers(1, integer(1 << 20, 5, 0x20) + block(c.fields("/bad/x")))
    connection_error(c, COMPRESSION_ERROR)


@case("HPACK 6", "fields with indexing, without, never, and from the table; Huffman")
def _(c):
    value = huffman(b"/good/hpack")
    data = (block(c.fields("/x")[:2]) + b"\x04" + integer(len(value), 7, 0x80) + value +
            block(c.fields()[3:]) + literal("x-a", "b", 0x40) + literal("x-c", "d", 0x10) + b"\xbe")
    c.headers(1, data)
    fine(c, 1, seen="GET /good/hpack")


@case("HPACK 5.1", "an integer that does not end")
def _(c):
    c.headers(1, block(c.fields("/bad/x")) + b"\x7f" + b"\x80" * 30 + b"\x01")
    connection_error(c, COMPRESSION_ERROR)


# -- attacks: an end, or bounded work; never a broker that is worse off

def punished(c, seconds=10):
    """The peer ends it: GOAWAY or the end of the connection."""
    try:
        if c.pump(lambda: c.goaway not in (None, NO_ERROR), seconds):
            return True
    except Gone:
        return True
    return False


def flood(c, data, times):
    """Sends until it is done or nobody listens; reads a little so that nobody waits for us."""
    for _ in range(times):
        c.send(data)
        try:
            got = c.read_frame(0)
            while got is not None:
                c.take(*got)
                got = c.read_frame(0)
        except Gone:
            return
        if c.goaway not in (None, NO_ERROR):
            return


@case("attack", "rapid reset: thousands of requests that are cancelled at once", slow=True)
def _(c):
    stream = 1
    for _ in range(100):
        part = b""
        for _ in range(100):
            part += frame(HEADERS, END_STREAM | END_HEADERS, stream, block(c.fields("/reset/x")))
            part += frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))
            stream += 2
        flood(c, part, 1)
        if c.ended or c.goaway not in (None, NO_ERROR):
            return
    if not punished(c):
        raise Wrong("10000 resets went unpunished")


@case("attack", "rapid reset by what makes the server reset (CVE-2025-8671)", slow=True)
def _(c):
    stream = 1
    for _ in range(100):
        part = b""
        for _ in range(100):
            part += frame(HEADERS, END_HEADERS, stream, block(c.fields("/reset/x", "POST")))
            part += frame(WINDOW_UPDATE, 0, stream, b"\0\0\0\0")
            stream += 2
        flood(c, part, 1)
        if c.ended or c.goaway not in (None, NO_ERROR):
            return
    if not punished(c):
        raise Wrong("10000 provoked resets went unpunished")


@case("attack", "CONTINUATION flood")
def _(c):
    c.headers(1, c.fields("/bad/x"), END_STREAM)
    flood(c, frame(CONTINUATION, 0, 1, literal("x-a", "b" * 1000)), 20000)
    if not punished(c):
        raise Wrong("20 MB of header block were taken")


@case("attack", "empty CONTINUATION flood")
def _(c):
    c.headers(1, c.fields("/bad/x"), END_STREAM)
    flood(c, frame(CONTINUATION, 0, 1) * 100, 1000)
    if not punished(c):
        raise Wrong("100000 empty frames were taken")


@case("attack", "HPACK bomb: one large entry, named a thousand times")
def _(c):
    data = block(c.fields("/bad/x")) + literal("x-a", "b" * 4000, 0x40) + b"\xbe" * 12000
    c.headers(1, data[:16000], END_STREAM)
    c.frame(CONTINUATION, END_HEADERS, 1, data[16000:])
    reply = c.of(1)
    try:
        c.pump(lambda: reply.ended or reply.reset is not None or c.goaway not in (None, NO_ERROR))
    except Gone:
        return
    if c.goaway in (None, NO_ERROR) and reply.reset is None and not 400 <= (reply.status or 0) < 500:
        raise Wrong(f"48 MB of fields: {reply.status}")


@case("attack", "SETTINGS flood")
def _(c):
    flood(c, frame(SETTINGS, 0, 0, settings((INITIAL_WINDOW_SIZE, 65535))) * 100, 1000)
    if not punished(c):
        raise Wrong("100000 SETTINGS went unpunished")


@case("attack", "PING flood")
def _(c):
    flood(c, frame(PING, 0, 0, b"\0" * 8) * 100, 1000)
    if not punished(c):
        raise Wrong("100000 PINGs went unpunished")


@case("attack", "PING flood that reads nothing", auto=False)
def _(c):
    c.sock.settimeout(8)
    try:
        for _ in range(3000):
            c.sock.sendall(frame(PING, 0, 0, b"\0" * 8) * 100)
    except OSError:
        return  # ended, or back-pressure: both bound what it costs
    if not punished(c):
        raise Wrong("300000 PINGs went unpunished")


@case("attack", "empty DATA flood")
def _(c):
    open_stream(c, 1, "/good/empty-data")
    flood(c, frame(DATA, 0, 1) * 100, 1000)
    if not punished(c):
        raise Wrong("100000 empty DATA frames went unpunished")


@case("attack", "PRIORITY flood")
def _(c):
    flood(c, b"".join(frame(PRIORITY, 0, 2 * i + 1, struct.pack(">IB", 0, 1)) for i in range(100)), 1000)
    if not punished(c, 1):
        alive(c)


@case("attack", "WINDOW_UPDATE flood of single bytes")
def _(c):
    flood(c, frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 100, 1000)
    if not punished(c, 1):
        alive(c)  # harmless when it costs nothing: then the connection must still work


@case("attack", "unknown frames flood")
def _(c):
    flood(c, frame(0x42, 0, 0, b"") * 100, 1000)
    if not punished(c, 1):
        alive(c)


@case("attack", "a head of many small fields")
def _(c):
    c.headers(1, block(c.fields("/bad/x", extra=[("a", "b")] * 1500)))
    refused(c, 1, 400, 431)


@case("attack", "a window that never opens: others are served", pairs=((INITIAL_WINDOW_SIZE, 0),),
      auto=False)
def _(c):
    for i in range(20):
        c.request(2 * i + 1, "/good/stalled")
    time.sleep(0.3)
    other = H2(c.host)
    try:
        alive(other, 1)
    finally:
        other.close()
    c.ping()
    if sum(size for _, size in c.data_frames):
        raise Wrong("DATA without a window")


@case("attack", "streams that begin a body and stop")
def _(c):
    for i in range(50):
        open_stream(c, 2 * i + 1, "/good-head/stopped")
        c.frame(DATA, 0, 2 * i + 1, b"x")
    alive(c, 201)
