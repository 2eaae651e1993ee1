#!/usr/bin/env python3
"""A relay of Bitwarden's Agent Access and the device behind it (aac listen), in one; the wire as the crates v0.9.0 have it. As
strict as they are, and stricter: every frame, COSE structure, packet and question is checked to the last member. Standard
library only (tests/support/aac_crypto.py); written from the protocol, not from the broker's code.

usage: fake_aac.py [--tls CERT KEY] [--log FILE]
  Prints "READY <port>", "TOKEN <psk>_<fingerprint>" and "CODE ABC-DEF-GHI" on standard output; behind each handshake
  "FINGERPRINT <6 digits>". ws(s)://HOST:PORT is the setting `url`; TOKEN pairs by key, CODE (once) by comparison.
  The device knows domain:github.com = octocat / canary-agent-access / a TOTP seed. What it does not know it answers with
  "Request denied", as aac does. Every frame and question is one line of JSON in FILE (standard error by default).

control (POST on the same port, no authentication):
  /control/set?query=domain:github.com&password=NEW[&username=][&totp=][&notes=][&uri=]   what the device knows
  /control/error?query=id:x&text=Vault+is+locked      what it answers instead
  /control/code                                       a new rendezvous code, in the answer's body
  /control/fault?kind=KIND[&count=N]                  the next N (1) answers of the device are handed over so; KIND:
      silent; late (2 s); drop (the link is cut instead); destination, source (another one); replay (the answer before it
      instead); twice; corrupt (a byte of the packet is turned); nonsense (not a frame); huge (2 MiB); old (a day and a minute);
      chain (a made-up chain counter, of another key); flood (5000 other frames before it); ping (pings before it)
  /control/refuse?count=N                             the next N connections are answered with 503
  /control/mute?count=N                               the next N connections get no challenge
"""
import argparse
import base64
import hashlib
import http.server
import json
import os
import re
import secrets
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

import aac_crypto as crypto

SUITE = "ClassicalNNpsk2_25519_XChaCha20Poly1035"
DAY = 86400
FAULTS = {"silent", "late", "drop", "destination", "source", "replay", "twice", "corrupt", "nonsense", "huge", "old", "chain",
          "flood", "ping"}
KEY_HEAD = bytes.fromhex("a4010103272027215820")  # {1: OKP, 3: EdDSA, -1: EdDSA (sic), -2: x}
SIGN_HEAD = bytes.fromhex("8443a10127a05820")     # [<<{1: EdDSA}>>, {}, challenge, signature]


def members(value, *names, optional=()):
    if not isinstance(value, dict) or not set(names) <= set(value) <= set(names) | set(optional):
        raise ValueError(f"members {sorted(value) if isinstance(value, dict) else value!r}, not {names}")
    return value


def octets(value, size=None):
    if not isinstance(value, list) or any(type(n) is not int or not 0 <= n <= 255 for n in value):
        raise ValueError("not a list of bytes")
    if size is not None and len(value) != size:
        raise ValueError(f"{len(value)} bytes, not {size}")
    return bytes(value)


class Channel:
    """The device's half of the channel."""

    def __init__(self, send, receive):
        now = int(time.time())
        self.send, self.receive, self.number, self.theirs = send, receive, 1, 1
        self.rekeyed, self.seen = now, set()

    @staticmethod
    def next_key(key):
        return crypto.xseal(key, b"\xff" * 24, bytes(32), b"")[:32]

    def seal(self, text, age=0, number=None, key=None):
        associated = crypto.dumps({"timestamp": int(time.time()) - age, "chain_counter": number or self.number,
                                   "ciphersuite": SUITE})
        nonce = os.urandom(24)
        sealed = crypto.xseal(key or self.send, nonce, text, associated)
        return crypto.dumps({"nonce": list(nonce), "ciphertext": list(sealed), "aad": list(associated)})

    def open(self, packet):
        packet = members(crypto.loads(packet), "nonce", "ciphertext", "aad")
        nonce, sealed, data = octets(packet["nonce"], 24), octets(packet["ciphertext"]), octets(packet["aad"])
        associated = members(crypto.loads(data), "timestamp", "chain_counter", "ciphersuite")
        if associated["ciphersuite"] != SUITE or abs(associated["timestamp"] - time.time()) > 60:
            raise ValueError("suite or time")
        if nonce in self.seen:
            raise ValueError("a nonce twice")
        if associated["chain_counter"] != self.theirs:
            raise ValueError("the chain counter of another day")
        text = crypto.xunseal(self.receive, nonce, sealed, data)
        self.seen.add(nonce)
        return text


class State:
    def __init__(self, log):
        self.lock = threading.RLock()
        self.log = log
        self.psk = os.urandom(32)
        self.public = crypto.ed25519_public(os.urandom(32))
        self.fingerprint = hashlib.sha256(self.public).digest()
        self.code = None
        self.channels = {}  # of clients, by fingerprint
        self.answers = {}
        self.faults, self.refuse, self.mute = [], 0, 0
        self.last = None
        self.psk_used = False
        self.know("domain:github.com", {"username": "octocat", "password": "canary-agent-access",
                                        "totp": "JBSWY3DPEHPK3PXP", "uri": "https://github.com"})

    def know(self, query, credential):
        self.answers[query] = {"credential": {**credential, "credentialId": "c1", "domain": query.partition(":")[2]}}

    def new_code(self):
        letters = [secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") for _ in range(9)]
        self.code = "-".join("".join(letters[i:i + 3]) for i in (0, 3, 6))
        return self.code

    def note(self, **line):
        with self.lock:
            print(json.dumps(line), file=self.log, flush=True)


class Socket:
    """The server's side of a WebSocket, over a stream that the HTTP server has read the head from."""

    def __init__(self, rfile, wfile):
        self.rfile, self.wfile = rfile, wfile

    def send(self, text, opcode=1):
        data = text.encode() if isinstance(text, str) else text
        size = len(data)
        head = bytes([0x80 | opcode])
        head += bytes([size]) if size < 126 else \
            struct.pack(">BH", 126, size) if size < 65536 else struct.pack(">BQ", 127, size)
        self.wfile.write(head + data)
        self.wfile.flush()

    def exactly(self, size):
        data = self.rfile.read(size)
        if len(data) != size:
            raise EOFError
        return data

    def receive(self):
        """The next text; None at the end."""
        while True:
            first, second = self.exactly(2)
            if not second & 0x80 or first & 0x70 or not first & 0x80:
                raise ValueError("a frame that is not masked, not whole, or of an extension")
            size = second & 127
            if size > 125:
                size = int.from_bytes(self.exactly(2 if size == 126 else 8), "big")
            mask = self.exactly(4)
            data = self.exactly(size)
            data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
            opcode = first & 15
            if opcode == 8:
                self.send(data[:2], 8)
                return None
            if opcode == 9:
                self.send(data, 10)
            elif opcode == 1:
                return data.decode()
            elif opcode != 10:
                raise ValueError("a frame that is not text")


class Link:
    """One connection of a client to the relay."""

    def __init__(self, state, socket_):
        self.state, self.socket, self.client = state, socket_, None

    def frame(self, **frame):
        self.socket.send(json.dumps(frame))

    def run(self):
        state = self.state
        with state.lock:
            mute, state.mute = state.mute > 0, max(0, state.mute - 1)
        if mute:
            self.socket.receive()
            return
        challenge = os.urandom(32)
        self.frame(AuthChallenge=list(challenge))
        self.authenticate(json.loads(self.socket.receive()), challenge)
        while (text := self.socket.receive()) is not None:
            frame = json.loads(text)
            if list(frame) == ["GetIdentity"]:
                self.resolve(members(frame["GetIdentity"], "code")["code"])
            elif list(frame) == ["Send"]:
                self.route(members(frame["Send"], "destination", "payload"))
            else:
                raise ValueError(f"a frame {list(frame)}")

    def authenticate(self, frame, challenge):
        identity, proof = members(frame, "AuthResponse")["AuthResponse"]
        key = octets(members(identity, "cose_key_bytes")["cose_key_bytes"], 42)
        sign1 = octets(members(proof, "cose_sign1_bytes")["cose_sign1_bytes"], 106)
        if key[:10] != KEY_HEAD or sign1[:8] != SIGN_HEAD or sign1[8:40] != challenge or sign1[40:42] != b"\x58\x40":
            raise ValueError("COSE structures that are not the crates'")
        if not crypto.ed25519_verify(key[10:], challenge, sign1[42:]):
            raise ValueError("the signature")
        self.client = hashlib.sha256(key[10:]).digest()
        self.state.note(event="authenticated", client=self.client.hex())

    def resolve(self, code):
        state = self.state
        with state.lock:
            known, state.code = code == state.code, None if code == state.code else state.code
        state.note(event="resolve", known=known)
        if known:
            self.frame(IdentityInfo={"fingerprint": list(state.fingerprint),
                                     "identity": {"cose_key_bytes": list(KEY_HEAD + state.public)}})

    def route(self, send):
        payload = octets(send["payload"])
        if octets(send["destination"], 32) != self.state.fingerprint:
            self.state.note(event="nobody there")
            return
        message = json.loads(payload)
        if message.get("type") == "handshake-init":
            self.handshake(members(message, "type", "data", "ciphersuite", optional=["psk_id"]))
        elif message.get("type") == "credential-request":
            self.question(members(message, "type", "encrypted"))
        else:
            raise ValueError(f"a message {message.get('type')!r}")

    def deliver(self, message, **change):
        frame = {"source": list(self.state.fingerprint), "destination": list(self.client),
                 "payload": list(json.dumps(message).encode()), **change}
        self.frame(Send=frame)

    def handshake(self, message):
        state = self.state
        psk = bytes(32)
        if "psk_id" in message:
            if message["psk_id"] != hashlib.sha256(state.psk).digest()[:8].hex():
                state.note(event="no pairing for this psk_id")
                return
            psk = state.psk
        elif state.code is not None:
            state.note(event="no pending rendezvous pairing")
            return
        packet = members(crypto.loads(base64.b64decode(message["data"], validate=True)), "message_type", "ciphersuite",
                         "payload")
        if packet["message_type"] != "HandshakeStart" or packet["ciphersuite"] != SUITE or message["ciphersuite"] != SUITE:
            raise ValueError("a handshake of another kind")
        given, second, to_us, from_us = crypto.Responder(psk).read(octets(packet["payload"], 48))
        if given:
            raise ValueError("a payload in the handshake")
        state.channels[self.client] = Channel(from_us, to_us)
        answer = crypto.dumps({"message_type": "HandshakeFinish", "ciphersuite": SUITE, "payload": list(second)})
        self.deliver({"type": "handshake-response", "data": base64.b64encode(answer).decode(), "ciphersuite": SUITE})
        digits = hashlib.sha256(from_us + to_us).digest()[:3].hex()
        state.note(event="handshake", psk="psk_id" in message, fingerprint=digits)
        print(f"FINGERPRINT {digits}", flush=True)

    def question(self, message):
        state = self.state
        channel = state.channels.get(self.client)
        if channel is None:
            state.note(event="no channel with this client")
            return
        with state.lock:
            text = channel.open(base64.b64decode(message["encrypted"], validate=True))
        asked = members(json.loads(text), "type", "query", "timestamp", "requestId")
        if asked["type"] != "credential_request" or type(asked["timestamp"]) is not int:
            raise ValueError("a question of another kind")
        if abs(asked["timestamp"] / 1000 - time.time()) > 60 or not re.match(r"req-\d+-[0-9a-f]{8,}\Z", asked["requestId"]):
            raise ValueError("the time or the requestId")
        (kind, wanted), = asked["query"].items()
        if kind not in ("domain", "id", "search") or not isinstance(wanted, str):
            raise ValueError("the query")
        state.note(event="question", query=f"{kind}:{wanted}")
        with state.lock:
            answer = dict(state.answers.get(f"{kind}:{wanted}", {"error": "Request denied"}))
            fault = state.faults.pop(0) if state.faults else None
        self.answer(channel, {**answer, "requestId": asked["requestId"]}, fault)

    def answer(self, channel, answer, fault):
        state, text = self.state, json.dumps(answer).encode()
        packet = channel.seal(text)
        if fault == "old":
            packet = channel.seal(text, age=DAY + 60)
        elif fault == "chain":
            packet = channel.seal(text, number=1000, key=os.urandom(32))
        elif fault == "corrupt":
            opened = crypto.loads(packet)
            opened["ciphertext"][0] ^= 1
            packet = crypto.dumps(opened)
        message = {"type": "credential-response", "encrypted": base64.b64encode(packet).decode()}
        last, state.last = state.last, message
        if fault == "silent":
            return
        if fault == "drop":
            raise EOFError
        if fault == "late":
            time.sleep(2)
        elif fault == "replay":
            message = last or {"type": "credential-response", "encrypted": ""}
        elif fault == "nonsense":
            return self.socket.send('{"Send":')
        elif fault == "huge":
            return self.socket.send(json.dumps({"Send": {"payload": [255] * (1 << 19)}}))
        elif fault == "flood":
            for _ in range(5000):
                self.frame(RendezvousInfo={"code": "AAA-AAA-AAA"})
        elif fault == "ping":
            for _ in range(3):
                self.socket.send(b"there?", 9)
        change = {fault: list(os.urandom(32))} if fault in ("source", "destination") else {}
        self.deliver(message, **change)
        if fault == "twice":
            self.deliver(message)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def plain(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        state = self.server.state
        with state.lock:
            refuse, state.refuse = state.refuse > 0, max(0, state.refuse - 1)
        key = self.headers.get("Sec-WebSocket-Key", "")
        if refuse:
            return self.plain(503)
        if (self.headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in self.headers.get("Connection", "").lower()
                or self.headers.get("Sec-WebSocket-Version") != "13" or len(base64.b64decode(key)) != 16):
            return self.plain(426)
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        self.wfile.flush()
        self.close_connection = True
        try:
            Link(state, Socket(self.rfile, self.wfile)).run()
        except (EOFError, OSError):
            pass
        except Exception as error:  # a client that breaks a rule: said in the log, the link is cut
            state.note(event="violation", what=f"{type(error).__name__}: {error}")
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        place = urllib.parse.urlsplit(self.path)
        state, query = self.server.state, dict(urllib.parse.parse_qsl(place.query))
        count = int(query.get("count", "1"))
        with state.lock:
            if place.path == "/control/set":
                state.know(query.pop("query"), query)
            elif place.path == "/control/error":
                state.answers[query["query"]] = {"error": query["text"]}
            elif place.path == "/control/code":
                return self.plain(200, state.new_code().encode())
            elif place.path == "/control/fault" and query.get("kind") in FAULTS:
                state.faults += [query["kind"]] * count
            elif place.path in ("/control/refuse", "/control/mute"):
                setattr(state, place.path.rpartition("/")[2], count)
            else:
                return self.plain(404)
        return self.plain(204)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--log")
    options = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.state = State(open(options.log, "a", encoding="utf-8") if options.log else sys.stderr)
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(f"READY {server.server_address[1]}", flush=True)
    print(f"TOKEN {server.state.psk.hex()}_{server.state.fingerprint.hex()}", flush=True)
    print(f"CODE {server.state.new_code()}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
