#!/usr/bin/env python3
"""A stand-in for `serve` with the shapes of its routes and the worst data that an agent can supply, for tests of the
web pages. It decides nothing securely: only the pages are tested against it.

    mock = Mock().start(); mock.url; mock.calls   # every call: (method, path, query, body)

Standard library only.
"""

import datetime
import http.server
import json
import os
import re
import threading
import time
import urllib.parse

import stores_mock

PAGES = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "src", "api", "pages")
TYPES = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8",
         "svg": "image/svg+xml"}
CSP = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
       "form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
OWNER, PASSWORD, SETUP_CODE = "ada@example.com", "correct horse battery", "K7QF-2M9X-TR4H"

# What an agent may try to get onto the screen of who decides.
HOSTILE = [
    "<img src=x onerror=\"window.pwned=1\"><script>window.pwned=2</script>",
    "\"><svg/onload=window.pwned=3>",
    "javascript:window.pwned=4",
    "safe\u202egnp.exe \u2066hidden\u2069 zero\u200bwidth \x1b[31mred\x1b[0m \x00nul \u0007bell",
    "{{constructor.constructor('window.pwned=5')()}} ${window.pwned=6}",
    "\u05d0\u05d1\u05d2 right-to-left /admin \u05d3\u05d4",
    "Z\u0310\u0311\u0312\u0313\u0314\u0315\u0316\u0317\u0318\u0319\u031a\u031b\u031c\u031da",
]


def ago(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Problem(Exception):
    def __init__(self, status, code, message, help_text=""):
        super().__init__(message)
        self.status, self.body = status, {"error": code, "message": message, **({"help": help_text} if help_text else {})}


def stripe_proposal(number, **more):
    return {
        "id": number, "status": "pending", "agent": "builder", "created_at": ago(190),
        "user_message": "I am reconciling last month\u2019s invoices and need to read charges and customers from Stripe.\n\n"
                        "I only need reading; refunds stay with you.",
        "message": "GET /v1/charges?limit=100, GET /v1/customers/{id}",
        "services": [{"action": "set", "name": "stripe", "host": "api.stripe.com/v1/*", "methods": ["GET", "POST"],
                      "auth": {"type": "bearer", "token": "STRIPE_KEY"}}],
        "credentials": [{"action": "set", "key": "STRIPE_KEY", "type": "static",
                         "description": "A restricted key with read access to charges and customers",
                         "obtain": "https://dashboard.stripe.com/apikeys",
                         "obtain_instructions": "Developers \u2192 API keys \u2192 Create restricted key.\nGive it "
                                                "\u201cRead\u201d on Charges and Customers."}], **more}


def hostile_proposal(number):
    h = HOSTILE
    return {
        "id": number, "status": "pending", "agent": h[3], "created_at": ago(4000), "user_message": "\n".join(h),
        "message": h[0] * 3,
        "services": [{"action": "set", "name": h[1], "host": h[5] + "/" + "a" * 300, "methods": [h[0], "DELETE"],
                      "auth": {"type": "custom", "headers": {h[0]: h[3] + " {{ EVIL_KEY }}"}},
                      "substitutions": [{"key": "EVIL_KEY", "placeholder": h[1], "in": ["path"]}]}],
        "credentials": [
            {"action": "set", "key": "EVIL_KEY", "type": "static", "description": h[3], "obtain": "javascript:window.pwned=7",
             "obtain_instructions": h[0] + "\n" + h[3], "value": ""},
            {"action": "set", "key": "DATA_KEY", "type": "static", "description": h[6], "has_value": True,
             "obtain": "data:text/html,<script>window.pwned=8</script>", "obtain_instructions": ""},
            {"action": "set", "key": "USER_KEY", "type": "static", "description": h[4],
             "obtain": "https://accounts.google.com@evil.example/keys"},
            {"action": "set", "key": "LOOKS_KEY", "type": "static", "description": "look-alike host",
             "obtain": "https://\u0430pple.com/\u202ekeys?a=\"><script>"},
            {"action": "set", "key": "GOOGLE", "type": "oauth", "description": "Calendar",
             "oauth": {"authorization_url": "https://accounts.google.com/o/oauth2/v2/auth",
                       "token_url": "https://oauth2.googleapis.com/token", "scopes": "calendar"}}]}


class State:
    def __init__(self, initialized=True):
        h = HOSTILE
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.initialized = initialized
        self.tokens = set()
        self.confirmed = False
        self.fingerprint = "f1"
        self.vaults = [
            {"id": "0", "name": "default", "role": "admin", "membership": "explicit", "created_at": ago(86400 * 40), "pending_proposals": 2},
            {"id": "1", "name": "staging", "role": "member", "membership": "explicit", "created_at": ago(86400 * 9), "pending_proposals": 0},
            {"id": "2", "name": "empty-one", "role": "admin", "membership": "explicit", "created_at": ago(3600), "pending_proposals": 0},
            {"id": "3", "name": "others", "role": "", "membership": "none", "created_at": ago(864000), "pending_proposals": 0}]
        self.credentials = {k: {"type": t, "value": v, "updated_at": ago(a)} for k, t, v, a in [
            ("ANTHROPIC_API_KEY", "static", "sk-ant-api03-not-a-real-one", 86400 * 12), ("GITHUB_TOKEN", "static", "ghp_notARealToken0123456789", 86400 * 3),
            ("GOOGLE", "oauth", "", 5000), ("LINEAR_API_KEY", "static", "<b>lin</b>\u202e" + h[0], 7200),
            ("OPENAI_API_KEY", "static", "sk-not-a-real-one", 900)]}
        self.services = [
            {"name": "openai", "host": "api.openai.com", "enabled": True, "auth": {"type": "bearer", "token": "OPENAI_API_KEY"}, "env": {"OPENAI_API_KEY": "OPENAI_API_KEY"}},
            {"name": "anthropic", "host": "api.anthropic.com", "enabled": True, "auth": {"type": "api-key", "key": "ANTHROPIC_API_KEY", "header": "x-api-key"}},
            {"name": "github", "host": "api.github.com/repos/acme/*", "enabled": True, "methods": ["GET", "POST", "PATCH"], "auth": {"type": "bearer", "token": "GITHUB_TOKEN"}},
            {"name": "pagerduty", "host": "api.pagerduty.com", "enabled": True, "auth": {"type": "custom", "headers": {"Authorization": "Token token={{ PAGERDUTY_TOKEN }}"}}},
            {"name": "telegram", "host": "api.telegram.org", "enabled": False, "auth": {"type": "passthrough"}, "substitutions": [{"key": "TELEGRAM_BOT_TOKEN", "placeholder": "__TELEGRAM_BOT_TOKEN__", "in": ["path"]}]},
            {"name": "jira", "host": "*.atlassian.net/rest/*", "enabled": True, "auth": {"type": "basic", "username": "JIRA_USER", "password": "JIRA_API_TOKEN"}}]
        self.rules = [
            {"name": "no-deletes", "action": "block", "enabled": True, "host": "api.github.com/repos/acme/*", "methods": ["DELETE"], "reason": "ask me first"},
            {"name": "ask-before-refunds", "action": "approve", "enabled": True, "host": "api.stripe.com/v1/refunds", "timeout": 300},
            {"name": "few-large-models", "action": "rate_limit", "enabled": True, "host": "api.openai.com", "limit": 100, "window": "hour", "agents": ["builder"], "body": [{"pointer": "/model", "equals": "gpt-5"}]},
            {"name": "packages", "action": "allow", "enabled": False, "host": "**.pypi.org", "reason": h[0]}]
        self.proposals = [stripe_proposal(7), hostile_proposal(6),
                          {**stripe_proposal(3), "status": "applied", "reviewer": "user:" + OWNER, "reviewed_at": ago(90000), "created_at": ago(90400)},
                          {**stripe_proposal(2), "status": "rejected", "reviewer": "user:bob@example.com", "reviewed_at": ago(190000), "review_note": "not this one", "created_at": ago(190400)}]
        self.approvals = []
        self.grants = []
        self.agents = {n: {"name": n, "status": s, "created_at": ago(a), "rotated_at": r, "vaults": ["default"]} for n, s, a, r in [
            ("builder", "active", 86400 * 20, None), ("nightly", "active", 86400 * 8, ago(86400)), ("old-one", "revoked", 86400 * 80, None), (h[0], "active", 50, None)]}
        self.elsewhere = {"reviewer": {"name": "reviewer", "status": "active", "created_at": ago(4000), "vaults": ["staging"]}}
        self.sessions = [{"id": "5f0c", "label": "container build", "vault_role": "proxy", "created_by": {"id": "1", "type": "user", "display_name": OWNER}, "created_at": ago(3000), "expires_at": ago(-80000)},
                         {"id": "77aa", "label": h[3], "vault_role": "proxy", "created_by": {"id": "1", "type": "agent", "display_name": h[0]}, "created_at": ago(30), "expires_at": ago(-8000)}]
        self.members = [{"email": OWNER, "role": "admin"}, {"email": "bob@example.com", "role": "member"}]
        self.users = [{"email": OWNER, "role": "owner", "state": "active", "created_at": ago(86400 * 40)}, {"email": "bob@example.com", "role": "member", "state": "active", "created_at": ago(86400 * 9)}, {"email": "mallory@example.net", "role": "member", "state": "waiting", "created_at": ago(4000)}]
        self.invites = [{"id": "inv1", "email": "eve@example.com", "role": "member", "expires_at": ago(-100000)}]
        self.settings = {"invite_only": True, "allowed_email_domains": ["example.com"]}
        self.policy = "passthrough"
        self.logs = []
        kinds = [("GET", "api.github.com", "/repos/acme/web/pulls", "allow", 200, "github"), ("POST", "api.openai.com", "/v1/responses", "allow", 200, "openai"),
                 ("GET", "pypi.org", "/simple/requests/", "allow", 200, ""), ("DELETE", "api.github.com", "/repos/acme/web", "deny", 403, "github"),
                 ("POST", "api.anthropic.com", "/v1/messages", "allow", 200, "anthropic"), ("GET", "api.linear.app", "/graphql", "error", 504, ""),
                 ("GET", "registry.npmjs.org", "/left-pad", "allow", 304, "")]
        for i in range(140):
            self.log(*kinds[(i * 5 + i // 3) % len(kinds)], age=(140 - i) * 23)
        stores_mock.begin(self, ago)
        self.log("GET", "evil.example", "/" + h[0] + h[3], "deny", 403, "", age=3, agent=h[0])

    def log(self, method, host, path, decision, status, service, age=0, agent="builder"):
        n = len(self.logs) + 1
        self.logs.append({"id": n, "ingress": "mitm", "method": method, "host": host, "path": path, "matched_service": service, "status": status,
                          "credential_keys": [service.upper() + "_KEY"] if service and decision == "allow" else [], "latency_ms": 40 + n * 37 % 900,
                          "agent": agent if n % 4 else "", "decision": decision, "created_at": ago(age),
                          "rule": "no-deletes" if method == "DELETE" else "", "error": {"deny": "blocked_by_policy", "error": "upstream_timeout"}.get(decision, "")})

    def hold(self, seconds=180, **more):
        with self.changed:
            number = len(self.approvals) + 1
            held = {"id": f"apr_{number:08x}", "method": "POST", "url": "https://api.stripe.com/v1/refunds?expand=charge", "agent": "builder", "rule": "ask-before-refunds",
                    "state": "pending", "created_at": ago(0), "expires_at": ago(-seconds), "content_type": "application/json", "body_size": 61, "body_complete": True,
                    "preview": "{\n  \"charge\": \"ch_3PqX\",\n  \"amount\": 4200,\n  \"reason\": \"duplicate\"\n}", **more}
            self.approvals.append(held)
            self.changed.notify_all()
            return held

    def waiting(self):
        return [a for a in self.approvals if a["state"] == "pending"]


def diff_of(proposal):
    lines = [{"kind": "same", "text": "GET https://api.github.com/repos/acme/* with GITHUB_TOKEN as bearer token"}, {"kind": "same", "text": "any method https://api.openai.com/* with OPENAI_API_KEY as bearer token"}]
    for s in proposal["services"]:
        if s["name"] == "stripe":
            lines.append({"kind": "remove", "text": "any method https://api.stripe.com/* without a credential"})
        lines += [{"kind": "add", "text": f"{m} https://{s['host']} with {s['auth'].get('token') or json.dumps(s['auth'], ensure_ascii=False)} as bearer token"}
                  for m in s.get("methods", ["any method"])]
        lines.append({"kind": "warn", "text": "POST can change things; only reading was mentioned"})
    return lines


def diff(state, proposal, narrow):
    lines = diff_of(proposal)
    if narrow:
        if "*" in "".join(x.get("host", "") for x in narrow.get("services", [])):
            raise Problem(403, "forbidden", "that is more than what was asked for", "take away, do not add")
        lines.append({"kind": "add", "text": "taken away: " + json.dumps(narrow)})
    needed = [c["key"] for c in proposal["credentials"] if c["action"] == "set" and not c.get("has_value")]
    return {"lines": lines, "needed": needed, "fingerprint": state.fingerprint}


ROUTES = []


def route(method, pattern, who="user"):
    regex = re.compile("^/v1" + re.sub(r"\{\w+\}", "([^/]+)", pattern) + "$")

    def add(function):
        ROUTES.append((method, regex, who, function))
        return function
    return add


def find(rows, key, value):
    for row in rows:
        if str(row[key]) == str(value):
            return row
    raise Problem(404, "not_found", f"there is no {key} of that name")


@route("GET", "/status", "anybody")
def _(s, r):
    return {"initialized": s.initialized, "needs_first_user": not s.initialized}


@route("POST", "/auth/login", "anybody")
def _(s, r):
    if r.body.get("email") != OWNER or r.body.get("password") != PASSWORD:
        raise Problem(401, "unauthorized", "e-mail or password is wrong", "a forgotten password: an owner sets a new one with `agent-vault user password EMAIL`")
    token = f"av_sess_{len(s.tokens)}"
    s.tokens.add(token)
    r.cookie = token
    return {"token": token, "expires_at": ago(-86400)}


@route("POST", "/auth/register", "anybody")
def _(s, r):
    if r.body.get("setup_code") != SETUP_CODE:
        raise Problem(403, "forbidden", "that is not the setup code", "it stands on the terminal of `agent-vault serve`")
    s.initialized = True
    s.tokens.add("first")
    r.cookie = "first"
    return {"email": r.body["email"], "role": "owner", "authenticated": True}


@route("POST", "/auth/logout")
def _(s, r):
    s.tokens.clear()
    return {"status": "ok"}


@route("POST", "/auth/reauthenticate")
def _(s, r):
    if r.body.get("password") != PASSWORD:
        raise Problem(403, "wrong_password", "the password is wrong")
    s.confirmed = True
    return {"status": "ok", "reauthenticated_until": ago(-300)}


@route("GET", "/auth/me")
def _(s, r):
    return {"type": "user", "email": OWNER, "role": "owner" if s.is_owner else "member", "is_owner": s.is_owner}


@route("GET", "/auth/sessions")
def _(s, r):
    return {"sessions": [{"id": "a", "device_label": "browser", "last_ip": "127.0.0.1", "last_user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "last_used_at": ago(2), "created_at": ago(900), "expires_at": ago(-86400 * 30), "current": True},
                         {"id": "b", "device_label": "laptop <script>window.pwned=9</script>", "last_ip": "10.1.2.3", "last_user_agent": HOSTILE[0], "last_used_at": ago(86400), "created_at": ago(900000), "expires_at": ago(-86400), "current": False}]}


@route("DELETE", "/auth/sessions/{id}")
def _(s, r, id):
    return {"status": "ok"}


@route("POST", "/auth/change-password")
def _(s, r):
    if r.body["current_password"] != PASSWORD:
        raise Problem(403, "forbidden", "the current password is wrong")
    return {"token": "x", "expires_at": ago(-1)}


@route("GET", "/users/invites/{token}/details", "anybody")
def _(s, r, token):
    if token != "av_uinv_good":
        raise Problem(404, "not_found", "this invitation does not exist or has ended", "ask for a new one")
    return {"email": "carol@example.com", "role": "member", "needs_account": True, "vaults": [{"vault_name": "default", "vault_role": "member"}]}


@route("POST", "/users/invites/{token}/accept", "anybody")
def _(s, r, token):
    s.tokens.add("invited")
    r.cookie = "invited"
    return {"email": "carol@example.com"}


@route("GET", "/vaults")
def _(s, r):
    s.vaults[0]["pending_proposals"] = sum(p["status"] == "pending" for p in s.proposals)
    return {"vaults": s.vaults}


@route("POST", "/vaults")
def _(s, r):
    if any(v["name"] == r.body["name"] for v in s.vaults):
        raise Problem(409, "exists", f"there is a vault {r.body['name']} already", "choose another name")
    s.vaults.append({"id": "9", "name": r.body["name"], "role": "admin", "membership": "explicit", "created_at": ago(0), "pending_proposals": 0})
    return {"id": "9", "name": r.body["name"]}


@route("GET", "/vaults/{v}/settings")
def _(s, r, v):
    return {"unmatched_host_policy": s.policy}


@route("PATCH", "/vaults/{v}/settings")
def _(s, r, v):
    s.policy = r.body["unmatched_host_policy"]
    return {"unmatched_host_policy": s.policy}


@route("GET", "/vaults/{v}/members")
def _(s, r, v):
    return {"members": s.members}


@route("POST", "/vaults/{v}/members")
def _(s, r, v):
    s.members = [m for m in s.members if m["email"] != r.body["email"]] + [r.body]
    return r.body


@route("DELETE", "/vaults/{v}/members/{email}")
def _(s, r, v, email):
    s.members = [m for m in s.members if m["email"] != email]
    return {"removed": email}


@route("GET", "/credentials")
def _(s, r):
    if r.query.get("vault") == "empty-one":
        return {"keys": [], "credentials": []}
    if r.query.get("reveal") == "true":
        if not s.confirmed:
            raise Problem(403, "confirm_required", "show your password first")
        s.confirmed = False
        return {"keys": [r.query["key"]], "credentials": [{"key": r.query["key"], "type": "static", "value": s.credentials[r.query["key"]]["value"]}]}
    return {"keys": list(s.credentials), "credentials": [{"key": k, "type": c["type"], "updated_at": c["updated_at"], **stores_mock.row_of(s, k)} for k, c in sorted(s.credentials.items())]}


@route("POST", "/credentials")
def _(s, r):
    for key, value in r.body["credentials"].items():
        if not re.fullmatch("[A-Z][A-Z0-9_]*", key):
            raise Problem(400, "bad_request", "a key is upper case letters, digits and _", "for example STRIPE_KEY")
        s.credentials[key] = {"type": "static", "value": value, "updated_at": ago(0)}
    return {"set": list(r.body["credentials"])}


@route("DELETE", "/credentials")
def _(s, r):
    for key in r.body["keys"]:
        s.credentials.pop(key, None)
    return {"deleted": r.body["keys"]}


@route("GET", "/vaults/{v}/services")
def _(s, r, v):
    return {"vault": v, "services": [] if v == "empty-one" else s.services}


@route("POST", "/vaults/{v}/services")
def _(s, r, v):
    for one in r.body["services"]:
        if not one.get("host"):
            raise Problem(400, "bad_request", "a service needs a host", "for example api.example.com/v1/*")
        one.setdefault("name", one["host"].split("/")[0].replace(".", "-"))
        known = [i for i, x in enumerate(s.services) if x["name"] == one["name"]]
        if known:
            s.services[known[0]] = one
        else:
            s.services.append(one)
    return {"vault": v, "upserted": [x["name"] for x in r.body["services"]], "services_count": len(s.services)}


@route("PATCH", "/vaults/{v}/services/{name}")
def _(s, r, v, name):
    find(s.services, "name", name)["enabled"] = r.body["enabled"]
    return {"name": name}


@route("DELETE", "/vaults/{v}/services/{name}")
def _(s, r, v, name):
    s.services.remove(find(s.services, "name", name))
    return {"vault": v, "removed": name}


@route("GET", "/service-catalog", "anybody")
def _(s, r):
    rows = [("openai", "OpenAI API", "api.openai.com", "bearer", "OPENAI_API_KEY"), ("github", "GitHub", "api.github.com", "bearer", "GITHUB_TOKEN"),
            ("stripe", "Stripe", "api.stripe.com", "bearer", "STRIPE_SECRET_KEY"), ("slack", "Slack", "slack.com", "bearer", "SLACK_TOKEN"),
            ("jira", "Jira", "*.atlassian.net", "basic", "JIRA_API_TOKEN"), ("datadog", "Datadog", "api.datadoghq.com", "api-key", "DATADOG_API_KEY"),
            ("sentry", "Sentry", "sentry.io", "bearer", "SENTRY_AUTH_TOKEN"), ("linear", "Linear", "api.linear.app", "api-key", "LINEAR_API_KEY")]
    return {"services": [{"id": i, "name": n, "host": h, "auth_type": a, "suggested_credential_key": k, "description": n} for i, n, h, a, k in rows]}


@route("GET", "/vaults/{v}/discovered-hosts")
def _(s, r, v):
    return {"hosts": [] if v == "empty-one" else [{"host": "api.notion.com", "request_count": 31, "last_seen": ago(300), "auth_scheme": "Bearer", "auth_header": "Authorization"},
                                                  {"host": "app.posthog.com", "request_count": 4, "last_seen": ago(4000), "auth_header": "X-Api-Key"},
                                                  {"host": "pypi.org", "request_count": 212, "last_seen": ago(20)}], "total": 3}


@route("GET", "/vaults/{v}/rules")
def _(s, r, v):
    return {"vault": v, "rules": [] if v == "empty-one" else s.rules, "remarks": [] if v == "empty-one" else [{"rule": "packages", "words": "it is disabled, and nothing else allows this host"}]}


@route("POST", "/vaults/{v}/rules")
def _(s, r, v):
    for one in r.body["rules"]:
        one.setdefault("name", one["action"] + "-rule")
        s.rules = [x for x in s.rules if x["name"] != one["name"]] + [one]
    return {"vault": v, "rules": s.rules}


@route("PATCH", "/vaults/{v}/rules/{name}")
def _(s, r, v, name):
    find(s.rules, "name", name)["enabled"] = r.body["enabled"]
    return {"name": name}


@route("DELETE", "/vaults/{v}/rules/{name}")
def _(s, r, v, name):
    s.rules.remove(find(s.rules, "name", name))
    return {"removed": name}


@route("POST", "/vaults/{v}/rules/test")
def _(s, r, v):
    url = urllib.parse.urlsplit(r.body["url"])
    if not url.hostname:
        raise Problem(400, "bad_request", "that is not a URL", "for example https://api.github.com/user")
    blocked = r.body["method"] == "DELETE" and url.hostname == "api.github.com"
    service = next((x for x in s.services if x["host"].split("/")[0] == url.hostname), None)
    return {"vault": v, "request": f"{r.body['method']} {r.body['url']}", "method": r.body["method"], "host": url.hostname, "port": 443, "path": url.path or "/",
            "readings": [url.path.lower()] if url.path.lower() != url.path else [], "agent": None,
            "rules": [{"name": "no-deletes", "action": "block", "matches": True, "why": "matches"}] if blocked else [],
            "service": service and {"name": service["name"], "auth": service["auth"]["type"], "enabled": service["enabled"], "credentials": [{"key": "GITHUB_TOKEN", "set": True}]},
            "unmatched": s.policy, "looks_at_body": False, "decision": "block" if blocked else "allow", "passes": not blocked, "rule": "no-deletes" if blocked else None,
            "answer": {"status": 403, "error": "blocked_by_policy", "message": "the rule no-deletes blocks this"} if blocked else None}


@route("GET", "/vaults/{v}/approvals")
def _(s, r, v):
    return {"approvals": s.waiting() if v == "default" else []}


@route("GET", "/vaults/{v}/grants")
def _(s, r, v):
    return {"grants": [g for g in s.grants if g["vault"] == v]}


@route("DELETE", "/vaults/{v}/grants/{id}")
def _(s, r, v, id):
    s.grants.remove(find(s.grants, "id", id))
    return {"vault": v, "revoked": [id]}


@route("GET", "/approvals/pending")
def _(s, r):
    known = set(r.query.get("exclude", "").split(","))
    deadline = time.monotonic() + 5
    while not [a for a in s.waiting() if a["id"] not in known] and time.monotonic() < deadline and not s.closing:
        s.changed.wait(0.2)
    return {"requests": [a for a in s.waiting() if a["id"] not in known], "timeoutSeconds": 180}


@route("POST", "/approvals/{id}/decision")
def _(s, r, id):
    held = find(s.waiting(), "id", id)
    held["state"] = "allowed" if r.body["decision"] == "approve" else "denied"
    if r.body.get("uses") or r.body.get("for_seconds"):
        uses = r.body.get("uses")
        s.grants.append({"id": id, "vault": "default", "rule": held["rule"], "agent": held["agent"], "method": held["method"],
                         "url": held["url"].split("?")[0], "uses": uses and uses - 1, "uses_left": uses and uses - 1,
                         "created_at": held["created_at"], "expires_at": held["expires_at"]})
    s.changed.notify_all()
    return {"success": True}


@route("GET", "/proposals/approve-details", "anybody")
def _(s, r):
    if r.query.get("token") != "av_appr_good":
        raise Problem(404, "not_found", "this link leads to no proposal, or is older than a day", "sign in and look under the vault's proposals")
    p = find(s.proposals, "id", r.query.get("id"))
    return {**p, "proposal_id": p["id"], "vault": "default", "authenticated": r.signed_in, "can_approve": r.signed_in}


@route("GET", "/admin/proposals")
def _(s, r):
    keep = [p for p in s.proposals if r.query.get("vault") == "default" and r.query.get("status", p["status"]) == p["status"]]
    return {"proposals": [{**p, "services_json": json.dumps(p["services"]), "credentials_json": json.dumps(p["credentials"])} for p in keep]}


@route("GET", "/admin/proposals/{id}")
def _(s, r, id):
    return find(s.proposals, "id", id)


@route("GET", "/admin/proposals/{id}/diff")
def _(s, r, id):
    return diff(s, find(s.proposals, "id", id), None)


@route("POST", "/admin/proposals/{id}/diff")
def _(s, r, id):
    return diff(s, find(s.proposals, "id", id), r.body["narrow"])


@route("POST", "/admin/proposals/{id}/approve")
def _(s, r, id):
    p = find(s.proposals, "id", id)
    if r.body.get("fingerprint") != s.fingerprint:
        raise Problem(409, "conflict", "the vault has changed since the proposal was looked at", "look at what it would do now, and decide again")
    for c in p["credentials"]:
        if c["action"] == "set" and not c.get("has_value") and not r.body["credentials"].get(c["key"]):
            raise Problem(400, "bad_request", f"a value for {c['key']} is missing")
    p.update(status="applied", reviewer="user:" + OWNER, reviewed_at=ago(0))
    return {"id": p["id"], "status": "applied"}


@route("POST", "/admin/proposals/{id}/reject")
def _(s, r, id):
    find(s.proposals, "id", id).update(status="rejected", reviewer="user:" + OWNER, reviewed_at=ago(0), review_note=r.body["reason"])
    return {"id": id, "status": "rejected"}


@route("GET", "/agents")
def _(s, r):
    return {"agents": list(s.agents.values()) + list(s.elsewhere.values())}


@route("POST", "/agents")
def _(s, r):
    name = r.body["name"]
    s.agents[name] = {"name": name, "status": "active", "created_at": ago(0), "rotated_at": None, "vaults": ["default"]}
    return {"av_agent_token": "av_agt_2f9a1c77e0b4d3586a9f", "name": name, "role": "no-access", "vaults": r.body["vaults"], "created_at": ago(0)}


@route("POST", "/agents/{name}/rotate")
def _(s, r, name):
    return {"av_agent_token": "av_agt_rotated00000000000", "name": name, "rotated_at": ago(0)}


@route("DELETE", "/agents/{name}")
def _(s, r, name):
    s.agents[name]["status"] = "revoked"
    return {"name": name}


@route("GET", "/vaults/{v}/agents")
def _(s, r, v):
    return {"agents": [] if v == "empty-one" else [{"name": a["name"], "agent_id": a["name"], "vault_role": "proxy", "status": a["status"]} for a in s.agents.values()]}


@route("GET", "/sessions")
def _(s, r):
    return {"sessions": [] if r.query.get("vault") == "empty-one" else s.sessions}


@route("POST", "/sessions")
def _(s, r):
    return {"token": "av_sess_9c0ffee", "expires_at": ago(-r.body["ttl_seconds"]), "av_addr": ""}


@route("DELETE", "/sessions/{id}")
def _(s, r, id):
    s.sessions = [x for x in s.sessions if x["id"] != id]
    return {"status": "ok"}


@route("GET", "/vaults/{v}/logs")
def _(s, r, v):
    rows = [] if v == "empty-one" else s.logs[::-1]
    for key in ("agent", "decision", "host"):
        if r.query.get(key):
            rows = [x for x in rows if x[key] == r.query[key]]
    latest = rows[0]["id"] if rows else None
    if r.query.get("after"):
        rows = [x for x in rows if x["id"] > int(r.query["after"])]
        return {"logs": rows, "next_cursor": None, "latest_id": latest or int(r.query["after"])}
    if r.query.get("before"):
        rows = [x for x in rows if x["id"] < int(r.query["before"])]
    page = rows[:int(r.query.get("limit", 50))]
    return {"logs": page, "next_cursor": page[-1]["id"] if len(page) < len(rows) else None, "latest_id": latest}


@route("GET", "/vaults/{v}/activity")
def _(s, r, v):
    minutes = int(r.query.get("minutes", 60))
    out = []
    for i in range(60):
        n = 0 if v == "empty-one" else int(18 + 14 * ((i * 37 % 19) / 19) * (1 + (i > 40)) - (i % 11 == 0) * 14)
        denied, errors = (5 if i in (22, 23, 47) else int(i % 13 == 0)) if n else 0, (3 if i in (31, 32) else 0) if n else 0
        out.append({"at": ago((60 - i) * minutes), "requests": n + denied + errors, "allowed": n, "denied": denied, "errors": errors})
    return {"buckets": out}


@route("GET", "/users")
def _(s, r):
    return {"users": s.users}


@route("GET", "/users/invites")
def _(s, r):
    return {"invites": s.invites}


@route("POST", "/users/invites")
def _(s, r):
    s.invites.append({"id": "inv2", "email": r.body["email"], "role": r.body["role"], "expires_at": ago(-172800)})
    return {"email": r.body["email"], "invite_link": r.base + "/invite/av_uinv_good", "expires_at": ago(-172800)}


@route("POST", "/users/invites/{id}/reinvite")
def _(s, r, id):
    return {"id": id, "invite_link": r.base + "/invite/av_uinv_good", "expires_at": ago(-172800)}


@route("POST", "/admin/users/{email}/enable")
def _(s, r, email):
    find(s.users, "email", email)["state"] = "active"
    return {"email": email}


@route("GET", "/admin/settings")
def _(s, r):
    return s.settings


@route("PUT", "/admin/settings")
def _(s, r):
    s.settings = r.body
    return s.settings


stores_mock.register(route, Problem, ago, HOSTILE)


class Request:
    def __init__(self, handler, body, query, signed_in):
        self.body, self.query, self.signed_in, self.cookie = body, query, signed_in, None
        self.base = "http://" + handler.headers["Host"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, kind, body, extra=()):
        self.send_response(status)
        for name, value in [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
                            ("Referrer-Policy", "no-referrer"), *extra]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def file(self, name):
        path = os.path.join(PAGES, name)
        if "/" in name or not os.path.isfile(path):
            return self.reply(404, "text/plain", b"no such file")
        with open(path, "rb") as file:
            body = file.read()
        extra = [("Content-Security-Policy", CSP), ("X-Frame-Options", "DENY"), ("Cross-Origin-Opener-Policy", "same-origin")] if name.endswith(".html") else []
        self.reply(200, TYPES[name.rsplit(".", 1)[1]], body, extra)

    def answer(self):
        mock = self.server.mock
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        mock.requests.append(self.path)
        if mock.gone and url.path.startswith("/v1/"):
            self.close_connection = True
            return None
        if url.path.startswith("/assets/"):
            return self.file(url.path[len("/assets/"):])
        if not url.path.startswith("/v1/"):
            return self.file("index.html")
        state, query = mock.state, dict(urllib.parse.parse_qsl(url.query))
        cookie = re.search(r"av_session=(\w+)", self.headers.get("Cookie") or "")
        signed_in = bool(cookie) and cookie.group(1) in state.tokens
        try:
            if self.command not in ("GET", "HEAD") and (self.headers.get("X-Agent-Vault") != "1" or self.headers.get("Origin") != f"http://{self.headers['Host']}"):
                raise Problem(403, "csrf", "this request was not made by the pages of agent-vault")
            for method, regex, who, function in ROUTES:
                match = regex.match(url.path)
                if method == self.command and match:
                    if who == "user" and not signed_in:
                        raise Problem(401, "unauthorized", "sign in first")
                    request = Request(self, json.loads(body) if body else {}, query, signed_in)
                    mock.calls.append((method, urllib.parse.unquote(url.path), query, request.body))
                    with state.lock:
                        data = function(state, request, *map(urllib.parse.unquote, match.groups()))
                    extra = [("Set-Cookie", f"av_session={request.cookie}; HttpOnly; SameSite=Strict; Path=/")] if request.cookie else []
                    return self.reply(200, "application/json", json.dumps(data).encode(), extra)
            raise Problem(404, "not_found", "there is no such route")
        except Problem as problem:
            self.reply(problem.status, "application/json", json.dumps(problem.body).encode())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a page that was left


class Mock:
    def __init__(self, initialized=True):
        self.state, self.calls, self.requests = State(initialized), [], []
        self.state.closing = self.gone = False
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.mock = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def start(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def sent(self, method, path):
        """Bodies of the calls to that path."""
        return [body for m, p, _, body in list(self.calls) if m == method and p == path]

    def stop(self):
        self.state.closing = True
        self.server.shutdown()


if __name__ == "__main__":
    mock = Mock()
    for _ in range(3):
        mock.state.hold(3600)
    print(mock.url, OWNER, PASSWORD, flush=True)
    mock.server.serve_forever()
