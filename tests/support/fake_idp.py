#!/usr/bin/env python3
"""A strict OAuth 2 and OpenID Connect provider on loopback, for tests. Standard library and the openssl command only.

    make_certs.sh DIR; fake_idp.py --certs DIR [--log FILE] [--name HOST]... [--issuer-path /tenant/a]...
        [--client JSON]... [--setting NAME=JSON]... [--no-default-clients] [--alias HOST/PATH=HOST/PATH]... (HOST/*=HOST: all of it)

prints {"https": PORT, "http": PORT, "control": PORT, "pid": PID, "issuer": "https://idp.test"} and serves until killed. Give the
program under test `--resolve idp.test:443:127.0.0.1:PORT --upstream-ca DIR/ca.pem`. The issuer is the scheme and Host of the
request (+ --issuer-path), so one process is several issuers; codes and tokens of one are refused by another. `http` is the same
in the clear: for a browser on 127.0.0.1, and to see what must never arrive there. Names: idp.test, *.idp.test, mcp.test,
127.0.0.1, [::1], localhost, the aliases' and --name; any other Host, or one that is not the SNI, is answered with 421.

Below the issuer: /.well-known/{oauth-authorization-server,openid-configuration,oauth-protected-resource[/mcp]} /jwks /authorize
/token /device_authorization /device /revoke /introspect /register /userinfo /api[/...] /mcp, and at the root
/app/installations/ID/access_tokens. Aliases that are always there: the addresses of GitHub, Google and Slack (ALIASES below).

Clients on start: public (PKCE), post, basic, "ba:s ic+%", device, service, service-post, github, slack, slack-user: see
idp_state.py for these, for the fields of a client (CLIENT_FIELDS: auth, redirect_uris, access_token_seconds, expires_in, refresh,
style...) and for the settings (SETTINGS: consent, state, iss, user, id_token, metadata...). Misbehaviour: idp_faults.py.

The control port (plain HTTP on 127.0.0.1, JSON both ways; an error is 400 {"error"}):
    GET  /requests[?endpoint=token&path=P&since=N&count=K&wait=SECONDS]   what arrived; secrets as sha256 only; with count and wait
                                                   it answers when there are K, or after SECONDS. DELETE /requests forgets, and counts anew
    GET  /counters                                 refreshes per family, reuse_detections, families_revoked, codes, polls, api, errors
    GET  /clients    POST /clients {...}    DELETE /clients/ID           POST answers the whole client, with its secret
    GET  /settings   POST /settings {...}   (merged; {"consent": "form"})
    GET  /next       POST /next {...} or [...]     DELETE /next          faults, in order
    GET  /tokens     POST /tokens {"client_id", "scope"?, "issuer"?, "resource"?}   what was issued; POST mints without a flow
    GET  /secrets                                  every secret value ever issued, one a line (for $CANARIES)
    POST /expire {"client_id"?, "family"?}         access tokens end now          POST /revoke {"family"} | {"client_id"} | {}
    POST /clock {"offset": S} | {"advance": S}     moves the server's clock
    GET  /devices    POST /device {"decision": "approve"|"deny", "user_code"?}   without user_code: the newest
    POST /jwt-issuers {"iss", "public_key": PEM, "subjects"?: [], "access_token_seconds"?}
    POST /service-accounts {"client_email", "token_uri"?, "subjects"?}   answers a key file as Google's, known as an issuer
    POST /github-apps {"app_id", "installations": [ID]}                  answers {"app_id", "private_key": PKCS#1 PEM, "pkcs8"}
    POST /keys/rotate {"keep_old": true}           a new key for ID tokens        POST /reset   as at the start
"""

import argparse
import collections
import fnmatch
import http.server
import json
import os
import re
import socket
import ssl
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import idp_faults  # noqa: E402
from idp_call import Call, Reply  # noqa: E402
from idp_control import Control, post_settings  # noqa: E402
from idp_endpoints import dispatch, route  # noqa: E402
from idp_jose import Invalid, peek_jwt, strict_json  # noqa: E402
from idp_state import State, sha  # noqa: E402

NAMES = ["idp.test", "*.idp.test", "mcp.test", "127.0.0.1", "[::1]", "localhost"]
ALIASES = {
    "github.com/login/oauth/authorize": "github.com/authorize", "github.com/login/oauth/access_token": "github.com/token",
    "github.com/login/device/code": "github.com/device_authorization", "github.com/login/device": "github.com/device",
    "api.github.com/user": "github.com/api/user", "api.github.com/*": "github.com",
    "accounts.google.com/o/oauth2/v2/auth": "accounts.google.com/authorize", "oauth2.googleapis.com/token": "accounts.google.com/token",
    "oauth2.googleapis.com/device/code": "accounts.google.com/device_authorization", "oauth2.googleapis.com/revoke": "accounts.google.com/revoke",
    "www.googleapis.com/oauth2/v3/certs": "accounts.google.com/jwks",
    "slack.com/oauth/v2/authorize": "slack.com/authorize", "slack.com/api/oauth.v2.access": "slack.com/token",
}
SECRET_FIELDS = ("client_secret", "code", "code_verifier", "refresh_token", "access_token", "token", "assertion", "client_assertion", "device_code",
                 "password", "subject_token", "id_token", "private_key")
BODY_LIMIT = 1 << 20


def hidden(name, value, known):
    if isinstance(value, str) and (name in SECRET_FIELDS or value in known):
        return {"sha256": sha(value), "length": len(value)}
    return value


class Recorder:
    """What is remembered of a request."""

    def __init__(self, state, log):
        self.state, self.log, self.count = state, log, 0

    def begin(self, call, sni):
        known = self.state.secrets
        pairs = urllib.parse.parse_qsl(call.query_text, keep_blank_values=True)
        target = urllib.parse.unquote_plus(call.target)
        in_url = sorted({name for name, value in pairs if name in SECRET_FIELDS and value} | {known[value] for value in known if value in target})
        path = call.path
        for value in known:
            path = path.replace(value, "[secret]")
        authorization = call.get("authorization")
        scheme, _, rest = authorization.partition(" ")
        self.count += 1
        record = {"n": self.count, "at": round(time.time(), 3), "scheme": call.scheme, "host": call.host, "sni": sni, "method": call.method, "path": path,
                  "endpoint": call.endpoint, "issuer": call.issuer, "query": {name: hidden(name, value, known) for name, value in pairs}, "form": {},
                  "secret_in_url": in_url,
                  "secret_in_headers": sorted({name.lower() for name, value in call.headers.items() if name.lower() != "authorization" for one in known if one in value}),
                  "authorization": {"scheme": scheme.lower(), "sha256": sha(rest)} if authorization else None,
                  "headers": [name.lower() for name in call.headers.keys()], "user_agent": call.get("user-agent"), "accept": call.get("accept"),
                  "content_type": call.get("content-type"), "status": None, "fault": None}
        kind = call.get("content-type").split(";")[0].strip().lower()
        if kind == "application/x-www-form-urlencoded":
            form = urllib.parse.parse_qsl(call.body.decode("latin-1"), keep_blank_values=True)
            record["form"] = {name: hidden(name, value, known) for name, value in form}
            record["has"] = [name for name, _ in form]
            for name, value in form:
                if name == "assertion":
                    try:
                        record["assertion"] = dict(zip(("header", "claims"), peek_jwt(value)))
                    except Invalid:
                        pass
        elif kind == "application/json" and call.body:
            try:
                body = strict_json(call.body)
                record["json"] = {name: hidden(name, value, known) for name, value in body.items()} if isinstance(body, dict) else body
            except Invalid as error:
                record["json_error"] = str(error)
        if call.endpoint == "installation":
            try:
                record["assertion"] = dict(zip(("header", "claims"), peek_jwt(rest)))
            except Invalid:
                pass
        self.state.requests.append(record)
        return record

    def end(self, record, call, status):
        record["status"] = status
        record.update(call.note)
        self.state.changed.notify_all()
        if self.log:
            with open(self.log, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")


class Front(http.server.BaseHTTPRequestHandler):
    """The provider's own port."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "fake-idp", ""
    disable_nagle_algorithm = True
    timeout = 120

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string(self.server.state.now() if timestamp is None else timestamp)

    def read_body(self):
        length = self.headers.get_all("content-length") or []
        coding = self.headers.get_all("transfer-encoding") or []
        if coding:
            if length or [one.strip().lower() for one in coding] != ["chunked"]:
                return None
            parts, total = [], 0
            while True:
                size = int(self.rfile.readline(1024).split(b";")[0], 16)
                if size == 0:
                    while self.rfile.readline(8192).strip():
                        pass
                    return b"".join(parts)
                total += size
                if total > BODY_LIMIT:
                    return None
                parts.append(self.rfile.read(size))
                self.rfile.readline(16)
        if not length:
            return b""
        if len(length) > 1 or not length[0].isdigit() or int(length[0]) > BODY_LIMIT:
            return None
        return self.rfile.read(int(length[0]))

    def serve(self):
        try:
            body = self.read_body()
        except ValueError:
            body = None
        if body is None:
            self.close_connection = True
            self.write(Reply(400, {"error": "bad_framing"}))
            return
        server, state = self.server, self.server.state
        call = Call(self.command, self.path, self.headers, body, server.scheme, self.client_address)
        sni = getattr(self.connection, "av_sni", None)
        methods, function = None, None
        allowed = self.settle_host(call, sni)
        if allowed:
            self.apply_alias(call)
        with state.lock:
            if allowed:
                methods, function = route(state, call)
            record = server.recorder.begin(call, sni)
            fault = idp_faults.take(state, call) if allowed else {"kind": "none"}
            record["fault"] = fault["kind"]
            busy = state.in_flight.get(call.endpoint, 0) + 1
            state.in_flight[call.endpoint] = busy
            most = state.counters["max_in_flight"]
            most[call.endpoint] = max(most.get(call.endpoint, 0), busy)
            state.changed.notify_all()
        try:
            if not allowed:
                reply = Reply(421, {"error": "misdirected_request", "error_description": "no such name here"})
            elif fault["kind"] in idp_faults.INSTEAD:
                reply = idp_faults.instead(fault, call)
            else:
                if fault["kind"] == "slow":
                    time.sleep(float(fault["seconds"]))
                with state.lock:
                    reply = self.answer(state, call, methods, function, fault)
                reply = idp_faults.after(fault, reply)
        finally:
            with state.lock:
                state.in_flight[call.endpoint] -= 1
        with state.lock:
            server.recorder.end(record, call, "cut" if reply.cut == "close" else reply.status)
        self.write(reply)

    def answer(self, state, call, methods, function, fault):
        held = []
        if fault["kind"] == "no_refresh_token":
            # RFC 6749 section 6: an answer without one means that the old one stays good
            held = [(client, client["refresh"]) for client in state.clients.values()]
            for client, _ in held:
                client["refresh"] = "keep"
        try:
            return dispatch(state, call, methods, function)
        finally:
            for client, refresh in held:
                client["refresh"] = refresh

    def settle_host(self, call, sni):
        fields = call.all("host")
        if len(fields) != 1:
            return False
        port = ":443" if call.scheme == "https" else ":80"
        call.host = call.host.removesuffix(port)
        name = re.sub(r":\d+\Z", "", call.host)
        if sni and sni.lower() != name:
            return False
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.server.names)

    def apply_alias(self, call):
        name, colon, port = call.host.partition(":")
        exact, whole = self.server.aliases.get(name + call.path), self.server.aliases.get(name + "/*")
        if exact:
            host, slash, path = exact.partition("/")
            call.host, call.path = host + colon + port, slash + path
        elif whole:
            call.host = whole + colon + port

    def write(self, reply):
        if reply.cut == "close":
            self.close_connection = True
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            return
        body, chunked = reply.raw(), getattr(reply, "chunked", False)
        try:
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            if reply.status not in (204, 302):
                self.send_header("Content-Type", reply.content_type)
            if chunked:
                self.send_header("Transfer-Encoding", "chunked")
            elif reply.status != 204:
                self.send_header("Content-Length", str(len(body)))
            if reply.cut or reply.drip:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            if self.command == "HEAD":
                return
            if reply.cut == "truncate":
                self.wfile.write(body[:len(body) // 2])
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
            elif reply.drip:
                for at in range(len(body)):
                    self.wfile.write(body[at:at + 1])
                    self.wfile.flush()
                    time.sleep(reply.drip / max(1, len(body)))
            elif chunked:
                for at in range(0, len(body), 65536):
                    part = body[at:at + 65536]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(body)
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = serve


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    context = None
    scheme = "http"

    def finish_request(self, request, client_address):
        # The handshake is done here, in the connection's own thread: a slow peer holds up nobody else.
        if self.context is not None:
            request.settimeout(30)
            request = self.context.wrap_socket(request, server_side=True)
        try:
            self.RequestHandlerClass(request, client_address, self)
        finally:
            if self.context is not None:
                try:
                    request.settimeout(2)
                    request = request.unwrap()
                except (OSError, ValueError):
                    pass
                request.close()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def tls_context(certs):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(certs, "server.pem"), os.path.join(certs, "server.key"))
    context.set_alpn_protocols(["http/1.1"])

    def remember(connection, name, _context):
        connection.av_sni = name
    context.sni_callback = remember
    return context


Running = collections.namedtuple("Running", "state https http control issuer stop")


def start(certs, log=None, names=(), issuer_paths=(), clients=(), settings=(), default_clients=True, aliases=()):
    """Serves in threads of this process; used by main() and by fake_idp_test.py."""
    state = State(["", *issuer_paths])
    issuer = "https://idp.test"
    routes = {**ALIASES, **dict(aliases)}
    known = [*NAMES, *names, *{one.split("/")[0] for pair in routes.items() for one in pair}]
    recorder = Recorder(state, log)
    https, plain, control = Server(("127.0.0.1", 0), Front), Server(("127.0.0.1", 0), Front), Server(("127.0.0.1", 0), Control)
    https.context, https.scheme = tls_context(certs), "https"

    def set_up():
        state.reset()
        if default_clients:
            state.default_clients()
        for fields in clients:
            state.add_client(dict(fields))
        post_settings(None, state, {}, dict(settings))
    set_up()
    for server in (https, plain, control):
        server.state, server.names, server.recorder, server.issuer, server.set_up = state, known, recorder, issuer, set_up
        server.aliases = routes
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop():
        for server in (https, plain, control):
            server.shutdown()
            server.server_close()
    return Running(state, https.server_port, plain.server_port, control.server_port, issuer, stop)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--certs", required=True)
    parser.add_argument("--log")
    parser.add_argument("--name", action="append", default=[])
    parser.add_argument("--issuer-path", action="append", default=[])
    parser.add_argument("--client", action="append", default=[], type=json.loads)
    parser.add_argument("--setting", action="append", default=[])
    parser.add_argument("--alias", action="append", default=[])
    parser.add_argument("--no-default-clients", action="store_true")
    options = parser.parse_args()
    settings = {name: json.loads(value) for name, _, value in (one.partition("=") for one in options.setting)}
    running = start(options.certs, options.log, options.name, options.issuer_path, options.client, settings, not options.no_default_clients,
                    dict(one.split("=", 1) for one in options.alias))
    print(json.dumps({"https": running.https, "http": running.http, "control": running.control, "pid": os.getpid(), "issuer": running.issuer}), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
