"""One request to fake_idp.py and its answer: Call, Reply, OAuthError, and who is asking (client authentication, bearer tokens)."""

import base64
import binascii
import hmac
import html
import json
import re
import urllib.parse

from idp_state import sha

NO_STORE = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]


class Reply:
    def __init__(self, status, body=b"", content_type=None, headers=()):
        self.status, self.body, self.headers = status, body, list(headers)
        self.content_type = content_type or ("application/json" if isinstance(body, (dict, list)) else "text/plain; charset=utf-8")
        self.cut = None  # close: no answer at all; truncate: half of the body
        self.drip = None  # seconds over which the body is sent

    def raw(self):
        if isinstance(self.body, (dict, list)):
            return json.dumps(self.body).encode()
        return self.body.encode() if isinstance(self.body, str) else self.body


class OAuthError(Exception):
    def __init__(self, code, description="", status=400, headers=()):
        super().__init__(code)
        self.code, self.description, self.status, self.headers = code, description, status, list(headers)

    def reply(self):
        return Reply(self.status, {"error": self.code, "error_description": self.description}, headers=NO_STORE + self.headers)


class Call:
    """One request, as the endpoints see it."""

    def __init__(self, method, target, headers, body, scheme, peer):
        self.method, self.target, self.headers, self.body, self.scheme, self.peer = method, target, headers, body, scheme, peer
        self.path, _, self.query_text = target.partition("?")
        self.host = self.get("host").lower()
        self.issuer, self.endpoint, self.rest = "", "none", ""
        self.note = {}  # what the endpoint found out, for the record

    def get(self, name):
        found = self.headers.get_all(name) or []
        return found[0] if len(found) == 1 else ""

    def all(self, name):
        return self.headers.get_all(name) or []

    def parameters(self, text, repeatable=("resource",)):
        """RFC 6749 section 3.1: nothing twice, without a value means omitted; percent-encoding must be whole."""
        if re.search(r"%(?![0-9A-Fa-f]{2})", text):
            raise OAuthError("invalid_request", "broken percent-encoding")
        found = {}
        try:
            pairs = urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", encoding="utf-8")
        except ValueError as error:
            raise OAuthError("invalid_request", f"not form-encoded: {error}") from error
        for name, value in pairs:
            if name in found and name not in repeatable:
                raise OAuthError("invalid_request", f"{name} is there twice")
            if value != "":
                found[name] = value
        return found

    def query(self):
        return self.parameters(self.query_text)

    def form(self):
        """A POST with everything in the body."""
        # Those two take what no RFC has: JSON, and nothing else, but for the code that Codex redeems with a form.
        host, code = self.get("host").split(":")[0], b"grant_type=authorization_code" in self.body
        if host == "platform.claude.com" or host == "auth.openai.com" and not code:
            if self.get("content-type").split(";")[0].strip().lower() != "application/json":
                raise OAuthError("invalid_request", "Content-Type is not application/json")
            try:
                members = json.loads(self.body)
            except ValueError as error:
                raise OAuthError("invalid_request", "not JSON") from error
            if not isinstance(members, dict) or not all(isinstance(value, str) for value in members.values()):
                raise OAuthError("invalid_request", "not an object of strings")
            return members
        if self.get("content-type").split(";")[0].strip().lower() != "application/x-www-form-urlencoded":
            raise OAuthError("invalid_request", "Content-Type is not application/x-www-form-urlencoded")
        if self.query_text:
            raise OAuthError("invalid_request", "parameters in the URL")
        try:
            return self.parameters(self.body.decode("ascii"))
        except UnicodeDecodeError as error:
            raise OAuthError("invalid_request", "bytes that are not form-encoded") from error

    def cookie(self, name):
        for line in self.all("cookie"):
            for part in line.split(";"):
                key, _, value = part.strip().partition("=")
                if key == name:
                    return value
        return ""


# -- client authentication, RFC 6749 section 2.3

def authenticate(state, call, form, optional=False):
    schemes = call.all("authorization")
    failed = OAuthError("invalid_client", "client authentication failed", 401,
                        [("WWW-Authenticate", 'Basic realm="idp", charset="UTF-8"')] if schemes else [])
    if len(schemes) > 1:
        raise OAuthError("invalid_request", "Authorization is there twice")
    if schemes:
        scheme, _, encoded = schemes[0].partition(" ")
        if scheme.lower() != "basic":
            raise failed
        try:
            name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("ascii").partition(":")
        except (ValueError, binascii.Error):
            raise failed from None
        if not colon:
            raise failed
        if "client_secret" in form:
            raise OAuthError("invalid_request", "more than one way of client authentication")  # section 2.3
        # Section 2.3.1: form-encoded before base64. What an encoder never leaves bare was not encoded.
        if re.search(r"[^A-Za-z0-9*._~+%-]|%(?![0-9A-Fa-f]{2})", name + password):
            call.note["basic_not_encoded"] = True
            raise failed
        client_id, secret, used = urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(password), "client_secret_basic"
        if form.get("client_id", client_id) != client_id:
            raise failed
    elif "client_id" in form:
        client_id, secret = form["client_id"], form.get("client_secret")
        used = "none" if secret is None else "client_secret_post"
    elif optional:
        return None
    else:
        raise failed
    call.note["client_id"], call.note["client_auth"] = client_id, used
    client = state.clients.get(client_id)
    if client is None or client["auth"] != used:
        call.note["client_auth_wanted"] = client["auth"] if client else None
        raise failed
    if used != "none" and not hmac.compare_digest(client["client_secret"].encode(), secret.encode()):
        raise failed
    return client


def resource_metadata_url(call):
    """RFC 9728 section 3.1: the well-known string goes between the host and the path of the resource."""
    root = f"{call.scheme}://{call.host}"
    return f"{root}/.well-known/oauth-protected-resource{call.issuer[len(root):]}/mcp"


def bearer(state, call, schemes=("bearer",)):
    """The live access token of the request; raises 401 with the challenge of RFC 6750 section 3."""
    fields = call.all("authorization")
    challenge = 'Bearer realm="idp"'
    if call.endpoint == "mcp" and state.settings["www_authenticate"] == "resource_metadata":
        challenge += f', resource_metadata="{resource_metadata_url(call)}", scope="mcp"'
    if not fields:
        raise OAuthError("unauthorized", "no token", 401, [("WWW-Authenticate", challenge)])
    scheme, _, value = fields[0].partition(" ")
    token = None
    if len(fields) == 1 and scheme.lower() in schemes and re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", value):
        token = state.live_access(value)
        seen = state.counters["api"].setdefault(sha(value), {"ok": 0, "denied": 0})
        call.note["token_sha256"] = sha(value)
        if token is not None and token.issuer != call.issuer:
            token = None
        if token is not None and call.endpoint == "mcp" and token.resource != f"{call.issuer}/mcp":
            token = None  # RFC 8707: not meant for this resource
        seen["denied" if token is None else "ok"] += 1
    if token is None:
        raise OAuthError("invalid_token", "not a valid access token", 401,
                         [("WWW-Authenticate", challenge + ', error="invalid_token", error_description="expired or unknown"')])
    return token


# -- shared by the endpoints

def without_nulls(base, extra):
    return {name: value for name, value in {**base, **extra}.items() if value is not None}


def page(status, title, body, headers=()):
    text = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title><h1>{html.escape(title)}</h1>{body}</html>'
    return Reply(status, text, "text/html; charset=utf-8", [*NO_STORE, *headers])


def scopes_of(client, asked):
    # Providers that document commas accept spaces as well; the others take a comma for part of a name.
    return [s for s in re.split("[ ,]" if client["scope_separator"] == "," else " ", asked.get("scope", "")) if s]
