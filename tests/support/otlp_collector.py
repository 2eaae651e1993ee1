#!/usr/bin/env python3
"""A strict OpenTelemetry collector for logs over HTTP with JSON.

  otlp_collector.py --log FILE --plan FILE [--certs DIRECTORY] [--key VALUE]

Prints {"port": N}. Each request is held against the rules of the encoding; what breaks one is answered with 400
and noted. What is accepted goes to the log, one record a line. The plan has a word for each request: `ok`, a status,
`429:SECONDS` (with Retry-After), `429@SECONDS` (with a date), `partial:N`, `cut` (accepted, and the connection
closed without an answer), `drop` (closed at once); it is read anew at each request, and `ok` when it is used up. With
--key, every request must carry `X-Api-Key: VALUE`.
"""
import argparse, email.utils, http.server, json, os, re, ssl, sys, threading, time

parser = argparse.ArgumentParser()
parser.add_argument("--log", required=True)
parser.add_argument("--plan", required=True)
parser.add_argument("--certs")
parser.add_argument("--key")
options = parser.parse_args()

U64 = re.compile(r"(0|[1-9][0-9]{0,19})\Z")
I64 = re.compile(r"-?(0|[1-9][0-9]{0,18})\Z")


class Broken(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Broken(what)


def members(value, what, required, optional=()):
    need(isinstance(value, dict), f"{what} is no object")
    for key in required:
        need(key in value, f"{what} lacks {key}")
    for key in value:
        need(key in required or key in optional, f"{what} has {key}")


def any_value(value, what):
    need(isinstance(value, dict) and len(value) == 1, f"{what}: not exactly one kind of value")
    (kind, inner), = value.items()
    if kind == "stringValue":
        need(isinstance(inner, str), f"{what}: stringValue")
    elif kind == "intValue":  # 64 bits: a string
        need(isinstance(inner, str) and I64.match(inner) and -2**63 <= int(inner) < 2**63, f"{what}: intValue {inner!r}")
    elif kind == "boolValue":
        need(isinstance(inner, bool), f"{what}: boolValue")
    elif kind == "doubleValue":
        need(isinstance(inner, (int, float)) and not isinstance(inner, bool), f"{what}: doubleValue")
    elif kind == "arrayValue":
        members(inner, what, ["values"])
        for one in inner["values"]:
            any_value(one, what)
    else:
        raise Broken(f"{what}: unknown kind {kind}")


def attributes(value, what):
    need(isinstance(value, list), f"{what} is no list")
    seen = {}
    for one in value:
        members(one, what, ["key", "value"])
        need(isinstance(one["key"], str) and one["key"], f"{what}: key")
        need(one["key"] not in seen, f"{what}: {one['key']} twice")
        any_value(one["value"], f"{what}.{one['key']}")
        (seen[one["key"]],) = one["value"].values()
    return seen


def u64(value, what):
    need(isinstance(value, str) and U64.match(value) and int(value) < 2**64, f"{what} {value!r}")


def hex_id(value, size, what):
    need(isinstance(value, str) and re.match(r"[0-9a-f]{%d}\Z" % size, value) and set(value) != {"0"}, what)


def record(value):
    members(value, "logRecord", ["timeUnixNano", "body", "attributes"],
            ["observedTimeUnixNano", "severityNumber", "severityText", "eventName", "traceId", "spanId", "flags",
             "droppedAttributesCount"])
    u64(value["timeUnixNano"], "timeUnixNano")
    u64(value.get("observedTimeUnixNano", "0"), "observedTimeUnixNano")
    number = value.get("severityNumber", 0)
    need(isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= 24, f"severityNumber {number!r}")
    for name in ("severityText", "eventName"):
        need(isinstance(value.get(name, ""), str), name)
    for name, size in (("traceId", 32), ("spanId", 16)):
        if name in value:
            hex_id(value[name], size, name)
    any_value(value["body"], "body")
    found = attributes(value["attributes"], "logRecord.attributes")
    hex_id(found.get("log.record.uid"), 64, "log.record.uid")
    return {"time": int(value["timeUnixNano"]), "severity": number, "event": value.get("eventName"),
            "body": value["body"], "attributes": found}


def check(body):
    def no_twins(pairs):
        names = [name for name, _ in pairs]
        need(len(names) == len(set(names)), f"a member twice: {names}")
        return dict(pairs)
    try:
        request = json.loads(body.decode("utf-8"), object_pairs_hook=no_twins)
    except ValueError as error:
        raise Broken(f"not JSON: {error}")
    members(request, "request", ["resourceLogs"])
    records = []
    for resource_logs in request["resourceLogs"]:
        members(resource_logs, "resourceLogs", ["resource", "scopeLogs"], ["schemaUrl"])
        members(resource_logs["resource"], "resource", ["attributes"])
        found = attributes(resource_logs["resource"]["attributes"], "resource.attributes")
        need(found.get("service.name"), "service.name")
        for scope_logs in resource_logs["scopeLogs"]:
            members(scope_logs, "scopeLogs", ["scope", "logRecords"], ["schemaUrl"])
            members(scope_logs["scope"], "scope", ["name"], ["version", "attributes"])
            need(scope_logs["logRecords"], "no logRecords")
            records += [record(one) for one in scope_logs["logRecords"]]
    need(records, "no records")
    return records


lock = threading.Lock()
requests = 0


def note(event):
    with open(options.log, "a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"{}", **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        global requests
        with lock:
            words = open(options.plan, encoding="utf-8").read().split() if os.path.exists(options.plan) else []
            word = words[requests] if requests < len(words) else "ok"
            requests += 1
            note({"request": requests, "word": word, "at": time.time()})
        if word == "drop":
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            need(self.path == "/v1/logs", f"path {self.path}")
            need(self.headers["Content-Type"] == "application/json", "Content-Type")
            records = check(body)
        except Broken as error:
            with lock:
                note({"broken": str(error)})
            self.answer(400)
            return
        if options.key is not None and self.headers.get("X-Api-Key") != options.key:
            self.answer(401)
            return
        if word.startswith("429:"):
            self.answer(429, Retry_After=word[4:])
            return
        if word.startswith("429@"):
            self.answer(429, Retry_After=email.utils.formatdate(time.time() + float(word[4:]), usegmt=True))
            return
        if word.isdigit():
            self.answer(int(word))
            return
        with lock:
            for one in records:
                note({"record": one})
        if word == "cut":
            self.close_connection = True
            return
        if word.startswith("partial:"):
            rejected = {"rejectedLogRecords": word[8:], "errorMessage": "too old \x1b[31m"}
            self.answer(200, json.dumps({"partialSuccess": rejected}).encode())
            return
        self.answer(200, b"")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if options.certs:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(options.certs, "server.pem"), os.path.join(options.certs, "server.key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(json.dumps({"port": server.server_port}), flush=True)
server.serve_forever()
