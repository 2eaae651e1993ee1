#!/usr/bin/env python3
"""A strict stand-in for a 1Password Connect server (REST API 1.8.1), as far as secrets are read through it.

  fake_op_connect.py --data FILE --token TOKEN [--log FILE] [--tls CERT KEY]

Listens on 127.0.0.1 and prints `READY <port>`. FILE as of fake_op: {"vaults": [{"id", "name", "items": [...]}]}; a vault
with "hidden": true is not in the token's scope. Answers
  GET /v1/vaults[?filter=name eq "NAME"]           GET /v1/vaults/{id}
  GET /v1/vaults/{id}/items[?filter=title eq "T"]  GET /v1/vaults/{id}/items/{id}
  GET /heartbeat, /health                          (no token)
with the statuses and messages of the real one. Filters are SCIM strings (RFC 7644): escapes as in JSON, names compared
exactly. What is sent is held against the API: the method, the path, a single Bearer token, Accept, no body, no query but
one filter, percent-encoded; what breaks that is answered with 400 and noted as "problem" in the log, one JSON line for
each request.

POST /_control {"misbehave": WORD, "count": N}: the next N requests (1 by default) get 401, 403, 404, 429 (Retry-After: 7),
500, 502, 503, 302, or `html`, `huge`, `malformed`, `slow` (20 s), `cut` (half an answer), `unfiltered` (filters are ignored),
`reset` (no answer). {"rotate": "NEW"}: another token from now on. {"set": {"vault", "item", "field", "value"}}: a field
gets another value.
"""
import argparse, http.server, json, os, re, ssl, sys, threading, time, urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--token", required=True)
parser.add_argument("--log")
parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
options = parser.parse_args()
with open(options.data, encoding="utf-8") as file:
    data = json.load(file)
state = {"token": options.token, "misbehave": "", "count": 0}
lock = threading.Lock()
ID = "[a-z0-9]{26}"


class Answer(Exception):
    def __init__(self, status, body, **fields):
        super().__init__(status)
        self.status, self.body, self.fields = status, body, fields


def error(status, message, **fields):
    return Answer(status, {"status": status, "message": message}, **fields)


def note(event):
    if options.log:
        with lock, open(options.log, "a", encoding="utf-8") as log:
            log.write(json.dumps(event) + "\n")


def filter_of(query, attribute):
    """The value that `attribute eq "..."` asks for; None without a filter."""
    if query == "":
        return None
    if not re.fullmatch(r"filter=(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+", query):
        raise error(400, "Invalid filter: not one percent-encoded filter")
    text = urllib.parse.unquote(query[len("filter="):], errors="strict")
    found = re.fullmatch(attribute + r' eq ("(?:[^"\\]|\\.)*")', text)
    if not found:
        raise error(400, f"Invalid filter: {text}")
    return json.loads(found.group(1))


def vault_of(vault_id):
    for vault in data["vaults"]:
        if vault["id"] == vault_id:
            if vault.get("hidden"):
                raise error(403, f"vault {vault_id} is not in scope")
            return vault
    raise error(404, f"vault {vault_id} not found")


def without(item, *names):
    return {key: value for key, value in item.items() if key not in names}


def answer(path, query, unfiltered):
    if path == "/v1/vaults":
        name = filter_of(query, "(?:name|title)")  # the SDKs of 1Password ask for title
        return [{"id": vault["id"], "name": vault["name"], "attributeVersion": 1, "contentVersion": 3,
                 "items": len(vault["items"]), "type": "USER_CREATED"}
                for vault in data["vaults"]
                if not vault.get("hidden") and (unfiltered or name is None or vault["name"] == name)]
    found = re.fullmatch(f"/v1/vaults/({ID})", path)
    if found and query == "":
        return without(vault_of(found.group(1)), "items", "hidden")
    found = re.fullmatch(f"/v1/vaults/({ID})/items", path)
    if found:
        vault = vault_of(found.group(1))
        title = filter_of(query, "title")
        return [without(item, "fields", "sections") | {"vault": {"id": vault["id"]}} for item in vault["items"]
                if unfiltered or title is None or item["title"] == title]
    found = re.fullmatch(f"/v1/vaults/({ID})/items/({ID})", path)
    if found and query == "":
        vault = vault_of(found.group(1))
        for item in vault["items"]:
            if item["id"] == found.group(2):
                # Sections are named once; fields have their ids.
                full = dict(item) | {"vault": {"id": vault["id"]}}
                full["fields"] = [dict(field) | ({"section": {"id": field["section"]["id"]}} if "section" in field else {})
                                  for field in item["fields"]]
                return full
        raise error(404, f"item {found.group(2)} not found")
    raise error(404, f"{path} not found")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body, content_type="application/json", **fields):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def problems(self):
        out = []
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            out.append("a GET with a body")
        if len(self.headers.get_all("Host", [])) != 1:
            out.append("not one Host")
        if "application/json" not in self.headers.get("Accept", ""):
            out.append("Accept lacks application/json")
        if len(self.headers.get_all("Authorization", [])) > 1:
            out.append("several Authorization fields")
        if state["token"] in self.path:
            out.append("the token is in the URL")
        for name in ("Cookie", "Proxy-Authorization", "Origin"):
            if name in self.headers:
                out.append(f"{name} is sent")
        return out

    def misbehaviour(self):
        with lock:
            if state["count"] <= 0:
                return ""
            state["count"] -= 1
            return state["misbehave"]

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path.endswith("/"):  # as its own SDK writes it
            path = path[:-1]
        if path == "/heartbeat":
            self.reply(200, b".", "text/plain")
            return
        if path == "/health":
            self.reply(200, {"name": "1Password Connect API", "version": "1.8.1", "dependencies": []})
            return
        problems = self.problems()
        authorization = self.headers.get("Authorization", "")
        word = self.misbehaviour()
        note({"method": "GET", "path": self.path, "problem": problems, "token_ok": authorization == "Bearer " + state["token"],
              "misbehave": word})
        try:
            if problems:
                raise error(400, "; ".join(problems))
            if not authorization.startswith("Bearer "):
                raise error(401, "Missing or invalid authorization header")
            if authorization != "Bearer " + state["token"]:
                raise error(401, "Invalid token signature")
            if word in ("401", "403", "404", "500", "502", "503"):
                raise error(int(word), {"401": "Invalid token signature", "403": "vault is not in scope",
                                        "404": "item not found"}.get(word, "something failed"))
            if word == "429":
                raise error(429, "Too many requests", Retry_After="7")
            if word == "302":
                raise Answer(302, {}, Location="https://evil.example/v1/vaults")
            if word == "reset":
                self.close_connection = True
                return
            if word == "html":
                self.reply(200, b"<html><body>Sign in</body></html>", "text/html")
                return
            if word == "huge":
                self.reply(200, b'["' + b"x" * (3 << 20) + b'"]')
                return
            if word == "malformed":
                self.reply(200, b'[{"id":"aaaa", "name":')
                return
            if word == "slow":
                time.sleep(20)
            body = answer(path, query, word == "unfiltered")
            if word == "cut":
                raw = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw[:len(raw) // 2])
                self.close_connection = True
                return
            self.reply(200, body)
        except Answer as refusal:
            self.reply(refusal.status, refusal.body, **refusal.fields)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path != "/_control":
            note({"method": "POST", "path": self.path, "problem": ["nothing is written"]})
            self.reply(405, {"status": 405, "message": "read only"})
            return
        wish = json.loads(body)
        with lock:
            if "misbehave" in wish:
                state["misbehave"], state["count"] = wish["misbehave"], wish.get("count", 1)
            if "rotate" in wish:
                state["token"] = wish["rotate"]
            if "set" in wish:
                change = wish["set"]
                for vault in data["vaults"]:
                    for item in vault["items"]:
                        for field in item["fields"]:
                            if (vault["name"], item["title"], field["label"]) == (change["vault"], change["item"], change["field"]):
                                field["value"] = change["value"]
        self.reply(200, {})


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
if options.tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*options.tls)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(f"READY {server.server_port}", flush=True)
server.serve_forever()
