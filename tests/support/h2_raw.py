"""h2_raw.py CERTS LOG: an upstream of HTTP/2 that looks at bytes. Answers every request with an empty
200 and writes one line of JSON for its header block: each field's representation (RFC 7541 section 6)
and the index of its name, 0 where the name is spelt out. Prints {"port": N}. Standard library only."""

import json
import socket
import ssl
import struct
import sys
import threading

KINDS = ((0x80, 7, "indexed"), (0x40, 6, "incremental"), (0x20, 5, "resize"), (0x10, 4, "never"),
         (0x00, 4, "without"))


def integer(data, at, bits):
    value = data[at] & ((1 << bits) - 1)
    at += 1
    if value == (1 << bits) - 1:
        shift = 0
        while True:
            value += (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not data[at - 1] & 0x80:
                break
    return value, at


def fields(block):
    at = 0
    while at < len(block):
        mask, bits, kind = next(k for k in KINDS if block[at] & k[0] or k[0] == 0)
        index, at = integer(block, at, bits)
        if kind in ("incremental", "never", "without"):
            for _ in range(1 if index else 2):
                size, at = integer(block, at, 7)
                at += size
        yield kind, index


def exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def serve(raw, context, log, number):
    sock = context.wrap_socket(raw, server_side=True)
    try:
        assert exactly(sock, 24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        sock.sendall(frame(4, 0, 0))
        while True:
            head = exactly(sock, 9)
            kind, flags, stream = head[3], head[4], struct.unpack(">I", head[5:])[0]
            payload = exactly(sock, int.from_bytes(head[:3], "big"))
            if kind == 4 and not flags & 1:
                sock.sendall(frame(4, 1, 0))
            elif kind == 1:
                assert flags & 4, "the block is in one frame"
                block = payload[5:] if flags & 0x20 else payload
                log.write(json.dumps({"conn": number, "fields": list(fields(block))}) + "\n")
                log.flush()
                sock.sendall(frame(1, 5, stream, b"\x88"))
    except (EOFError, OSError):
        pass


def main():
    certs, log = sys.argv[1], open(sys.argv[2], "a", encoding="ascii")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{certs}/server.pem", f"{certs}/server.key")
    context.set_alpn_protocols(["h2"])
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    number = 0
    while True:
        raw, _ = listener.accept()
        number += 1
        threading.Thread(target=serve, args=(raw, context, log, number), daemon=True).start()


main()
