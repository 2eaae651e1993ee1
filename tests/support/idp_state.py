"""What fake_idp.py knows: clients, codes, tokens and their families, device codes, the clock, counters, settings.

Everything here runs under `Idp.lock`, which the caller holds. Times are seconds of the movable clock `now()`, but the
pace of device polling is real time. Values of secrets are kept, because the tests ask for them (`/secrets`); requests
are recorded with their SHA-256 only.
"""

import hashlib
import re
import secrets
import threading
import time

from idp_jose import RsaKey

CODE, REFRESH, CLIENT_CREDENTIALS = "authorization_code", "refresh_token", "client_credentials"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
AUTH_METHODS = ("none", "client_secret_post", "client_secret_basic")

# field: (default, allowed values or None)
CLIENT_FIELDS = {
    "client_id": (None, None),
    "client_name": ("", None),
    "auth": ("none", AUTH_METHODS),
    "client_secret": (None, None),
    "redirect_uris": ([], None),
    "grants": ([CODE, REFRESH], None),
    "scopes": (["openid", "email", "profile", "offline_access", "read", "write", "mcp"], None),
    "pkce": (None, (None, "required", "optional", "ignored")),  # None: required of public clients
    "access_token_seconds": (3600, None),
    "refresh_token_seconds": (86400 * 30, None),
    # number, omit, string, negative, or {"literal": any JSON}
    "expires_in": ("number", None),
    # rotate; keep: answers have none and the old one stays; same: the old one is repeated; none: never given
    "refresh": ("rotate", ("rotate", "keep", "same", "none")),
    "refresh_when": ("always", ("always", "offline_access", "access_type")),
    "refresh_grace_seconds": (0, None),
    "refresh_revokes_access": (False, None),
    "style": ("standard", ("standard", "github", "slack", "slack_user")),
    "scope_separator": (" ", None),
    "token_format": ("opaque", ("opaque", "jwt")),
    "token_length": (43, None),
    "device_seconds": (600, None),
    "device_interval": (1, None),  # None: not in the answer, so that 5 is meant
    "slow_down_seconds": (5, None),
    "registration_token": (None, None),
}

SETTINGS = {
    "consent": "auto",  # auto, form, deny
    "state": "echo",  # echo, drop, wrong
    "iss": "right",  # right, none, wrong (RFC 9207)
    "authorize_params": {},  # added to the authorization response
    "code_seconds": 60,
    "user": {"sub": "user-1", "email": "ann@example.com", "email_verified": True, "name": "Ann Example"},
    # claims (null removes), sign: RS256, none, HS256, other_key, bad_signature; header: members of the JOSE header
    "id_token": {},
    "id_token_seconds": 3600,
    "metadata": {},  # members of both discovery documents, null removes
    "resource_metadata": {},
    "well_known": ["oauth", "oidc"],
    "resource_metadata_at": ["path", "root"],
    "www_authenticate": "resource_metadata",  # plain: without that parameter
    "registration": "open",  # open, token (the one in registration_token), off
    "registration_token": "",
    "github_token_seconds": 3600,
}


def sha(value):
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()


class Bad(Exception):
    """A control call that makes no sense."""


class Token:
    def __init__(self, kind, client_id, family, scope, user, issuer, resource, expires, nonce=None):
        self.kind, self.client_id, self.family, self.scope, self.user = kind, client_id, family, scope, user
        self.issuer, self.resource, self.expires, self.nonce = issuer, resource, expires, nonce
        self.revoked, self.used_at, self.value = False, None, ""

    def view(self, now):
        return {"kind": self.kind, "value": self.value, "sha256": sha(self.value), "client_id": self.client_id,
                "family": self.family, "scope": " ".join(self.scope), "resource": self.resource, "issuer": self.issuer,
                "expires_in": round(self.expires - now, 3), "revoked": self.revoked, "used": self.used_at is not None,
                "active": not self.revoked and self.used_at is None and now < self.expires}


class State:
    def __init__(self, issuer_paths=("",)):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.issuer_paths = sorted(issuer_paths, key=len, reverse=True)
        self.key = RsaKey.generate()
        self.old_keys = []
        self.other_key = None  # made when something asks for it
        self.reset()

    def reset(self):
        self.offset = 0.0
        self.clients, self.codes, self.tokens, self.families, self.devices, self.consents = {}, {}, {}, {}, {}, {}
        self.jwt_issuers, self.github_apps, self.seen_jti = {}, {}, set()
        self.settings = {name: (value.copy() if isinstance(value, (dict, list)) else value) for name, value in SETTINGS.items()}
        self.next, self.requests, self.secrets = [], [], {}
        self.clear_counters()

    def clear_counters(self):
        self.counters = {"refreshes": {}, "reuse_detections": 0, "families_revoked": 0, "codes_issued": 0, "codes_reused": 0,
                         "device_polls": 0, "slow_downs": 0, "github_tokens": 0, "grants": {}, "errors": {}, "api": {}, "max_in_flight": {}}
        self.in_flight = {}

    def count(self, group, name):
        self.counters[group][name] = self.counters[group].get(name, 0) + 1

    def now(self):
        return time.time() + self.offset

    def secret(self, value, kind):
        self.secrets[value] = kind
        return value

    # -- clients

    def add_client(self, fields):
        unknown = set(fields) - set(CLIENT_FIELDS)
        if unknown:
            raise Bad(f"a client has no {', '.join(sorted(unknown))}")
        client = {name: (default.copy() if isinstance(default, list) else default) for name, (default, _) in CLIENT_FIELDS.items()}
        client.update(fields)
        for name, (_, allowed) in CLIENT_FIELDS.items():
            if allowed and client[name] not in allowed:
                raise Bad(f"{name} is one of {allowed}")
        client["client_id"] = client["client_id"] or "client-" + secrets.token_urlsafe(9)
        if client["auth"] == "none":
            client["client_secret"] = None
        elif not client["client_secret"]:
            client["client_secret"] = "secret-" + secrets.token_urlsafe(24)
        if client["client_secret"] is not None:
            # RFC 6749 appendix A.2: client-secret = *VSCHAR
            if not re.fullmatch(r"[\x20-\x7e]+", client["client_secret"]):
                raise Bad("client_secret is printable ASCII")
            self.secret(client["client_secret"], "client_secret")
        client["pkce"] = client["pkce"] or ("required" if client["auth"] == "none" else "optional")
        self.clients[client["client_id"]] = client
        return client

    def default_clients(self):
        """One of each kind; the Basic secret has what breaks a client that forgets RFC 6749 section 2.3.1."""
        loopback = ["http://127.0.0.1/callback", "http://[::1]/callback", "http://127.0.0.1/v1/oauth/callback",
                    "http://localhost/callback", "https://vault.test/v1/oauth/callback"]
        awkward = "p+q/r=s: t%25&u?" + secrets.token_urlsafe(24)
        for fields in (
                {"client_id": "public"},
                {"client_id": "post", "auth": "client_secret_post"},
                {"client_id": "basic", "auth": "client_secret_basic", "client_secret": awkward},
                {"client_id": "ba:s ic+%", "auth": "client_secret_basic", "client_secret": awkward + "2"},
                {"client_id": "device", "grants": [DEVICE_CODE, REFRESH], "redirect_uris": []},
                {"client_id": "service", "auth": "client_secret_basic", "grants": [CLIENT_CREDENTIALS], "redirect_uris": []},
                {"client_id": "service-post", "auth": "client_secret_post", "grants": [CLIENT_CREDENTIALS], "redirect_uris": []},
                {"client_id": "github", "auth": "client_secret_post", "style": "github", "scope_separator": ",",
                 "grants": [CODE, REFRESH, DEVICE_CODE]},
                {"client_id": "slack", "auth": "client_secret_post", "style": "slack", "scope_separator": ",", "pkce": "ignored"},
                {"client_id": "slack-user", "auth": "client_secret_post", "style": "slack_user", "scope_separator": ",", "pkce": "ignored"}):
            self.add_client({"redirect_uris": loopback, **fields})

    # -- tokens

    def new_family(self, client_id):
        name = f"f{len(self.families) + 1}"
        self.families[name] = {"family": name, "client_id": client_id, "refreshes": 0, "revoked": False, "reuse": 0}
        return name

    def revoke_family(self, name):
        family = self.families[name]
        if not family["revoked"]:
            family["revoked"] = True
            self.counters["families_revoked"] += 1
        for token in self.tokens.values():
            if token.family == name:
                token.revoked = True

    def _keep(self, token, value):
        token.value = self.secret(value, f"{token.kind}_token")
        self.tokens[value] = token
        return value

    def new_access(self, client, family, scope, user, issuer, resource, nonce=None, prefix="at_"):
        seconds = client["access_token_seconds"]
        token = Token("access", client["client_id"], family, scope, user, issuer, resource, self.now() + seconds, nonce)
        if client["token_format"] == "jwt":
            claims = {"iss": issuer, "sub": user.get("sub"), "aud": resource or issuer, "client_id": client["client_id"], "scope": " ".join(scope),
                      "iat": int(self.now()), "exp": int(token.expires), "jti": secrets.token_urlsafe(12)}
            return self._keep(token, self.key.jwt(claims, {"typ": "at+jwt"})), token
        value = prefix + secrets.token_urlsafe(max(24, client["token_length"]))
        return self._keep(token, value[:max(24, client["token_length"])]), token

    def new_refresh(self, client, family, scope, user, issuer, resource, nonce=None):
        token = Token("refresh", client["client_id"], family, scope, user, issuer, resource, self.now() + client["refresh_token_seconds"], nonce)
        return self._keep(token, "rt_" + secrets.token_urlsafe(32))

    def live_access(self, value):
        """The token when it is currently valid, else None."""
        token = self.tokens.get(value)
        if token is None or token.kind != "access" or token.revoked or self.now() >= token.expires:
            return None
        return token

    def expire_access(self, which=lambda token: True):
        done = 0
        for token in self.tokens.values():
            if token.kind == "access" and not token.revoked and which(token):
                token.expires = min(token.expires, self.now())
                done += 1
        return done

    def expires_in(self, client):
        """The member(s) of an answer that tell the lifetime."""
        how, seconds = client["expires_in"], client["access_token_seconds"]
        if how == "number":
            return {"expires_in": seconds}
        if how == "omit":
            return {}
        if how == "string":
            return {"expires_in": str(seconds)}
        if how == "negative":
            return {"expires_in": -seconds}
        if isinstance(how, dict) and "literal" in how:
            return {"expires_in": how["literal"]}
        raise Bad(f"expires_in: {how!r}")

    # -- device codes, RFC 8628

    def find_device(self, user_code):
        wanted = re.sub(r"[^A-Z]", "", user_code.upper())
        for device in self.devices.values():
            if device["user_code"].replace("-", "") == wanted:
                return device
        return None

    def counters_view(self):
        view = dict(self.counters)
        view["refreshes"] = {name: family["refreshes"] for name, family in self.families.items() if family["refreshes"]}
        view["refreshes_total"] = sum(view["refreshes"].values())
        view["families"] = list(self.families.values())
        view["codes_open"] = sum(1 for code in self.codes.values() if not code["used"])
        return view
