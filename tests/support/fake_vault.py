#!/usr/bin/env python3
"""A strict HashiCorp Vault / OpenBao on loopback, for tests: its HTTP API v1 as far as agent-vault speaks it. Standard library only.

    fake_vault.py [--tls CERT KEY] [--log FILE]

prints READY PORT and serves until killed. Requests without `X-Vault-Request: true` get 412, as a Vault Agent with
require_request_header would answer. There are two namespaces, "" and "team-a"; each has

    mounts   secret/ (KV 2), kv1/ (KV 1), team/nested/kv/ (KV 2), database/, aws/, identity/, cubbyhole/
    values   secret/app {api_key: "sk-vault-app", port: 8080, "nested": {...}}, secret/deep/er/one {v}, kv1/app {token: "kv1-token"},
             team/nested/kv/app {api_key: "sk-nested"}; in team-a all of them end in "-team-a"
    policies root, default (as the real one), app (reads all of these, lists them, leases, renews and revokes)
    tokens   "root-token" (policy root, never ends; in "team-a": "root-token-team-a")
    roles    approle "agent" (role_id "role-agent"), "nosecret" (role_id "role-nosecret", bind_secret_id=false); kubernetes "agent"
             takes the JWT "eyJhbGciOiJSUzI1NiJ9.a3ViZQ.c2ln", jwt "agent" takes "eyJhbGciOiJSUzI1NiJ9.and0.c2ln"; tokens of all of them
             have the policies default and app, live 1200 s and at most 3600 s
    database/creds/app: 60 s, at most 180 s; aws/creds/deploy: 60 s, not renewable; database/static-creds/app: ttl, no lease

Control routes beside those of fake_rest.py (a "namespace" may be given to each):
    POST mode     {"mode": active|standby|perf_standby|dr_secondary|sealed|uninitialised|redirect}
    POST kv       {"mount", "path", "data"} a new version | {"delete": [N]} | {"destroy": [N]} | {"undelete": [N]}
    POST mount    {"path", "type", "version"?}  (replaces)
    POST policy   {"name", "rules": {PATH: [CAPABILITIES]}}
    POST token    {"policies", "ttl"?, "max_ttl"?, "renewable"?, "num_uses"?, "wrap"?: seconds} -> {"token"} or {"wrapping_token"}
    POST secret_id {"role"?, "mount"?, "num_uses"?, "ttl"?, "wrap"?: seconds} -> {"secret_id"} or {"wrapping_token"}
    POST wrap     {"data"} -> {"wrapping_token"}, of sys/wrapping/wrap
    POST role     {"method": approle|kubernetes|jwt, "name", ...fields: policies, ttl, max_ttl, renewable, mfa}
    POST revoke   {"token"} | {"lease"} | {"logins": true}
    GET  state    {"tokens": [...], "leases": [...], "logins": N, "renewals": N, "unwrapped": N}
"""

import os
import sys
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_rest import Refused, Store, main  # noqa: E402

VERSION = "1.16.2"
DEFAULT_POLICY = {
    "auth/token/lookup-self": ["read"], "auth/token/renew-self": ["update"], "auth/token/revoke-self": ["update"],
    "sys/leases/renew": ["update"], "sys/leases/lookup": ["update"], "cubbyhole/*": ["create", "read", "update", "delete", "list"],
    "sys/wrapping/wrap": ["update"], "sys/wrapping/lookup": ["update"], "sys/wrapping/unwrap": ["update"],
}
APP_POLICY = {
    "secret/data/*": ["read"], "secret/metadata/*": ["list"], "kv1/*": ["read", "list"], "team/nested/kv/data/*": ["read"],
    "team/nested/kv/metadata/*": ["list"], "database/creds/*": ["read"], "database/static-creds/*": ["read"], "aws/creds/*": ["read"],
    "sys/leases/revoke": ["update"],
}
KUBERNETES_JWT = "eyJhbGciOiJSUzI1NiJ9.a3ViZQ.c2ln"
JWT_JWT = "eyJhbGciOiJSUzI1NiJ9.and0.c2ln"


def denied(text="1 error occurred:\n\t* permission denied\n\n"):
    return Refused(403, {"errors": [text]})


def bad(status, *texts):
    return Refused(status, {"errors": list(texts)})


def envelope(**members):
    out = {"request_id": str(uuid.uuid4()), "lease_id": "", "renewable": False, "lease_duration": 0, "data": None, "wrap_info": None,
           "warnings": None, "auth": None}
    out.update(members)
    return out


class Space:
    """A namespace."""

    def __init__(self, name):
        tail = "-" + name if name else ""
        self.name = name
        self.mounts = {"secret/": {"type": "kv", "options": {"version": "2"}}, "kv1/": {"type": "kv", "options": {"version": "1"}},
                       "team/nested/kv/": {"type": "kv", "options": {"version": "2"}}, "database/": {"type": "database", "options": None},
                       "aws/": {"type": "aws", "options": None}, "identity/": {"type": "identity", "options": None},
                       "cubbyhole/": {"type": "cubbyhole", "options": None}}
        self.kv = {}
        self.put("secret/", "app", {"api_key": "sk-vault-app" + tail, "port": 8080, "nested": {"deep": "sk-deep" + tail}, "nothing": None})
        self.put("secret/", "deep/er/one", {"v": "sk-deeper" + tail})
        self.put("kv1/", "app", {"token": "kv1-token" + tail})
        self.put("team/nested/kv/", "app", {"api_key": "sk-nested" + tail})
        self.policies = {"default": dict(DEFAULT_POLICY), "app": dict(APP_POLICY)}
        self.tokens, self.leases, self.wraps, self.secret_ids = {}, {}, {}, {}
        role = {"policies": ["default", "app"], "ttl": 1200, "max_ttl": 3600, "renewable": True, "mfa": False}
        self.roles = {"approle": {"agent": dict(role, role_id="role-agent", bind_secret_id=True),
                                  "nosecret": dict(role, role_id="role-nosecret", bind_secret_id=False)},
                      "kubernetes": {"agent": dict(role, jwt=KUBERNETES_JWT)}, "jwt": {"agent": dict(role, jwt=JWT_JWT)}}
        self.logins = self.renewals = self.unwrapped = 0

    def put(self, mount, path, data):
        self.kv.setdefault((mount, path), []).append({"data": data, "deleted": "", "destroyed": False})


class Vault(Store):
    def __init__(self):
        super().__init__()
        self.mode = "active"
        self.spaces = {name: Space(name) for name in ("", "team-a")}
        for name, space in self.spaces.items():
            for versions in space.kv.values():
                self.keep_values(versions[0]["data"])
            root = "root-token" + ("-" + name if name else "")
            self.new_token(space, ["root"], 0, 0, False, "root", token=root)
        self.secret(KUBERNETES_JWT)
        self.secret(JWT_JWT)

    def error(self, status, text):
        return {"errors": [text]}

    def keep_values(self, data):
        for value in data.values():
            if isinstance(value, dict):
                self.keep_values(value)
            elif isinstance(value, str) and len(value) >= 6:
                self.secret(value)

    # Tokens, leases, wrapping

    def new_token(self, space, policies, ttl, max_ttl, renewable, display_name, token=None, num_uses=0, login=False):
        token = self.secret(token or "hvs." + uuid.uuid4().hex + uuid.uuid4().hex)
        now = self.now()
        space.tokens[token] = {"policies": policies, "ttl": ttl, "max_ttl": max_ttl, "renewable": renewable, "made": now,
                               "ends": now + ttl if ttl else None, "display_name": display_name, "uses": num_uses, "revoked": False,
                               "accessor": uuid.uuid4().hex, "login": login}
        return token

    def alive(self, token):
        return not token["revoked"] and (token["ends"] is None or self.now() < token["ends"])

    def lease_alive(self, space, lease):
        return not lease["revoked"] and self.now() < lease["ends"] and self.alive(space.tokens[lease["token"]])

    def auth_of(self, space, token_id):
        token = space.tokens[token_id]
        left = int(token["ends"] - self.now() + 0.5) if token["ends"] else 0
        return {"client_token": token_id, "accessor": token["accessor"], "policies": token["policies"], "token_policies": token["policies"],
                "metadata": {}, "lease_duration": left, "renewable": token["renewable"], "entity_id": "", "token_type": "service",
                "orphan": True, "mfa_requirement": None, "num_uses": token["uses"]}

    def wrap(self, space, path, answer, ttl):
        token = self.secret("hvs.CAESI" + uuid.uuid4().hex)
        space.wraps[token] = {"path": path, "answer": answer, "ends": self.now() + ttl, "ttl": ttl}
        return token

    def token_of(self, request, space):
        given = request.headers.get_all("X-Vault-Token") or []
        if len(given) != 1 or not given[0]:
            raise denied("permission denied")
        token = space.tokens.get(given[0])
        if token is None or not self.alive(token):
            raise denied("2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
        if token["uses"]:
            token["uses"] -= 1
            if token["uses"] == 0:
                token["revoked"] = True
        return given[0], token

    def may(self, space, token, path, capability):
        if "root" in token["policies"]:
            return True
        best = None
        for name in token["policies"]:
            for pattern, capabilities in space.policies.get(name, {}).items():
                exact = pattern == path
                if exact or (pattern.endswith("*") and path.startswith(pattern[:-1])):
                    rank = (exact, len(pattern))
                    if best is None or rank > best[0]:
                        best = (rank, capabilities)
        return best is not None and capability in best[1] and "deny" not in best[1]

    def check(self, space, token, path, capability):
        if not self.may(space, token, path, capability):
            raise denied()

    # Requests

    def answer(self, request):
        if not request.path.startswith("/v1/"):
            raise bad(404)
        path = request.path.removeprefix("/v1/")
        if request.headers.get("X-Vault-Request") != "true":
            raise bad(412, "missing required 'X-Vault-Request' header")
        if path == "sys/health":
            return self.health(request)
        if self.mode in ("sealed", "uninitialised"):
            raise bad(503, "Vault is sealed")
        if self.mode == "redirect":
            raise Refused(307, None, {"Location": "http://127.0.0.1:1" + request.target})
        name = request.headers.get("X-Vault-Namespace", "").strip("/")
        request.note["namespace"] = name
        if name not in self.spaces:
            raise bad(404, f'no handler for route "{path}". route entry not found.')
        space = self.spaces[name]
        operation = {"GET": "read", "LIST": "list", "POST": "update", "PUT": "update", "DELETE": "delete"}.get(request.method)
        if operation is None:
            raise bad(405, "unsupported operation")
        if operation == "read" and request.query.get("list") == "true":
            operation = "list"
        request.note["operation"] = operation
        for prefix, function in (("auth/", self.auth), ("sys/", self.system)):
            if path.startswith(prefix):
                return function(request, space, path, operation)
        return self.engine(request, space, path, operation)

    def health(self, request):
        if "X-Vault-Namespace" in request.headers:
            raise bad(400, "sys/health is of the root namespace")
        status = {"active": 200, "redirect": 429, "standby": 429, "perf_standby": 473, "dr_secondary": 472, "sealed": 503,
                  "uninitialised": 501}[self.mode]
        return status, {"initialized": self.mode != "uninitialised", "sealed": status in (501, 503), "standby": status in (429, 473),
                        "performance_standby": status == 473, "server_time_utc": int(self.now()), "version": VERSION,
                        "cluster_name": "vault-cluster-test"}

    def auth(self, request, space, path, operation):
        parts = path.split("/")
        if parts[-1] == "login" and operation == "update" and len(parts) == 3:
            return self.login(request, space, parts[1])
        token_id, token = self.token_of(request, space)
        self.check(space, token, path, operation)
        if path == "auth/token/lookup-self" and operation == "read":
            left = int(token["ends"] - self.now() + 0.5) if token["ends"] else 0
            return 200, envelope(data={"accessor": token["accessor"], "creation_time": int(token["made"]), "creation_ttl": token["ttl"],
                                       "display_name": token["display_name"], "entity_id": "", "expire_time": None, "explicit_max_ttl": 0,
                                       "id": token_id, "meta": None, "num_uses": token["uses"], "orphan": True, "path": "auth/token/create",
                                       "policies": token["policies"], "renewable": token["renewable"], "ttl": left, "type": "service"})
        if path == "auth/token/renew-self" and operation == "update":
            if not token["renewable"]:
                raise bad(400, "lease is not renewable")
            space.renewals += 1
            ends = self.now() + token["ttl"]
            if token["max_ttl"]:
                ends = min(ends, token["made"] + token["max_ttl"])
            token["ends"] = ends
            return 200, envelope(auth=self.auth_of(space, token_id), warnings=["TTL of the token was capped"])
        if path == "auth/token/revoke-self" and operation == "update":
            token["revoked"] = True
            return 204, None
        raise bad(404, f'no handler for route "{path}". route entry not found.')

    def login(self, request, space, mount):
        if request.headers.get("X-Vault-Token"):
            raise bad(400, "a login carries no token")
        method = {"approle": "approle", "kubernetes": "kubernetes", "jwt": "jwt", "my-approle": "approle"}.get(mount)
        if method is None:
            raise bad(404, f'no handler for route "auth/{mount}/login". route entry not found.')
        body = request.json or {}
        if any(not isinstance(value, str) for value in body.values()):
            raise bad(400, "error converting input for field")
        if method == "approle":
            if set(body) - {"role_id", "secret_id"}:
                raise bad(400, "unknown field")
            found = [(name, one) for name, one in space.roles[method].items() if one["role_id"] == body.get("role_id")]
            if not found:
                raise bad(400, "invalid role or secret ID")
            name, role = found[0]
            if role["bind_secret_id"]:
                held = space.secret_ids.get(body.get("secret_id"))
                if held is None or held["role"] != name or (held["ends"] is not None and self.now() >= held["ends"]):
                    raise bad(400, "invalid role or secret ID")
                if held["uses"]:
                    held["uses"] -= 1
                    if held["uses"] == 0:
                        del space.secret_ids[body["secret_id"]]
        else:
            if set(body) != {"role", "jwt"}:
                raise bad(400, "missing role or jwt")
            name = body["role"]
            if name not in space.roles[method]:
                raise bad(400, f'invalid role name "{name}"' if method == "kubernetes" else f'role "{name}" could not be found')
            role = space.roles[method][name]
            if body["jwt"] != role["jwt"]:
                raise denied("permission denied") if method == "kubernetes" else bad(400, "error validating token: invalid signature")
        if role["mfa"]:
            return 200, envelope(auth={"client_token": "", "lease_duration": 0, "renewable": False, "mfa_requirement": {"mfa_request_id": "x"}})
        space.logins += 1
        token = self.new_token(space, role["policies"], role["ttl"], role["max_ttl"], role["renewable"], f"{method}-{name}", login=True)
        return 200, envelope(auth=self.auth_of(space, token))

    def system(self, request, space, path, operation):
        body = request.json or {}
        if path == "sys/wrapping/lookup" and operation == "update":
            held = space.wraps.get(body.get("token"))
            if held is None or self.now() >= held["ends"]:
                raise bad(400, "wrapping token is not valid or does not exist")
            return 200, envelope(data={"creation_path": held["path"], "creation_time": "2026-01-01T00:00:00Z", "creation_ttl": held["ttl"]})
        if path == "sys/wrapping/unwrap" and operation == "update":
            token = request.headers.get("X-Vault-Token")
            if body.get("token") and body["token"] == token:
                space.wraps.pop(token, None)
                raise bad(400, "wrapping token is not valid or does not exist")
            held = space.wraps.pop(body.get("token") or token, None)
            if held is None or self.now() >= held["ends"]:
                raise bad(400, "wrapping token is not valid or does not exist")
            space.unwrapped += 1
            return 200, held["answer"]
        token_id, token = self.token_of(request, space)
        if path.startswith("sys/internal/ui/mounts"):
            if operation != "read":
                raise bad(405, "unsupported operation")
            return self.ui_mounts(space, token, path.removeprefix("sys/internal/ui/mounts").strip("/"))
        self.check(space, token, path, operation)
        if path in ("sys/leases/renew", "sys/leases/revoke") and operation == "update":
            lease = space.leases.get(body.get("lease_id"))
            if path.endswith("revoke"):
                if lease:
                    lease["revoked"] = True
                return 204, None
            if lease is None or not self.lease_alive(space, lease):
                raise bad(400, "lease not found")
            if not lease["renewable"]:
                raise bad(400, "lease is not renewable")
            lease["ends"] = min(self.now() + lease["ttl"], lease["made"] + lease["max_ttl"])
            return 200, envelope(lease_id=body["lease_id"], renewable=True, lease_duration=int(lease["ends"] - self.now() + 0.5))
        raise bad(404, f'no handler for route "{path}". route entry not found.')

    def touches(self, space, token, mount):
        if "root" in token["policies"]:
            return True
        return any(pattern.rstrip("*").startswith(mount) or mount.startswith(pattern.rstrip("*")) and pattern.endswith("*")
                   for name in token["policies"] for pattern in space.policies.get(name, {}))

    def ui_mounts(self, space, token, path):
        described = {mount: dict(one, path=mount, description="", accessor="x", local=False, seal_wrap=False, config={})
                     for mount, one in space.mounts.items() if self.touches(space, token, mount)}
        if not path:
            return 200, envelope(data={"auth": {}, "secret": described})
        for mount in sorted(described, key=len, reverse=True):
            if (path + "/").startswith(mount):
                return 200, envelope(data=described[mount])
        raise denied(f'preflight capability check returned 403, please ensure client\'s policies grant access to path "{path}/"')

    def engine(self, request, space, path, operation):
        token_id, token = self.token_of(request, space)
        self.check(space, token, path, operation)
        mount = next((one for one in sorted(space.mounts, key=len, reverse=True) if (path + "/").startswith(one)), None)
        if mount is None:
            raise bad(404, f'no handler for route "{path}". route entry not found.')
        below, kind = path[len(mount):], space.mounts[mount]
        if kind["type"] == "kv":
            function = self.kv2 if (kind["options"] or {}).get("version") == "2" else self.kv1
            return function(request, space, mount, below, operation)
        if operation != "read":
            raise bad(405, "unsupported operation")
        return self.dynamic(space, token_id, mount, kind["type"], below, path)

    def keys(self, space, mount, folder):
        names = set()
        for at, path in space.kv:
            if at == mount and path.startswith(folder):
                first, slash, _ = path[len(folder):].partition("/")
                names.add(first + slash)
        if not names:
            raise bad(404)
        return 200, envelope(data={"keys": sorted(names)})

    def kv1(self, request, space, mount, path, operation):
        if operation == "list":
            return self.keys(space, mount, path if path.endswith("/") or not path else path + "/")
        if request.query or (mount, path) not in space.kv:
            raise bad(404)
        return 200, envelope(data=space.kv[(mount, path)][-1]["data"], lease_duration=2764800)

    def kv2(self, request, space, mount, path, operation):
        what, _, path = path.partition("/")
        if what == "metadata" and operation == "list":
            return self.keys(space, mount, path if path.endswith("/") or not path else path + "/")
        if what != "data" or operation != "read":
            raise Refused(404, {"errors": [], "warnings": ["Invalid path for a versioned K/V secrets engine. See the API docs for the "
                                                           "appropriate API endpoints to use."]})
        versions = space.kv.get((mount, path))
        number = int(request.query.get("version", 0)) or len(versions or [])
        if set(request.query) - {"version"} or not versions or not 1 <= number <= len(versions):
            raise bad(404)
        one = versions[number - 1]
        metadata = {"created_time": "2026-01-01T00:00:00.000000000Z", "custom_metadata": None, "deletion_time": one["deleted"],
                    "destroyed": one["destroyed"], "version": number}
        gone = one["destroyed"] or one["deleted"]
        return 404 if gone else 200, envelope(data={"data": None if gone else one["data"], "metadata": metadata})

    def dynamic(self, space, token_id, mount, kind, path, whole):
        what, _, role = path.partition("/")
        serial = uuid.uuid4().hex[:12]
        if kind == "database" and what == "static-creds" and role == "app":
            return 200, envelope(data={"last_vault_rotation": "2026-01-01T00:00:00Z", "password": self.secret("static-password-" + mount[:1]),
                                       "rotation_period": 3600, "ttl": 30, "username": "static-app"})
        if kind == "database" and what == "creds" and role == "app":
            data, renewable, ttl, max_ttl = {"username": "v-app-" + serial, "password": self.secret("pw-" + uuid.uuid4().hex)}, True, 60, 180
        elif kind == "aws" and what == "creds" and role == "deploy":
            data = {"access_key": "AKIA" + serial.upper(), "secret_key": self.secret("aws-" + uuid.uuid4().hex), "security_token": None}
            renewable, ttl, max_ttl = False, 60, 60
        else:
            raise bad(400, "unknown role: " + role)
        lease = f"{whole}/{uuid.uuid4().hex[:24]}"
        now = self.now()
        space.leases[lease] = {"token": token_id, "made": now, "ends": now + ttl, "ttl": ttl, "max_ttl": max_ttl, "renewable": renewable,
                               "revoked": False, "data": data}
        return 200, envelope(lease_id=lease, lease_duration=ttl, renewable=renewable, data=data)

    # Control

    def control(self, request):
        body = request.json or {}
        space = self.spaces[body.get("namespace", "") or request.query.get("namespace", "")]
        function = getattr(self, "control_" + request.path.removeprefix("/_control/"), None)
        if function is None:
            raise ValueError("no such control")
        return function(space, body)

    def control_mode(self, _, body):
        self.mode = body["mode"]
        return {}

    def control_kv(self, space, body):
        key = (body["mount"], body["path"])
        if "data" in body:
            space.put(*key, body["data"])
            self.keep_values(body["data"])
        for number in body.get("delete", []):
            space.kv[key][number - 1]["deleted"] = "2026-02-03T04:05:06.000000000Z"
        for number in body.get("undelete", []):
            space.kv[key][number - 1]["deleted"] = ""
        for number in body.get("destroy", []):
            space.kv[key][number - 1]["destroyed"] = True
        return {"version": len(space.kv[key])}

    def control_mount(self, space, body):
        space.mounts[body["path"]] = {"type": body["type"], "options": {"version": body["version"]} if "version" in body else None}
        return {}

    def control_policy(self, space, body):
        space.policies[body["name"]] = body["rules"]
        return {}

    def control_token(self, space, body):
        token = self.new_token(space, body["policies"], body.get("ttl", 0), body.get("max_ttl", 0), body.get("renewable", False), "token",
                               num_uses=body.get("num_uses", 0))
        if "wrap" in body:
            return {"wrapping_token": self.wrap(space, "auth/token/create", envelope(auth=self.auth_of(space, token)), body["wrap"])}
        return {"token": token}

    def control_secret_id(self, space, body):
        secret = self.secret(str(uuid.uuid4()))
        role = body.get("role", "agent")
        ttl = body.get("ttl", 0)
        space.secret_ids[secret] = {"role": role, "uses": body.get("num_uses", 0), "ends": self.now() + ttl if ttl else None}
        if "wrap" in body:
            inside = envelope(data={"secret_id": secret, "secret_id_accessor": str(uuid.uuid4()), "secret_id_ttl": ttl,
                                    "secret_id_num_uses": body.get("num_uses", 0)})
            return {"wrapping_token": self.wrap(space, f"auth/{body.get('mount', 'approle')}/role/{role}/secret-id", inside, body["wrap"])}
        return {"secret_id": secret}

    def control_wrap(self, space, body):
        return {"wrapping_token": self.wrap(space, "sys/wrapping/wrap", envelope(data=body["data"]), 300)}

    def control_role(self, space, body):
        role = space.roles[body.pop("method")][body.pop("name")]
        body.pop("namespace", None)
        role.update(body)
        return {}

    def control_revoke(self, space, body):
        if "lease" in body:
            space.leases[body["lease"]]["revoked"] = True
        for name, token in space.tokens.items():
            if name == body.get("token") or (body.get("logins") and token["login"]):
                token["revoked"] = True
        return {}

    def control_state(self, space, _):
        return {"tokens": [{"display_name": one["display_name"], "login": one["login"], "alive": self.alive(one)} for one in space.tokens.values()],
                "leases": [{"id": name, "alive": self.lease_alive(space, one), "username": one["data"].get("username")}
                           for name, one in space.leases.items()],
                "logins": space.logins, "renewals": space.renewals, "unwrapped": space.unwrapped}


if __name__ == "__main__":
    main(Vault())
