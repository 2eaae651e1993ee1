"""The endpoints of fake_idp.py but the token endpoint: what each one accepts, and nothing else. `dispatch(state, call)` gives a Reply.

Refusals quote the rule that they enforce. Runs under the state's lock.
"""

import hmac
import html
import re
import secrets
import time
import urllib.parse

from idp_call import NO_STORE, OAuthError, Reply, authenticate, bearer, page, scopes_of, without_nulls
from idp_grants import GRANTS, device_authorization, device_page, token
from idp_jose import Invalid, number_claim, peek_jwt, strict_json, verify_jwt
from idp_state import CLIENT_CREDENTIALS, CODE, DEVICE_CODE, JWT_BEARER, REFRESH, Bad, sha


# -- discovery

def metadata(state, call):
    if call.endpoint.removesuffix("_metadata") not in state.settings["well_known"]:
        return Reply(404, {"error": "not_found"})
    base = call.issuer
    found = {
        "issuer": base, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token",
        "device_authorization_endpoint": base + "/device_authorization", "revocation_endpoint": base + "/revoke",
        "introspection_endpoint": base + "/introspect", "userinfo_endpoint": base + "/userinfo", "jwks_uri": base + "/jwks",
        "response_types_supported": ["code"], "response_modes_supported": ["query"],
        "grant_types_supported": [CODE, REFRESH, CLIENT_CREDENTIALS, DEVICE_CODE, JWT_BEARER],
        "code_challenge_methods_supported": ["S256"], "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
        "scopes_supported": ["openid", "email", "profile", "offline_access", "read", "write", "mcp"],
        "id_token_signing_alg_values_supported": ["RS256"], "claims_supported": ["sub", "email", "email_verified", "hd", "name"],
        "authorization_response_iss_parameter_supported": state.settings["iss"] != "none",
    }
    if state.settings["registration"] != "off":
        found["registration_endpoint"] = base + "/register"
    return Reply(200, without_nulls(found, state.settings["metadata"]))


def resource_metadata(state, call):
    if ("path" if call.rest == "/mcp" else "root") not in state.settings["resource_metadata_at"]:
        return Reply(404, {"error": "not_found"})
    found = {"resource": call.issuer + "/mcp", "authorization_servers": [call.issuer], "bearer_methods_supported": ["header"],
             "scopes_supported": ["mcp"], "resource_name": "Test MCP server"}
    return Reply(200, without_nulls(found, state.settings["resource_metadata"]))


def jwks(state, _call):
    return Reply(200, {"keys": [key.jwk() for key in [state.key, *state.old_keys]]})


# -- the authorization endpoint

LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::\d{1,5})?(/[^#]*)?\Z")


def redirect_known(registered, asked):
    if asked in registered:
        return True
    given = LOOPBACK.match(asked)
    if not given:
        return False
    # RFC 8252 section 7.3: "MUST allow any port to be specified at the time of the request for loopback IP redirect URIs"
    return any(known and known.groups() == given.groups() for known in map(LOOPBACK.match, registered))


def redirect_back(state, call, uri, state_value, parameters):
    found = dict(parameters)
    how = state.settings["state"]
    if state_value is not None and how != "drop":
        found["state"] = "wrong-" + secrets.token_urlsafe(9) if how == "wrong" else state_value
    if state.settings["iss"] != "none":  # RFC 9207
        found["iss"] = call.issuer if state.settings["iss"] == "right" else "https://other-issuer.test"
    found.update(state.settings["authorize_params"])
    return Reply(302, b"", headers=[*NO_STORE, ("Location", uri + ("&" if "?" in uri else "?") + urllib.parse.urlencode(found))])


def check_authorization(client, asked):
    """What is refused by a redirect, section 4.1.2.1."""
    if asked.get("response_type") != "code":
        raise OAuthError("unsupported_response_type" if "response_type" in asked else "invalid_request", "response_type is code")
    if asked.get("response_mode", "query") != "query":
        raise OAuthError("invalid_request", "response_mode is query")
    if CODE not in client["grants"]:
        raise OAuthError("unauthorized_client", "not a client of this grant")
    if client["pkce"] != "ignored":
        if "code_challenge" in asked:
            if asked.get("code_challenge_method", "plain") != "S256":
                raise OAuthError("invalid_request", "code_challenge_method is S256; plain is refused")
            if not re.fullmatch(r"[A-Za-z0-9_-]{43}", asked["code_challenge"]):
                raise OAuthError("invalid_request", "code_challenge is no SHA-256")
        elif "code_challenge_method" in asked or client["pkce"] == "required":
            raise OAuthError("invalid_request", "code_challenge is required")
    for scope in scopes_of(client, asked):
        if scope not in client["scopes"]:
            raise OAuthError("invalid_scope", f"no scope {scope}")
    if "resource" in asked and ("#" in asked["resource"] or not re.match(r"https?://", asked["resource"])):
        raise OAuthError("invalid_target", "resource is an absolute URI without fragment")  # RFC 8707


def authorize(state, call):
    try:
        asked = call.query() if call.method == "GET" else call.form()
    except OAuthError as error:
        return page(400, "Bad request", f"<p>{html.escape(error.description)}</p>")
    client = state.clients.get(asked.get("client_id", ""))
    if client is None:
        return page(400, "Unknown client", "<p>No such client.</p>")
    call.note["client_id"] = client["client_id"]
    uri = asked.get("redirect_uri")
    if uri is None and len(client["redirect_uris"]) == 1:
        uri = client["redirect_uris"][0]
    if uri is None or not redirect_known(client["redirect_uris"], uri):
        call.note["error"] = "redirect_uri"
        return page(400, "Unknown redirect URI", "<p>It is not registered.</p>")  # never redirected to: section 4.1.2.1
    try:
        check_authorization(client, asked)
    except OAuthError as error:
        call.note["error"] = error.code
        return redirect_back(state, call, uri, asked.get("state"), {"error": error.code, "error_description": error.description})
    pending = {"client_id": client["client_id"], "uri": uri, "uri_sent": "redirect_uri" in asked, "state": asked.get("state"),
               "scope": scopes_of(client, asked), "challenge": asked.get("code_challenge") if client["pkce"] != "ignored" else None,
               "nonce": asked.get("nonce"), "resource": asked.get("resource"), "access_type": asked.get("access_type"), "issuer": call.issuer}
    if state.settings["consent"] == "form":
        return consent_form(state, call, client, pending)
    return decided(state, call, pending, state.settings["consent"] == "auto")


def consent_form(state, call, client, pending):
    request, session = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
    state.consents[request] = {**pending, "session": session}
    name = html.escape(client["client_name"] or client["client_id"])
    scopes = "".join(f"<li>{html.escape(scope)}</li>" for scope in pending["scope"])
    path = urllib.parse.urlsplit(call.issuer).path
    secure = "; Secure" if call.scheme == "https" else ""
    return page(200, f"Allow {client['client_name'] or client['client_id']}?", f"""
<p><strong>{name}</strong> asks for access to the test account.</p><ul>{scopes}</ul>
<form method="post" action="{path}/consent"><input type="hidden" name="request" value="{request}">
<button type="submit" name="decision" value="approve">Allow</button>
<button type="submit" name="decision" value="deny">Deny</button></form>""",
                [("Set-Cookie", f"idp_session={session}; Path=/; HttpOnly; SameSite=Lax{secure}")])


def consent(state, call):
    try:
        form = call.form()
    except OAuthError as error:
        return page(400, "Bad request", f"<p>{html.escape(error.description)}</p>")
    pending = state.consents.get(form.get("request", ""))
    if pending is None or pending["issuer"] != call.issuer or form.get("decision") not in ("approve", "deny"):
        return page(400, "No such request", "<p>It was decided already, or never made.</p>")
    if not hmac.compare_digest(pending["session"].encode(), call.cookie("idp_session").encode()):
        return page(403, "Not this browser", "<p>The form was shown to another browser.</p>")
    del state.consents[form["request"]]
    call.note["client_id"] = pending["client_id"]
    return decided(state, call, pending, form["decision"] == "approve")


def decided(state, call, pending, yes):
    if not yes:
        call.note["error"] = "access_denied"
        return redirect_back(state, call, pending["uri"], pending["state"], {"error": "access_denied", "error_description": "the user said no"})
    code = state.secret("code_" + secrets.token_urlsafe(24), "code")
    state.codes[code] = {**pending, "expires": state.now() + state.settings["code_seconds"], "used": False, "family": None,
                         "user": dict(state.settings["user"]), "auth_time": int(state.now())}
    state.counters["codes_issued"] += 1
    return redirect_back(state, call, pending["uri"], pending["state"], {"code": code})


# -- revocation, introspection, registration

def revoke(state, call):
    form = call.form()
    client = authenticate(state, call, form)
    if "token" not in form:
        raise OAuthError("invalid_request", "token is missing")
    found = state.tokens.get(form["token"])
    if found is not None:
        if found.client_id != client["client_id"]:
            raise OAuthError("invalid_grant", "a token of another client")  # RFC 7009 section 2.1
        if found.kind == "refresh":
            state.revoke_family(found.family)
        found.revoked = True
    return Reply(200, b"", headers=NO_STORE)


def introspect(state, call):
    form = call.form()
    if authenticate(state, call, form)["auth"] == "none":
        raise OAuthError("invalid_client", "only for confidential clients", 401)
    found = state.tokens.get(form.get("token", ""))
    if found is None or not found.view(state.now())["active"]:
        return Reply(200, {"active": False}, headers=NO_STORE)
    return Reply(200, {"active": True, "client_id": found.client_id, "scope": " ".join(found.scope), "exp": int(found.expires), "iss": found.issuer,
                       "sub": found.user.get("sub", found.client_id), "token_type": "Bearer", "aud": found.resource or found.issuer}, headers=NO_STORE)


def register(state, call):
    """RFC 7591, and of RFC 7592 reading and deleting."""
    how = state.settings["registration"]
    given = call.get("authorization").removeprefix("Bearer ")
    if call.rest:
        client = state.clients.get(urllib.parse.unquote(call.rest[1:]))
        if client is None or not client["registration_token"] or not hmac.compare_digest(client["registration_token"].encode(), given.encode()):
            raise OAuthError("invalid_token", "not the registration token", 401, [("WWW-Authenticate", "Bearer")])
        if call.method == "DELETE":
            del state.clients[client["client_id"]]
            return Reply(204)
        return Reply(200, registration_answer(call, client), headers=NO_STORE)
    if how == "off":
        return Reply(404, {"error": "not_found"})
    if call.method != "POST":
        raise OAuthError("invalid_request", "POST only", 405, [("Allow", "POST")])
    if how == "token" and not hmac.compare_digest(given.encode(), state.settings["registration_token"].encode()):
        raise OAuthError("invalid_token", "an initial access token is needed", 401, [("WWW-Authenticate", "Bearer")])
    if call.get("content-type").split(";")[0].strip().lower() != "application/json":
        raise OAuthError("invalid_client_metadata", "Content-Type is not application/json")
    def broken(why):
        return OAuthError("invalid_client_metadata", why)
    try:
        asked = strict_json(call.body)
    except Invalid as error:
        raise broken(str(error)) from error
    if not isinstance(asked, dict):
        raise broken("not an object")
    grants, uris = asked.get("grant_types", [CODE]), asked.get("redirect_uris", [])
    if not isinstance(grants, list) or not all(grant in GRANTS for grant in grants):
        raise broken("grant_types")
    if asked.get("response_types", ["code"]) not in (["code"], []) or (CODE in grants and asked.get("response_types") == []):
        raise broken("response_types is [\"code\"]")
    method = asked.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in ("none", "client_secret_basic", "client_secret_post"):
        raise broken("token_endpoint_auth_method")
    if not isinstance(uris, list) or (CODE in grants and not uris):
        raise OAuthError("invalid_redirect_uri", "redirect_uris is missing")
    for uri in uris:
        # https, loopback, or a scheme that is a reversed domain name (RFC 8252 section 7.1)
        if not isinstance(uri, str) or "#" in uri or not (re.match(r"https://[^/@]+(/|\Z)|[a-z][a-z0-9+-]*\.[a-z0-9.+-]+:/", uri) or
                                                          re.match(r"http://(127\.0\.0\.1|\[::1\]|localhost)(:\d{1,5})?(/|\Z)", uri)):
            raise OAuthError("invalid_redirect_uri", "neither https nor loopback")
    if not isinstance(asked.get("client_name", ""), str) or not isinstance(asked.get("scope", ""), str):
        raise broken("client_name or scope")
    client = state.add_client({"auth": method, "redirect_uris": uris, "grants": grants, "client_name": asked.get("client_name", ""),
                               **({"scopes": asked["scope"].split()} if asked.get("scope") else {}),
                               "registration_token": state.secret("reg_" + secrets.token_urlsafe(24), "registration_token")})
    client["registered_at"] = int(state.now())
    call.note["client_id"] = client["client_id"]
    return Reply(201, registration_answer(call, client), headers=NO_STORE)


def registration_answer(call, client):
    answer = {"client_id": client["client_id"], "client_id_issued_at": client.get("registered_at", 0), "client_name": client["client_name"],
              "redirect_uris": client["redirect_uris"], "grant_types": client["grants"], "response_types": ["code"] if CODE in client["grants"] else [],
              "token_endpoint_auth_method": client["auth"], "scope": " ".join(client["scopes"]),
              "registration_access_token": client["registration_token"],
              "registration_client_uri": f"{call.issuer}/register/{urllib.parse.quote(client['client_id'], safe='')}"}
    if client["client_secret"] is not None:
        answer.update(client_secret=client["client_secret"], client_secret_expires_at=0)
    return answer


# -- protected resources

def userinfo(state, call):
    found = bearer(state, call)
    if "openid" not in found.scope:
        raise OAuthError("insufficient_scope", "openid", 403, [("WWW-Authenticate", 'Bearer error="insufficient_scope", scope="openid"')])
    return Reply(200, found.user, headers=NO_STORE)


def api(state, call):
    found = bearer(state, call, ("bearer", "token"))  # GitHub's scheme as well
    wanted = call.query().get("scope")
    if wanted and wanted not in found.scope:
        raise OAuthError("insufficient_scope", wanted, 403, [("WWW-Authenticate", f'Bearer error="insufficient_scope", scope="{wanted}"')])
    digest = sha(found.value)
    return Reply(200, {"token_sha256": digest, "client_id": found.client_id, "family": found.family, "scope": " ".join(found.scope),
                       "sub": found.user.get("sub"), "path": call.rest, "method": call.method, "count": state.counters["api"][digest]["ok"]}, headers=NO_STORE)


def mcp(state, call):
    found = bearer(state, call)
    ident = None
    if call.method == "POST":
        try:
            ident = strict_json(call.body).get("id")
        except (Invalid, AttributeError):
            raise OAuthError("invalid_request", "not JSON-RPC") from None
    return Reply(200, {"jsonrpc": "2.0", "id": ident, "result": {"token_sha256": sha(found.value), "client_id": found.client_id}})


# -- GitHub Apps

def installation(state, call):
    def refuse(status, message):
        return Reply(status, {"message": message, "documentation_url": "https://docs.github.com/rest"})
    if call.method != "POST":
        return refuse(404, "Not Found")
    if not call.get("user-agent"):
        return refuse(403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header")
    scheme, _, value = call.get("authorization").partition(" ")
    if scheme.lower() != "bearer":
        return refuse(401, "A JSON web token could not be decoded")
    try:
        _, claims, _, _ = peek_jwt(value)
        known = state.github_apps.get(str(claims.get("iss")))
        if known is None:
            return refuse(401, "'Issuer' claim ('iss') must be an Integer or a known client ID")
        verify_jwt(value, {known["key"].kid: known["key"]} if "kid" in peek_jwt(value)[0] else {"": known["key"]})
        issued, expires, now = number_claim(claims, "iat"), number_claim(claims, "exp"), state.now()
    except Invalid as error:
        call.note["error"] = str(error)
        return refuse(401, "A JSON web token could not be decoded")
    if issued > now:
        return refuse(401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
    if now >= expires:
        return refuse(401, "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires")
    if expires > now + 600:
        return refuse(401, "'Expiration time' claim ('exp') is too far in the future")
    number = call.rest.split("/")[1]
    if number not in known["installations"]:
        return refuse(404, "Not Found")
    asked = {}
    if call.body:
        try:
            asked = strict_json(call.body)
        except Invalid:
            return refuse(400, "Problems parsing JSON")
    seconds = state.settings["github_token_seconds"]
    made = {"client_id": f"github-app-{claims['iss']}", "access_token_seconds": seconds, "token_format": "opaque", "token_length": 43}
    fresh, kept = state.new_access(made, state.new_family(made["client_id"]), [], {}, call.issuer, None, prefix="ghs_")
    state.counters["github_tokens"] += 1
    call.note["client_id"] = made["client_id"]
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(kept.expires))
    return Reply(201, {"token": fresh, "expires_at": ends, "permissions": asked.get("permissions", {"contents": "read", "metadata": "read"}),
                       "repository_selection": "selected" if "repositories" in asked else "all"})


# path below the issuer -> (name, methods, function)
ENDPOINTS = {
    "/authorize": ("authorize", ("GET", "POST"), authorize), "/consent": ("consent", ("POST",), consent),
    "/token": ("token", None, token), "/device_authorization": ("device_authorization", ("POST",), device_authorization),
    "/device": ("device", ("GET", "POST"), device_page), "/revoke": ("revoke", ("POST",), revoke),
    "/introspect": ("introspect", ("POST",), introspect), "/userinfo": ("userinfo", ("GET", "POST"), userinfo),
    "/jwks": ("jwks", ("GET",), jwks), "/mcp": ("mcp", None, mcp),
    "/.well-known/openid-configuration": ("oidc_metadata", ("GET",), metadata),
}
PREFIXED = (("/register", "register", register), ("/api", "api", api))
ROOT_KNOWN = (("/.well-known/oauth-authorization-server", "oauth_metadata"), ("/.well-known/openid-configuration", "oidc_metadata"))


def route(state, call):
    """Finds the endpoint, and which issuer is meant: call.issuer, call.endpoint, call.rest."""
    root = f"{call.scheme}://{call.host}"
    call.issuer = root
    mark = "/.well-known/oauth-protected-resource"
    if call.path.startswith(mark):
        rest = call.path[len(mark):]
        for issuer in state.issuer_paths:
            if rest in (issuer, issuer + "/mcp"):
                call.issuer, call.endpoint, call.rest = root + issuer, "resource_metadata", rest[len(issuer):]
                return ("GET",), resource_metadata
    for known, name in ROOT_KNOWN:
        if call.path.startswith(known) and call.path[len(known):] in state.issuer_paths:
            call.issuer, call.endpoint = root + call.path[len(known):], name
            return ("GET",), metadata
    if re.fullmatch(r"(/api/v3)?/app/installations/\d+/access_tokens", call.path):
        call.endpoint, call.rest = "installation", "/" + call.path.split("/")[-2]
        return None, installation
    for issuer in state.issuer_paths:
        if not call.path.startswith(issuer):
            continue
        path = call.path[len(issuer):]
        if path in ENDPOINTS:
            call.issuer = root + issuer
            call.endpoint, methods, function = ENDPOINTS[path]
            return methods, function
        for start, name, function in PREFIXED:
            if path == start or path.startswith(start + "/"):
                call.issuer, call.endpoint, call.rest = root + issuer, name, path[len(start):]
                return None, function
    return None, None


def dispatch(state, call, methods, function):
    if function is None:
        return Reply(404, {"error": "not_found"})
    if methods is not None and call.method not in methods:
        return Reply(405, {"error": "method_not_allowed"}, headers=[("Allow", ", ".join(methods))])
    try:
        return function(state, call)
    except OAuthError as error:
        call.note["error"] = error.code
        state.count("errors", error.code)
        return error.reply()
    except Bad as error:
        return Reply(500, {"error": "test_set_up", "error_description": str(error)})
