#!/usr/bin/env python3
"""A WebSocket client over the environment's proxy: ws_client.py URL TEXT...

Prints the response head, then each text as it comes back. Standard library only.
"""

import base64
import hashlib
import os
import struct
import sys
import urllib.parse

import proxy_client


def exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise SystemExit("closed within a frame")
        data += part
    return data


def frame(opcode, payload):
    mask = os.urandom(4)
    size = len(payload)
    head = bytes([0x80 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", size)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", size)
    return head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload))


def read_frame(sock):
    first, second = exactly(sock, 2)
    size = second & 0x7F
    if size == 126:
        size = struct.unpack(">H", exactly(sock, 2))[0]
    elif size == 127:
        size = struct.unpack(">Q", exactly(sock, 8))[0]
    return first & 0x0F, exactly(sock, size)


def main():
    url = urllib.parse.urlsplit(sys.argv[1])
    port = url.port or (443 if url.scheme == "wss" else 80)
    sock = proxy_client.connect(f"{url.hostname}:{port}")
    if url.scheme == "wss":
        sock = proxy_client.tls(sock, url.hostname)
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall((f"GET {url.path or '/'} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\n"
                  f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Protocol: chat, other\r\nAuthorization: Bearer placeholder\r\n\r\n"
                  ).encode())
    reply = proxy_client.read_reply(sock)
    print(reply.head)
    if reply.status != 101:
        return 1
    accept = base64.b64encode(hashlib.sha1(
        (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    if reply.get("Sec-WebSocket-Accept") != accept:
        raise SystemExit("wrong Sec-WebSocket-Accept")
    for text in sys.argv[2:]:
        payload = text.encode() if not text.startswith("bytes:") else b"z" * int(text[6:])
        sock.sendall(frame(1, payload))
        opcode, back = read_frame(sock)
        if (opcode, back) != (1, payload):
            raise SystemExit(f"sent {payload[:40]!r}, got {opcode} {back[:40]!r}")
        print("echoed", len(back))
    sock.sendall(frame(9, b"ping"))
    if read_frame(sock) != (10, b"ping"):
        raise SystemExit("no pong")
    sock.sendall(frame(8, struct.pack(">H", 1000)))
    if read_frame(sock)[0] != 8:
        raise SystemExit("no close frame")
    print("closed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
