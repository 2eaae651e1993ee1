#!/usr/bin/env python3
"""A server of Bitwarden Secrets Manager, as strict as the real one (the identity and API servers that bws talks to, 2026):
client credentials for a token, sealed payloads, secrets that only the organization's key opens. Standard library and the
openssl program only; written from the protocol, not from the broker's code.

usage: fake_bitwarden_sm.py [--tls CERT KEY] [--log FILE] [--life SECONDS]
  Prints "READY <port>", then "TOKEN <access token>" on standard output. Serves /identity and /api: http(s)://HOST:PORT is
  the setting `url`. It knows these secrets:
    11111111-2222-3333-4444-555555555555  OPENAI_API_KEY = sk-canary-bitwarden-sm
    22222222-2222-3333-4444-555555555555  EMPTY_NOTE     = v2
  Every request is one line of JSON in FILE (standard error by default).

control (POST, no authentication):
  /control/set?name=OPENAI_API_KEY&value=NEW   changes a secret
  /control/revoke                              the access token is refused from now on, and what it gave ends
  /control/end                                 bearer tokens end, the access token does not
  /control/fault?kind=KIND[&count=N]           the next N (1) requests to /api misbehave; KIND: slow (30 s), 500, 429, html,
                                               huge, json (malformed), mac (MACs are of another key), swap (another
                                               secret's seals), truncate
"""
import argparse
import base64
import hashlib
import hmac
import http.server
import json
import os
import secrets
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

CLIENT = "ec2c1d46-6a4b-4751-a310-af9601317f2d"
CLIENT_SECRET = "C2IgxjjLF7qSshsbwe8JGcbM075YXw"
ORGANIZATION = "b1a4b97f-c75e-4901-b831-00912f3549a7"
FAULTS = {"slow", "500", "429", "html", "huge", "json", "mac", "swap", "truncate"}


def hkdf(secret, salt, info, size):
    key, out, block = hmac.new(salt, secret, hashlib.sha256).digest(), b"", b""
    while len(out) < size:
        block = hmac.new(key, block + info + bytes([len(out) // 32 + 1]), hashlib.sha256).digest()
        out += block
    return out[:size]


def seal(key, text):
    """An EncString of type 2: encrypt, then MAC over IV and ciphertext."""
    iv = os.urandom(16)
    data = subprocess.run(["openssl", "enc", "-aes-256-cbc", "-K", key[:32].hex(), "-iv", iv.hex()],
                          input=text.encode(), capture_output=True, check=True).stdout
    mac = hmac.new(key[32:], iv + data, hashlib.sha256).digest()
    return "2." + "|".join(base64.b64encode(part).decode() for part in (iv, data, mac))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class State:
    def __init__(self, life):
        self.lock = threading.Lock()
        self.life = life
        self.token_key = os.urandom(16)
        self.organization_key = os.urandom(64)
        self.revoked = False
        self.bearers = {}
        self.faults = []
        self.secrets = {
            "11111111-2222-3333-4444-555555555555": ["OPENAI_API_KEY", "sk-canary-bitwarden-sm", "for tests"],
            "22222222-2222-3333-4444-555555555555": ["EMPTY_NOTE", "v2", ""],
        }

    def token(self):
        return f"0.{CLIENT}.{CLIENT_SECRET}:{base64.b64encode(self.token_key).decode()}"

    def payload(self):
        key = hkdf(self.token_key, b"bitwarden-accesstoken", b"sm-access-token", 64)
        return seal(key, json.dumps({"encryptionKey": base64.b64encode(self.organization_key).decode()}))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Kestrel"
    sys_version = ""

    def log_message(self, *_):
        pass

    def note(self, **more):
        fields = {name: "***" if name.lower() == "authorization" else value for name, value in self.headers.items()}
        with self.server.state.lock:
            print(json.dumps({"method": self.command, "path": self.path, "fields": fields, **more}),
                  file=self.server.log, flush=True)

    def answer(self, status, body=b"", kind="application/json; charset=utf-8", **fields):
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        size = int(self.headers.get("Content-Length", "-1"))
        if size < 0 or size > 65536:
            return self.answer(411)
        body = self.rfile.read(size).decode()
        place = urllib.parse.urlsplit(self.path)
        if place.path.startswith("/control/"):
            return self.control(place)
        self.note(body=body.replace(CLIENT_SECRET, "***"))
        if place.path != "/identity/connect/token" or place.query:
            return self.answer(404)
        return self.login(body)

    def login(self, body):
        state = self.server.state
        try:
            form = urllib.parse.parse_qs(body, strict_parsing=True, keep_blank_values=True)
        except ValueError:
            return self.answer(400, {"error": "invalid_request"})
        if not self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            return self.answer(400, {"error": "invalid_request"})
        if self.headers.get("Device-Type") != "21" or "application/json" not in self.headers.get("Accept", ""):
            return self.answer(400, {"error": "invalid_request", "error_description": "No device information provided."})
        if form.get("grant_type") != ["client_credentials"]:
            return self.answer(400, {"error": "unsupported_grant_type"})
        if form.get("scope") != ["api.secrets"]:
            return self.answer(400, {"error": "invalid_scope"})
        if set(form) != {"grant_type", "scope", "client_id", "client_secret"}:
            return self.answer(400, {"error": "invalid_request"})
        bearer = None
        with state.lock:
            if form["client_id"] == [CLIENT] and form["client_secret"] == [CLIENT_SECRET] and not state.revoked:
                claims = {"exp": int(time.time()) + state.life, "client_id": CLIENT, "type": "ServiceAccount",
                          "organization": ORGANIZATION, "jti": secrets.token_hex(8), "scope": ["api.secrets"]}
                bearer = ".".join([base64url(b'{"alg":"RS256","typ":"at+jwt"}'),
                                   base64url(json.dumps(claims).encode()), base64url(os.urandom(32))])
                state.bearers[bearer] = time.time() + state.life
        if bearer is None:
            return self.answer(400, {"error": "invalid_client"})
        return self.answer(200, {"access_token": bearer, "expires_in": state.life, "token_type": "Bearer",
                                 "scope": "api.secrets", "encrypted_payload": state.payload()})

    def do_GET(self):
        self.note()
        state = self.server.state
        place = urllib.parse.urlsplit(self.path)
        if not place.path.startswith("/api/"):
            return self.answer(404)
        scheme, _, bearer = self.headers.get("Authorization", "").partition(" ")
        with state.lock:
            good = scheme == "Bearer" and state.bearers.get(bearer, 0) > time.time()
            fault = state.faults.pop(0) if good and state.faults else None
            kept = {key: list(parts) for key, parts in state.secrets.items()}
        if not good:
            return self.answer(401, WWW_Authenticate='Bearer error="invalid_token"')
        if fault in ("slow", "500", "429", "html", "huge", "json"):
            return self.misbehave(fault)
        key = state.organization_key if fault != "mac" else state.organization_key[:32] + os.urandom(32)
        parts = place.path.split("/")[2:]
        if parts == ["organizations", ORGANIZATION, "secrets"]:
            body = {"object": "SecretsWithProjectsList", "projects": [],
                    "secrets": [self.entry(key, name, values, False) for name, values in kept.items()]}
        elif len(parts) == 2 and parts[0] == "secrets" and parts[1] in kept:
            values = kept[parts[1]]
            if fault == "swap":
                values = next(other for name, other in kept.items() if name != parts[1])
            body = self.entry(key, parts[1], values, True)
        else:
            return self.answer(404, {"message": "Resource not found.", "object": "error"})
        data = json.dumps(body).encode()
        return self.answer(200, data[:len(data) // 2] if fault == "truncate" else data)

    @staticmethod
    def entry(key, name, values, whole):
        out = {"id": name, "organizationId": ORGANIZATION, "key": seal(key, values[0]),
               "creationDate": "2026-01-01T00:00:00Z", "revisionDate": "2026-01-01T00:00:00Z",
               "projects": [], "read": True, "write": False}
        if whole:
            out.update(object="secret", value=seal(key, values[1]), note=seal(key, values[2]))
        return out

    def misbehave(self, fault):
        if fault == "slow":
            time.sleep(30)
            return self.answer(200, {})
        if fault == "429":
            return self.answer(429, {"message": "Slow down!"}, Retry_After="2")
        if fault == "html":
            return self.answer(200, b"<html><title>Sign in</title>", "text/html")
        if fault == "huge":
            return self.answer(200, b'{"x":"' + b"x" * (4 << 20) + b'"}')
        if fault == "json":
            return self.answer(200, b'{"id":')
        return self.answer(500, {"message": "An error has occurred."})

    def control(self, place):
        state, query = self.server.state, dict(urllib.parse.parse_qsl(place.query))
        with state.lock:
            if place.path == "/control/set":
                for values in state.secrets.values():
                    if values[0] == query["name"]:
                        values[1] = query["value"]
            elif place.path == "/control/revoke":
                state.revoked, state.bearers = True, {}
            elif place.path == "/control/end":
                state.bearers = {}
            elif place.path == "/control/fault" and query.get("kind") in FAULTS:
                state.faults += [query["kind"]] * int(query.get("count", "1"))
            else:
                return self.answer(404)
        return self.answer(204)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--log")
    parser.add_argument("--life", type=int, default=3600)
    options = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.log = open(options.log, "a", encoding="utf-8") if options.log else sys.stderr
    server.state = State(options.life)
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(f"READY {server.server_address[1]}", flush=True)
    print(f"TOKEN {server.state.token()}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
