"""The routes of external stores for pages_mock.py: three stores, one of which fails, one that only an owner pairs; what an
item's name may be made of.

    stores_mock.register(route, Problem, ago, HOSTILE)      stores_mock.begin(state, ago)
"""

SCHEMES = {"vault": "vault", "bitwarden": "bw", "pass": "pass"}


def setting(name, help_text, secret=False, required=False, default="", owner_only=False, values=()):
    return {"name": name, "help": help_text, "secret": secret, "required": required, "variable": "", "default": default,
            "owner_only": owner_only, "admins_values": list(values)}


KINDS = [
    {"kind": "vault", "title": "HashiCorp Vault or OpenBao", "scheme": "vault", "example": "vault://secret/openai#api_key", "finds_by_host": False, "owner_only": False,
     "settings": [setting("url", "address: https://vault.example.com:8200", required=True), setting("namespace", "namespace of Vault Enterprise, HCP or OpenBao"),
                  setting("auth", "how to log in: token, approle, kubernetes or jwt", default="token", values=["token", "approle", "jwt"]),
                  setting("token", "auth=token: the token", secret=True), setting("role_id", "auth=approle: the role's id"), setting("role", "auth=kubernetes or jwt: the role"), setting("secret_id", "auth=approle: the secret id", secret=True),
                  setting("token_file", "file of this machine with the token", owner_only=True), setting("ca", "certificates to trust besides the system's, in PEM"),
                  setting("allow_net", "private networks that the server may be in (CIDR)", owner_only=True)]},
    {"kind": "bitwarden", "title": "Bitwarden (Agent Access)", "scheme": "bw", "example": "bw://domain/github.com#password", "finds_by_host": True, "owner_only": False,
     "settings": [setting("url", "WebSocket URL of the relay", default="wss://ap.lesspassword.dev"), setting("token", "what `aac listen --psk` prints (129 characters), or the code of `aac listen`", secret=True, required=True)]},
    {"kind": "pass", "title": "pass, gopass", "scheme": "pass", "example": "pass://web/github.com#login", "finds_by_host": False, "owner_only": True,
     "settings": [setting("program", "pass or gopass", default="pass", owner_only=True)]},
]


def begin(s, ago):
    s.is_owner = True
    s.stores = {
        "corp": {"kind": "vault", "account": "approle/builders", "settings": {"url": "https://vault.example.com:8200", "auth": "approle"}, "state": "works", "ok": ago(40), "failed": None, "error": "",
                 "health": {"asked": 412, "missing": 3, "failed": 0, "average_ms": 38, "last_failure": "", "leases": 2, "rests_seconds": 0}},
        "phone": {"kind": "bitwarden", "account": "ada\u2019s phone <b>", "settings": {"url": "wss://ap.lesspassword.dev"}, "state": "failing", "ok": ago(90000), "failed": ago(70),
                  "error": "no connection to ap.lesspassword.dev: the other device does not answer", "health": {"asked": 9, "missing": 0, "failed": 4, "average_ms": 2100, "last_failure": "timeout", "leases": 0, "rests_seconds": 48}},
        "team-pass": {"kind": "pass", "account": "", "settings": {"program": "/usr/bin/pass"}, "state": "new", "ok": None, "failed": None, "error": "",
                      "health": {"asked": 0, "missing": 0, "failed": 0, "average_ms": 0, "last_failure": "", "leases": 0, "rests_seconds": 0}}}
    s.sources = {"DATABASE_PASSWORD": ("corp", "vault://database/creds/app#password", None), "SENTRY_AUTH_TOKEN": ("corp", "vault://secret/sentry#token", ago(7000))}
    for key in s.sources:
        s.credentials[key] = {"type": "external", "value": "value-of-" + key.lower(), "updated_at": ago(5000)}
    s.mappings = [{"host": "api.linear.app", "store": "phone", "reference": "", "auth": "bearer", "missing_since": None, "service": {"host": "api.linear.app", "auth": {"type": "bearer", "token": "VALUE"}}},
                  {"host": "registry.example.com", "store": "corp", "reference": "vault://kv1/registry#password", "auth": "basic", "missing_since": ago(90000),
                   "service": {"host": "registry.example.com", "auth": {"type": "basic", "username": "USERNAME", "password": "PASSWORD"}}}]
    s.paired_with = []
    s.vaults[0].update(stores=3, failing_stores=1)


def register(route, Problem, ago, HOSTILE):
    def find(s, name):
        if name not in s.stores:
            raise Problem(404, "not_found", f"no external store named '{name}'")
        return s.stores[name]

    def references(s, name):
        return ([{"credential": k, "reference": ref, "missing_since": gone} for k, (of, ref, gone) in s.sources.items() if of == name]
                + [{"host": m["host"], "reference": m["reference"], "missing_since": m["missing_since"]} for m in s.mappings if m["store"] == name])

    def info(s, name):
        one, kind = find(s, name), next(k for k in KINDS if k["kind"] == find(s, name)["kind"])
        refs = references(s, name)
        return {"id": "xst_" + name, "name": name, "vault": "default", "paired": ago(86400 * 3), "revision": 1, "title": kind["title"], "owner_only": kind["owner_only"], "owner_references": kind["owner_only"],
                "credentials": sum("credential" in r for r in refs), "mappings": sum("host" in r for r in refs), "stale": sum(bool(r["missing_since"]) for r in refs), **one}

    def of_reference(s, reference, name):
        scheme = reference.split("://")[0]
        able = [n for n, one in s.stores.items() if SCHEMES[one["kind"]] == scheme and (not name or n == name)]
        if not able:
            raise Problem(404, "not_found", f"no external store of vault 'default' knows {scheme}://", "pair one: agent-vault vault store pair KIND")
        return able[0]

    @route("GET", "/store-kinds")
    def _(s, r):
        return {"kinds": KINDS}

    @route("GET", "/vaults/{v}/stores")
    def _(s, r, v):
        return {"vault": v, "stores": [] if v == "empty-one" else [info(s, n) for n in s.stores]}

    @route("POST", "/vaults/{v}/stores")
    def _(s, r, v):
        name = r.body.get("name") or r.body["kind"]
        s.paired_with.append(r.body)
        if r.body.get("secrets", {}).get("token") == "wrong":
            raise Problem(403, "external_store_denied", f"{name}: the token is not taken", "make another one in Vault")
        s.stores[name] = {"kind": r.body["kind"], "account": "token", "settings": r.body["settings"], "state": "works", "ok": ago(0), "failed": None, "error": "", "health": {}}
        return {"store": info(s, name), "detail": "2 mounts"}

    @route("GET", "/vaults/{v}/stores/{s}")
    def _(s, r, v, name):
        return {**info(s, name), "references": references(s, name)}

    @route("DELETE", "/vaults/{v}/stores/{s}")
    def _(s, r, v, name):
        refs = references(s, name)
        if refs and not r.body.get("remove_references"):
            raise Problem(409, "conflict", "something refers to it")
        find(s, name)
        del s.stores[name]
        for ref in refs:
            s.credentials.pop(ref.get("credential"), None)
            s.sources.pop(ref.get("credential"), None)
        s.mappings = [m for m in s.mappings if m["store"] != name]
        return {"name": name, "removed": True, "told": "yes", "credentials": [], "hosts": []}

    @route("POST", "/vaults/{v}/stores/{s}/test")
    def _(s, r, v, name):
        one = find(s, name)
        if one["state"] == "failing":
            return {"ok": False, "checks": [{"store": name, "what": "works", "ok": False, "code": "timeout", "result": one["error"], "hint": "run `aac listen` on the other device"}]}
        checks = [{"store": name, "what": "works", "ok": True, "code": "", "result": one["account"] + ", 2 mounts", "hint": ""}]
        for ref in references(s, name):
            gone = bool(ref["missing_since"])
            checks.append({"store": name, "what": ref.get("credential") or ref["host"], "ok": not gone, "code": "not_found" if gone else "", "result": "the secret has no version any more" if gone else "is there", "hint": ""})
        return {"ok": all(c["ok"] for c in checks), "checks": checks}

    @route("POST", "/vaults/{v}/stores/{s}/browse")
    def _(s, r, v, name):
        find(s, name)
        if not r.body.get("reference"):
            return {"more": False, "items": [{"reference": "vault://secret", "title": "secret/", "hosts": [], "folder": True}, {"reference": "vault://kv1", "title": "kv1/", "hosts": [], "folder": True}]}
        return {"more": False, "items": [{"reference": "vault://secret/openai#api_key", "title": "OpenAI production", "hosts": ["api.openai.com"], "folder": False},
                                         {"reference": "vault://secret/stripe#key", "title": "Stripe", "hosts": [], "folder": False},
                                         {"reference": "vault://secret/evil#x", "title": HOSTILE[0] + HOSTILE[3], "hosts": [], "folder": False}]}

    @route("POST", "/vaults/{v}/stores/{s}/read")
    def _(s, r, v, name):
        if not s.confirmed:
            raise Problem(403, "confirm_required", "show your password first")
        s.confirmed = False
        return {"store": name, "reference": "", "value": s.credentials[r.body["key"]]["value"]}

    @route("GET", "/vaults/{v}/mappings")
    def _(s, r, v):
        return {"vault": v, "mappings": [] if v == "empty-one" else s.mappings}

    @route("POST", "/vaults/{v}/mappings")
    def _(s, r, v):
        reference = r.body.get("reference", "")
        store = of_reference(s, reference, r.body.get("store")) if reference else "phone"
        auth = r.body.get("auth") or {"type": "bearer", "token": "VALUE"}
        s.mappings.append({"host": r.body["host"], "store": store, "reference": reference, "auth": auth["type"], "missing_since": None, "service": {"host": r.body["host"], "auth": auth}})
        return s.mappings[-1]

    @route("DELETE", "/vaults/{v}/mappings/{host}")
    def _(s, r, v, host):
        s.mappings = [m for m in s.mappings if m["host"] != host]
        return {"host": host, "removed": True}

    @route("POST", "/credentials/source")
    def _(s, r):
        store = of_reference(s, r.body["reference"], r.body.get("store"))
        created = r.body["key"] not in s.credentials
        s.sources[r.body["key"]] = (store, r.body["reference"], None)
        s.credentials[r.body["key"]] = {"type": "external", "value": "value", "updated_at": ago(0)}
        return {"key": r.body["key"], "store": store, "reference": r.body["reference"], "created": created}


def row_of(s, key):
    """What the list of credentials says besides."""
    if key not in s.sources:
        return {}
    store, reference, gone = s.sources[key]
    return {"store": store, "reference": reference, "missing_since": gone}
