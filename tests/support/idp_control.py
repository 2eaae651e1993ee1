"""The control port of fake_idp.py; the calls are listed at the head of that file."""

import http.server
import json
import time
import urllib.parse

import idp_faults
from idp_jose import Invalid, RsaKey
from idp_state import SETTINGS, Bad, sha


class Control(http.server.BaseHTTPRequestHandler):
    """The tests' own port."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def serve(self):
        split = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(split.query))
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        state = self.server.state
        try:
            body = json.loads(raw) if raw else {}
            with state.lock:
                found = self.call(state, split.path, query, body)
            status = 200
        except (Bad, Invalid, ValueError, KeyError, TypeError) as error:
            status, found = 400, {"error": f"{type(error).__name__}: {error}"}
        data = (found if isinstance(found, str) else json.dumps(found) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(found, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = serve

    def call(self, state, path, query, body):
        name = f"{self.command} {path}"
        if self.command == "DELETE" and path.startswith("/clients/"):
            del state.clients[urllib.parse.unquote(path.removeprefix("/clients/"))]
            return {}
        if name not in CONTROL:
            raise Bad(f"no {name}")
        return CONTROL[name](self.server, state, query, body)


def get_requests(_server, state, query, _body):
    def found():
        return [one for one in state.requests if one["n"] > int(query.get("since", 0)) and
                all(one[name] == query[name] for name in ("endpoint", "path", "host", "method") if name in query)]
    deadline = time.monotonic() + float(query.get("wait", 0))
    while len(found()) < int(query.get("count", 0)) and time.monotonic() < deadline:
        state.changed.wait(max(0.0, deadline - time.monotonic()))
    return found()


def forget_requests(_server, state, _query, _body):
    state.requests.clear()
    state.clear_counters()
    for family in state.families.values():
        family["refreshes"] = family["reuse"] = 0
    return {}


def post_settings(_server, state, _query, body):
    for name, value in body.items():
        if name not in SETTINGS:
            raise Bad(f"no setting {name}")
        if type(value) is not type(SETTINGS[name]):
            raise Bad(f"{name} is a {type(SETTINGS[name]).__name__}")
        state.settings[name] = value
    return state.settings


def post_next(_server, state, _query, body):
    fresh = [idp_faults.checked(entry) for entry in (body if isinstance(body, list) else [body])]
    state.next += fresh
    return state.next


def post_tokens(server, state, _query, body):
    client = state.clients[body["client_id"]]
    issuer, family = body.get("issuer", server.issuer), state.new_family(client["client_id"])
    scope, user = body.get("scope", "").split(), dict(state.settings["user"])
    access, _ = state.new_access(client, family, scope, user, issuer, body.get("resource"))
    answer = {"access_token": access, "token_type": "Bearer", **state.expires_in(client), "family": family}
    if client["refresh"] != "none":
        answer["refresh_token"] = state.new_refresh(client, family, scope, user, issuer, body.get("resource"))
    return answer


def selected(body):
    return lambda one: all(getattr(one, name) == body[name] for name in ("client_id", "family") if name in body)


def post_revoke(_server, state, _query, body):
    done = [name for name, family in state.families.items() if all(family[key] == body[key] for key in ("family", "client_id") if key in body)]
    for name in done:
        state.revoke_family(name)
    return {"families": done}


def post_clock(_server, state, _query, body):
    state.offset = float(body["offset"]) if "offset" in body else state.offset + float(body["advance"])
    return {"offset": state.offset, "now": state.now()}


def post_device(_server, state, _query, body):
    if body["decision"] not in ("approve", "deny"):
        raise Bad("decision is approve or deny")
    waiting = [device for device in state.devices.values() if device["state"] == "pending"]
    found = state.find_device(body["user_code"]) if "user_code" in body else (waiting or [None])[-1]
    if found is None:
        raise Bad("no such device code")
    found["state"] = "approved" if body["decision"] == "approve" else "denied"
    return {"user_code": found["user_code"], "state": found["state"]}


def add_issuer(state, iss, key, subjects=(), seconds=3600):
    state.jwt_issuers[iss] = {"keys": {key.kid: key}, "subjects": list(subjects), "access_token_seconds": seconds}


def post_jwt_issuer(_server, state, _query, body):
    key = RsaKey.from_public_pem(body["public_key"])
    add_issuer(state, body["iss"], key, body.get("subjects", ()), body.get("access_token_seconds", 3600))
    return {"iss": body["iss"], "kid": key.kid}


def post_service_account(server, state, _query, body):
    key = RsaKey.generate()
    add_issuer(state, body["client_email"], key, body.get("subjects", ()))
    state.secret("".join(key.pkcs8.split("\n")[1:-2]), "private_key")
    return {"type": "service_account", "project_id": "test", "private_key_id": key.kid, "private_key": key.pkcs8, "client_email": body["client_email"],
            "client_id": "1", "auth_uri": server.issuer + "/authorize", "token_uri": body.get("token_uri", server.issuer + "/token"), "universe_domain": "googleapis.com"}


def post_github_app(_server, state, _query, body):
    key = RsaKey.generate()
    app = str(body["app_id"])
    state.github_apps[app] = {"key": key, "installations": [str(one) for one in body["installations"]]}
    state.secret("".join(key.pkcs1.split("\n")[1:-2]), "private_key")
    return {"app_id": app, "private_key": key.pkcs1, "pkcs8": key.pkcs8}


def post_rotate(_server, state, _query, body):
    state.old_keys = [state.key] if body.get("keep_old", True) else []
    state.key = RsaKey.generate()
    return {"kid": state.key.kid}


def post_reset(server, state, _query, _body):
    server.set_up()
    return {}


CONTROL = {
    "GET /requests": get_requests, "DELETE /requests": forget_requests,
    "GET /counters": lambda server, state, query, body: state.counters_view(),
    "GET /clients": lambda server, state, query, body: state.clients,
    "POST /clients": lambda server, state, query, body: state.add_client(body),
    "GET /settings": lambda server, state, query, body: state.settings, "POST /settings": post_settings,
    "GET /next": lambda server, state, query, body: state.next, "POST /next": post_next,
    "DELETE /next": lambda server, state, query, body: state.next.clear() or [],
    "GET /tokens": lambda server, state, query, body: [token.view(state.now()) for token in state.tokens.values()], "POST /tokens": post_tokens,
    "GET /secrets": lambda server, state, query, body: "".join(f"{value}\n" for value in state.secrets if value.isprintable() and " " not in value),
    "POST /expire": lambda server, state, query, body: {"expired": state.expire_access(selected(body))}, "POST /revoke": post_revoke,
    "POST /clock": post_clock, "POST /device": post_device,
    "GET /devices": lambda server, state, query, body: [{**device, "device_code": sha(device["device_code"]), "polled": None} for device in state.devices.values()],
    "POST /jwt-issuers": post_jwt_issuer, "POST /service-accounts": post_service_account, "POST /github-apps": post_github_app,
    "POST /keys/rotate": post_rotate, "POST /reset": post_reset,
}
