#!/usr/bin/env python3
"""A strict Infisical on loopback, for tests: its HTTP API as far as agent-vault speaks it. Standard library only.

    fake_infisical.py [--tls CERT KEY] [--log FILE]

prints READY PORT and serves until killed. There is a project "11111111-2222-3333-4444-555555555555" (slug "shop-abcd", name
"Shop") with the environments dev and prod, and machine identities:

    universal auth   client id "client-agent", client secret "cs-infisical-agent-0123456789"; tokens live 7200 s
    kubernetes       identity id "identity-kube", JWT "eyJhbGciOiJSUzI1NiJ9.a3ViZQ.c2ln"

Secrets in prod: /API_KEY "inf-api-key", /GREETING "hello ${API_KEY}" (expanded when asked for), /backend/DB_URL "inf-db-url",
/backend/db/PASSWORD, /HIDDEN (its value may not be read), and SHARED "inf-shared" that / imports from dev:/common. In dev: /API_KEY
"inf-dev-key". Dynamic secret in prod: /backend/postgres (DB_USERNAME, DB_PASSWORD; 60 s, at most 180 s).

Control routes beside those of fake_rest.py:
    POST secret    {"env", "path", "name", "value"}  (null deletes)
    POST settings  {"old": true (knows no v4, v2, projects), "slug_denied", "member": false, "ttl": SECONDS, "locked"}
    POST revoke    {"tokens": true} | {"lease": ID}
    GET  state     {"tokens": [...alive?], "leases": [{"id", "alive"}], "logins": N}
"""

import datetime
import os
import re
import sys
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_rest import Refused, Store, main  # noqa: E402

PROJECT, SLUG = "11111111-2222-3333-4444-555555555555", "shop-abcd"
CLIENT_ID, CLIENT_SECRET = "client-agent", "cs-infisical-agent-0123456789"
IDENTITY, KUBERNETES_JWT = "identity-kube", "eyJhbGciOiJSUzI1NiJ9.a3ViZQ.c2ln"
NAMES = {400: "BadRequest", 401: "UnauthorizedError", 403: "PermissionDenied", 404: "NotFound", 422: "ValidationFailure"}


def bad(status, message, error=None):
    return Refused(status, {"reqId": "req-1", "statusCode": status, "message": message, "error": error or NAMES[status]})


def no_route(request):
    return Refused(404, {"message": f"Route {request.method}:{request.target} not found", "error": "Not Found", "statusCode": 404})


def boolean(request, name, default):
    value = request.query.get(name, default)
    if value not in ("true", "false"):
        raise bad(422, "Invalid enum value")
    return value == "true"


class Infisical(Store):
    def __init__(self):
        super().__init__()
        self.values = {("prod", "/", "API_KEY"): "inf-api-key", ("prod", "/", "GREETING"): "hello ${API_KEY}",
                       ("prod", "/backend", "DB_URL"): "inf-db-url", ("prod", "/backend/db", "PASSWORD"): "inf-db-password",
                       ("prod", "/", "HIDDEN"): "inf-never-seen", ("dev", "/", "API_KEY"): "inf-dev-key", ("dev", "/common", "SHARED"): "inf-shared"}
        self.imports = {("prod", "/"): [("dev", "/common")]}
        self.settings = {"old": False, "slug_denied": False, "member": True, "ttl": 7200, "locked": False}
        self.tokens, self.leases, self.logins = {}, {}, 0
        for one in (CLIENT_SECRET, KUBERNETES_JWT, *self.values.values()):
            self.secret(one)

    def error(self, status, text):
        return {"statusCode": status, "message": text, "error": "BadRequest"}

    def stamp(self, at):
        return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def answer(self, request):
        path, old = request.path, self.settings["old"]
        if request.method == "POST" and path in ("/api/v1/auth/universal-auth/login", "/api/v1/auth/kubernetes-auth/login"):
            return self.login(request)
        if request.method == "POST" and path == "/api/v1/auth/token/revoke":
            token = self.tokens.get((request.json or {}).get("accessToken"))
            if token is None:
                raise bad(401, "Invalid access token")
            token["revoked"] = True
            return 200, {"message": "Successfully revoked access token"}
        table = [("GET", r"/api/v4/secrets(?:/([^/]+))?", not old, self.secrets_route), ("GET", r"/api/v3/secrets/raw(?:/([^/]+))?", old, self.secrets_route),
                 ("GET", r"/api/v1/projects/([^/]+)", not old, self.project), ("GET", r"/api/v1/workspace/([^/]+)", old, self.project),
                 ("GET", r"/api/v2/folders", not old, self.folders), ("GET", r"/api/v1/folders", old, self.folders),
                 ("POST", r"/api/v1/dynamic-secrets/leases", True, self.lease_create),
                 ("POST", r"/api/v1/dynamic-secrets/leases/([^/]+)/renew", True, self.lease_renew),
                 ("DELETE", r"/api/v1/dynamic-secrets/leases/([^/]+)", True, self.lease_delete)]
        for method, pattern, known, function in table:
            found = re.fullmatch(pattern, path)
            if found and known and method == request.method:
                self.authenticate(request)
                return function(request, *found.groups())
        raise no_route(request)

    def login(self, request):
        if "Authorization" in request.headers:
            raise bad(400, "a login carries no token")
        body = request.json or {}
        universal = "universal" in request.path
        if set(body) != ({"clientId", "clientSecret"} if universal else {"identityId", "jwt"}) or any(not isinstance(one, str) for one in body.values()):
            raise bad(422, [{"code": "invalid_type", "message": "Required"}])
        if self.settings["locked"]:
            raise bad(401, "This identity auth method is temporarily locked, please try again later")
        good = (CLIENT_ID, CLIENT_SECRET) if universal else (IDENTITY, KUBERNETES_JWT)
        if tuple(body[name] for name in (("clientId", "clientSecret") if universal else ("identityId", "jwt"))) != good:
            raise bad(401, "Invalid credentials")
        self.logins += 1
        token = self.secret("eyJ" + uuid.uuid4().hex + "." + uuid.uuid4().hex + ".sig")
        self.tokens[token] = {"ends": self.now() + self.settings["ttl"], "revoked": False}
        return 200, {"accessToken": token, "expiresIn": self.settings["ttl"], "accessTokenMaxTTL": 2592000, "tokenType": "Bearer"}

    def authenticate(self, request):
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        token = self.tokens.get(given)
        if scheme != "Bearer" or token is None or token["revoked"]:
            raise bad(401, "Token missing" if not given else "Unauthorized")
        if self.now() >= token["ends"]:
            raise bad(403, "Your token has expired. Please re-authenticate.", "TokenError")

    def place(self, request, names):
        project, environment, path = (request.query.get(name) for name in names)
        if project != PROJECT:
            raise bad(404, f"Project with ID '{project}' not found")
        if not self.settings["member"]:
            raise bad(403, "You are not a member of this project")
        if environment not in ("dev", "prod"):
            raise bad(404, f"Environment with slug '{environment}' in project with ID {project} not found")
        return environment, self.folder(path)

    def folder(self, path):
        if not path or not path.startswith("/") or (path != "/" and path.endswith("/")) or "//" in path:
            raise bad(400, "Invalid secret path")
        return path

    def describe(self, env, path, name, view, expand):
        value = self.values[(env, path, name)]
        hidden = not view or name == "HIDDEN"
        if expand:
            value = re.sub(r"\$\{(\w+)\}", lambda found: self.values.get((env, path, found.group(1)), found.group(0)), value)
        return {"id": str(uuid.uuid4()), "_id": "x", "workspace": PROJECT, "environment": env, "version": 1, "type": "shared", "secretKey": name,
                "secretValue": "<hidden-by-infisical>" if hidden else value, "secretValueHidden": hidden, "secretComment": "", "secretPath": path, "tags": []}

    def secrets_route(self, request, name):
        env, path = self.place(request, ("workspaceId" if self.settings["old"] else "projectId", "environment", "secretPath"))
        view, expand, imports = (boolean(request, *one) for one in (("viewSecretValue", "true"), ("expandSecretReferences", "false"), ("include_imports", "false")))
        known = {"projectId", "workspaceId", "environment", "secretPath", "viewSecretValue", "expandSecretReferences", "include_imports"}
        if set(request.query) - known - ({"type", "version"} if name else {"recursive"}):
            raise bad(422, "Unrecognized key")
        places = [(env, path)] + (self.imports.get((env, path), []) if imports else [])
        if name is None:
            return 200, {"secrets": [self.describe(env, path, one, view, expand) for at, where, one in sorted(self.values) if (at, where) == (env, path)], "imports": []}
        for at in places:
            if (*at, name) in self.values:
                return 200, {"secret": self.describe(*at, name, view, expand)}
        raise bad(404, f"Secret with name '{name}' not found")

    def project(self, request, project):
        if project != PROJECT:
            raise bad(404, f"Project with ID '{project}' not found")
        if self.settings["slug_denied"] or not self.settings["member"]:
            raise bad(403, "You are not a member of this project")
        return 200, {"workspace" if self.settings["old"] else "project": {
            "id": PROJECT, "name": "Shop", "slug": SLUG, "orgId": str(uuid.uuid4()),
            "environments": [{"name": one.title(), "slug": one, "id": str(uuid.uuid4())} for one in ("dev", "prod")]}}

    def folders(self, request):
        env, path = self.place(request, ("workspaceId" if self.settings["old"] else "projectId", "environment", "path"))
        start = path if path.endswith("/") else path + "/"
        names = {where[len(start):].split("/")[0] for at, where, _ in self.values if at == env and where.startswith(start) and where != start}
        return 200, {"folders": [{"id": str(uuid.uuid4()), "name": name} for name in sorted(names) if name]}

    def lease_body(self, request, needed):
        body = request.json or {}
        if set(body) - {"ttl", "isForced"} != needed or any(not isinstance(value, str) for value in body.values()):
            raise bad(422, [{"code": "invalid_type", "message": "Required"}])
        if body["projectSlug"] != SLUG:
            raise bad(404, f"Project with slug '{body['projectSlug']}' not found")
        if (body["environmentSlug"], self.folder(body["path"])) != ("prod", "/backend"):
            raise bad(404, "Folder with path '" + body["path"] + "' was not found")
        return body

    def ttl_of(self, body):
        if "ttl" not in body:
            return 60
        found = re.fullmatch(r"([1-9][0-9]*)([smhd])", body["ttl"])
        seconds = int(found.group(1)) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found.group(2)] if found else 0
        if seconds < 60:
            raise bad(422, [{"code": "custom", "message": "TTL must be a greater than 1min"}])
        return seconds

    def lease_json(self, lease_id):
        lease = self.leases[lease_id]
        return {"id": lease_id, "version": 1, "externalEntityId": lease["user"], "expireAt": self.stamp(lease["ends"]), "status": None,
                "createdAt": self.stamp(lease["made"]), "updatedAt": self.stamp(lease["renewed"]), "dynamicSecretId": str(uuid.uuid4())}

    def lease_create(self, request):
        body = self.lease_body(request, {"dynamicSecretName", "projectSlug", "environmentSlug", "path"})
        if body["dynamicSecretName"].lower() != "postgres":
            raise bad(404, "Dynamic secret with name '" + body["dynamicSecretName"] + "' in folder with path '/backend' not found")
        ttl, now, lease_id = self.ttl_of(body), self.now(), str(uuid.uuid4())
        if ttl > 180:
            raise bad(400, "TTL cannot be larger than max TTL")
        self.leases[lease_id] = {"made": now, "renewed": now, "ends": now + ttl, "user": "inf-" + lease_id[:8], "revoked": False}
        return 200, {"lease": self.lease_json(lease_id), "dynamicSecret": {"name": "postgres", "type": "sql-database", "defaultTTL": "1m", "maxTTL": "3m"},
                     "data": {"DB_USERNAME": "inf-" + lease_id[:8], "DB_PASSWORD": self.secret("infpw-" + uuid.uuid4().hex)}}

    def held(self, lease_id):
        lease = self.leases.get(lease_id)
        if lease is None or lease["revoked"] or self.now() >= lease["ends"]:
            raise bad(404, f"Dynamic secret lease with ID '{lease_id}' not found")
        return lease

    def lease_renew(self, request, lease_id):
        body = self.lease_body(request, {"projectSlug", "environmentSlug", "path"})
        lease, ends = self.held(lease_id), self.now() + self.ttl_of(body)
        if ends > lease["made"] + 180:
            raise bad(400, "The lease renewal TTL exceeds the maximum TTL")
        lease["ends"], lease["renewed"] = ends, self.now()
        return 200, {"lease": self.lease_json(lease_id)}

    def lease_delete(self, request, lease_id):
        self.lease_body(request, {"projectSlug", "environmentSlug", "path"})
        self.held(lease_id)["revoked"] = True
        return 200, {"lease": self.lease_json(lease_id)}

    def control(self, request):
        body, name = request.json or {}, request.path.removeprefix("/_control/")
        if name == "secret":
            key = (body["env"], body["path"], body["name"])
            if body["value"] is None:
                self.values.pop(key, None)
            else:
                self.values[key] = body["value"]
                if len(body["value"]) >= 6:  # a shorter one may be part of any path
                    self.secret(body["value"])
        elif name == "settings":
            self.settings.update(body)
        elif name == "revoke":
            for token in self.tokens.values() if body.get("tokens") else ():
                token["revoked"] = True
            if "lease" in body:
                self.leases[body["lease"]]["revoked"] = True
        elif name == "state":
            now = self.now()
            return {"tokens": [{"alive": not one["revoked"] and now < one["ends"]} for one in self.tokens.values()],
                    "leases": [{"id": key, "alive": not one["revoked"] and now < one["ends"]} for key, one in self.leases.items()], "logins": self.logins}
        else:
            raise ValueError("no such control")
        return {}


if __name__ == "__main__":
    main(Infisical())
