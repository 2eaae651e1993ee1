"""What the fake stores that speak JSON over HTTP have in common: a strict server on 127.0.0.1, its log, its clock, its faults.

Strict: a Host, one Content-Length or none, a body that is JSON (no name twice) of the type application/json, a query without
names twice, and nothing in a URL that the store has ever issued as a secret (400, and "secret_in_url" in the log).

Every request but control ones is a JSON line in --log, and in GET /_control/requests[?since=N]: n, method, path, query, status,
headers (names), json (names of the members), secret_in_url, and what the store adds to `note`. Control routes (JSON both ways):
    POST /_control/clock   {"advance": SECONDS}          GET /_control/clock
    POST /_control/faults  {"kind": KIND, "times": N=1, "match": SUBSTRING OF THE PATH, "skip": N=0, ...}   DELETE forgets them
        slow {"seconds"}, status {"status", "body"?, "retry_after"?}, html {"status"}, huge, malformed, close, redirect {"location"},
        empty (no body), body {"body", "content_type"?}: instead of the answer. "after": true: the store does its work first.
    POST /_control/reset   as at the start (the log stays)
    GET  /_control/secrets                               every secret ever issued, one a line
"""

import argparse
import ctypes
import http.server
import json
import signal
import ssl
import sys
import threading
import time
import urllib.parse

BODY_LIMIT = 1 << 20


class Refused(Exception):
    """An answer that is not the good one."""

    def __init__(self, status, body=None, headers=()):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, dict(headers)


def no_twins(pairs):
    out = {}
    for name, value in pairs:
        if name in out:
            raise ValueError("a member twice: " + name)
        out[name] = value
    return out


class Request:
    def __init__(self, method, target, headers, raw):
        self.method, self.target, self.headers, self.raw = method, target, headers, raw
        path, _, query = target.partition("?")
        self.path = urllib.parse.unquote(path)
        self.raw_path = path
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        self.query = no_twins(pairs)
        self.json = None
        self.note = {}
        if raw:
            if headers.get("Content-Type", "").split(";")[0].strip() != "application/json":
                raise ValueError("a body that is not application/json")
            self.json = json.loads(raw.decode("utf-8"), object_pairs_hook=no_twins)
            if not isinstance(self.json, dict):
                raise ValueError("a body that is no object")


class Store:
    """Subclasses have answer(request) -> (status, object or None) and control(request) -> object, or raise Refused."""

    def __init__(self):
        self.lock = threading.RLock()
        self.offset = 0.0
        self.requests = []
        self.faults = []
        self.secrets = set()
        self.log = None

    def now(self):
        return time.time() + self.offset

    def secret(self, text):
        self.secrets.add(text)
        return text

    def error(self, status, text):
        raise NotImplementedError

    def take_fault(self, request):
        for fault in self.faults:
            if fault.get("match", "") in request.path:
                if fault.get("skip", 0) > 0:
                    fault["skip"] -= 1
                    continue
                fault["times"] = fault.get("times", 1) - 1
                if fault["times"] <= 0:
                    self.faults.remove(fault)
                return fault
        return None

    def basic_control(self, request):
        name = request.path.removeprefix("/_control/")
        if name == "clock":
            if request.method == "POST":
                self.offset += float(request.json["advance"])
            return {"now": self.now()}
        if name == "faults":
            if request.method == "DELETE":
                self.faults.clear()
            else:
                self.faults.append(dict(request.json))
            return {}
        if name == "requests":
            return {"requests": self.requests[int(request.query.get("since", 0)):]}
        if name == "reset":
            lock, log = self.lock, self.log
            self.__init__()
            self.lock, self.log = lock, log
            return {}
        if name == "secrets":
            return "\n".join(sorted(self.secrets)) + "\n"
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120

    def log_message(self, *_):
        pass

    def read_body(self):
        lengths = self.headers.get_all("content-length") or []
        if self.headers.get_all("transfer-encoding") or len(lengths) > 1 or len(self.headers.get_all("host") or []) != 1:
            raise ValueError("framing")
        if not lengths:
            return b""
        if not lengths[0].isdigit() or int(lengths[0]) > BODY_LIMIT:
            raise ValueError("length")
        return self.rfile.read(int(lengths[0]))

    def send(self, status, body, headers=(), content_type="application/json"):
        raw = b"" if body is None else body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body, sort_keys=True).encode()
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if raw:
            self.send_header("Content-Type", content_type)
        if status != 204:
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if raw and self.command != "HEAD":
            self.wfile.write(raw)

    def misbehave(self, fault):
        kind = fault["kind"]
        headers = {"Retry-After": str(fault["retry_after"])} if "retry_after" in fault else {}
        if kind == "status":
            self.send(fault["status"], fault.get("body"), headers)
        elif kind == "html":
            self.send(fault.get("status", 200), "<html><body>It works!</body></html>", headers, "text/html")
        elif kind == "huge":
            self.send(200, '{"data":{"value":"' + "x" * (3 << 20) + '"}}')
        elif kind == "malformed":
            self.send(200, '{"data": {"value": "cut off')
        elif kind == "empty":
            self.send(fault.get("status", 200), None)
        elif kind == "body":
            self.send(fault.get("status", 200), fault["body"], headers, fault.get("content_type", "application/json"))
        elif kind == "redirect":
            self.send(307, None, {"Location": fault["location"]})
        else:  # close
            self.close_connection = True

    def record(self, request, status):
        store = self.server.store
        entry = {"n": len(store.requests), "method": request.method, "path": request.path, "query": request.query, "status": status,
                 "headers": sorted(name.lower() for name in request.headers.keys()), "json": sorted(request.json or {}),
                 "secret_in_url": any(one in urllib.parse.unquote_plus(request.target) for one in store.secrets)}
        entry.update(request.note)
        store.requests.append(entry)
        if store.log:
            with open(store.log, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        return entry

    def serve(self):
        store = self.server.store
        try:
            request = Request(self.command, self.path, self.headers, self.read_body())
        except (ValueError, UnicodeDecodeError) as error:
            self.close_connection = True
            self.send(400, store.error(400, "bad request: " + str(error)))
            return
        if request.path.startswith("/_control/"):
            with store.lock:
                try:
                    found = store.basic_control(request)
                    self.send(200, store.control(request) if found is None else found)
                except (Refused, KeyError, ValueError) as error:
                    self.send(400, {"error": repr(error)})
            return
        with store.lock:
            fault = store.take_fault(request)
        if fault and fault["kind"] == "slow":
            time.sleep(float(fault["seconds"]))
        instead = fault is not None and fault["kind"] != "slow"
        status, body, headers = 0, None, {}
        with store.lock:
            if not instead or fault.get("after"):
                try:
                    if any(one in urllib.parse.unquote_plus(request.target) for one in store.secrets):
                        raise Refused(400, store.error(400, "there is a secret in the URL"))
                    status, body = store.answer(request)
                except Refused as refused:
                    status, body, headers = refused.status, refused.body, refused.headers
            self.record(request, ("fault " + fault["kind"]) if instead else status)
        if instead:
            self.misbehave(fault)
        else:
            self.send(status, body, headers)

    do_GET = do_POST = do_PUT = do_DELETE = do_LIST = do_PATCH = do_HEAD = serve


def main(store, parser=None):
    # Whoever started it may be killed.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    parser = parser or argparse.ArgumentParser()
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--log", help="file for a JSON line for each request")
    options = parser.parse_args()
    store.log = options.log
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.store = store
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(f"READY {server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
