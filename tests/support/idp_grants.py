"""The token endpoint of fake_idp.py, its grants, and the device authorization that one of them waits for."""

import hashlib
import hmac
import html
import re
import secrets
import time
import urllib.parse

from idp_call import NO_STORE, OAuthError, Reply, authenticate, page, scopes_of, without_nulls
from idp_jose import Invalid, RsaKey, b64url, jwt_hs256, jwt_none, number_claim, peek_jwt, verify_jwt
from idp_state import CLIENT_CREDENTIALS, CODE, DEVICE_CODE, JWT_BEARER, REFRESH

DEVICE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 section 6.1: no vowels, no words


def token(state, call):
    style, form = "standard", {}
    try:
        if call.method != "POST":
            raise OAuthError("invalid_request", "POST only", 405, [("Allow", "POST")])
        form = call.form()
        style = state.clients.get(form.get("client_id", ""), {}).get("style", "standard")
        grant = form.get("grant_type")
        if grant is None:
            raise OAuthError("invalid_request", "grant_type is missing")
        call.note["grant_type"] = grant
        client = authenticate(state, call, form, optional=grant == JWT_BEARER)
        if grant not in GRANTS:
            raise OAuthError("unsupported_grant_type", "no such grant")
        if client is not None and grant not in client["grants"]:
            raise OAuthError("unauthorized_client", "not a grant of this client")
        answer = GRANTS[grant](state, call, client, form)
        state.count("grants", grant)
        return styled(call, client, answer)
    except OAuthError as error:
        call.note["error"] = error.code
        state.count("errors", error.code)
        return styled_error(call, style, error, form)


def styled(call, client, answer):
    style = client["style"] if client else "standard"
    if style == "github" and "json" not in call.get("accept").lower():
        return Reply(200, urllib.parse.urlencode(answer), "application/x-www-form-urlencoded; charset=utf-8", NO_STORE)
    if style == "slack":
        answer = {"ok": True, "app_id": "A1", **answer, "token_type": "bot", "authed_user": {"id": "U1"}, "team": {"id": "T1", "name": "Test"}}
    if style == "slack_user":
        inner = {name: answer.pop(name) for name in ("access_token", "refresh_token", "expires_in", "scope") if name in answer}
        answer = {"ok": True, "app_id": "A1", "authed_user": {"id": "U1", **inner, "token_type": "user"}, "team": {"id": "T1", "name": "Test"}}
    return Reply(200, answer, headers=NO_STORE)


def styled_error(call, style, error, form):
    """GitHub and Slack say 200 whatever happened, with names of their own."""
    refreshing = form.get("grant_type") == REFRESH
    if style == "github":
        code = {"invalid_grant": "bad_refresh_token" if refreshing else "bad_verification_code",
                "invalid_client": "incorrect_client_credentials"}.get(error.code, error.code)
        answer = {"error": code, "error_description": error.description, "error_uri": "https://docs.github.com/"}
        if "json" not in call.get("accept").lower():
            return Reply(200, urllib.parse.urlencode(answer), "application/x-www-form-urlencoded; charset=utf-8", NO_STORE)
        return Reply(200, answer, headers=NO_STORE)
    if style.startswith("slack"):
        code = {"invalid_grant": "invalid_refresh_token" if refreshing else "invalid_code", "invalid_client": "bad_client_secret"}.get(error.code, error.code)
        return Reply(200, {"ok": False, "error": code}, headers=NO_STORE)
    return error.reply()


def resource_of(form, granted):
    """RFC 8707: the resource of a token request is one that was granted."""
    asked = form.get("resource")
    if asked is None or granted is None or asked == granted:
        return asked or granted
    raise OAuthError("invalid_target", "another resource than was authorized")


def with_tokens(state, call, client, family, scope, user, resource, nonce=None, auth_time=None, refresh=None, issue_refresh=True):
    """The members of a successful answer, RFC 6749 section 5.1."""
    value, _ = state.new_access(client, family, scope, user, call.issuer, resource, nonce)
    call.note["family"] = family
    answer = {"access_token": value, "token_type": "Bearer", **state.expires_in(client)}
    if refresh is not None:
        answer["refresh_token"] = refresh
    elif issue_refresh and client["refresh"] != "none" and REFRESH in client["grants"]:
        answer["refresh_token"] = state.new_refresh(client, family, scope, user, call.issuer, resource, nonce)
    if client["style"] == "github" and "refresh_token" in answer:
        answer["refresh_token_expires_in"] = client["refresh_token_seconds"]
    answer["scope"] = client["scope_separator"].join(scope)
    if "openid" in scope and user:
        answer["id_token"] = id_token(state, call, client, user, value, nonce, auth_time)
    return answer


def id_token(state, call, client, user, access, nonce, auth_time):
    how, now = state.settings["id_token"], int(state.now())
    claims = {"iss": call.issuer, "aud": client["client_id"], "iat": now, "exp": now + state.settings["id_token_seconds"],
              "at_hash": b64url(hashlib.sha256(access.encode()).digest()[:16]), **user}
    if nonce is not None:
        claims["nonce"] = nonce
    if auth_time is not None:
        claims["auth_time"] = auth_time
    claims = without_nulls(claims, how.get("claims", {}))
    sign, header = how.get("sign", "RS256"), how.get("header", {})
    if sign == "none":
        return jwt_none(claims)
    if sign == "HS256":  # with what an attacker knows of the key: CVE-2015-9235
        return jwt_hs256(claims, state.key.public_pem, {"kid": state.key.kid, **header})
    key = state.key
    if sign == "other_key":
        state.other_key = key = state.other_key or RsaKey.generate()
        header = {"kid": state.key.kid, **header}
    made = key.jwt(claims, header)
    if sign == "bad_signature":
        head, body, signature = made.split(".")
        made = f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    return made


def grant_code(state, call, client, form):
    code = state.codes.get(form.get("code", ""))
    wrong = OAuthError("invalid_grant", "the code is not valid")
    if "code" not in form:
        raise OAuthError("invalid_request", "code is missing")
    if code is None or code["client_id"] != client["client_id"] or code["issuer"] != call.issuer:
        raise wrong
    if code["used"]:
        # Section 4.1.2: "MUST deny the request and SHOULD revoke all tokens previously issued based on that authorization code"
        state.counters["codes_reused"] += 1
        if code["family"]:
            state.revoke_family(code["family"])
        raise wrong
    code["used"] = True  # also when what follows is wrong: nobody gets a second guess
    if state.now() >= code["expires"]:
        raise OAuthError("invalid_grant", "the code has expired")
    # Section 4.1.3: required when it was in the authorization request, and identical
    if code["uri_sent"] and form.get("redirect_uri") != code["uri"] or "redirect_uri" in form and form["redirect_uri"] != code["uri"]:
        raise OAuthError("invalid_grant", "redirect_uri is not the one of the authorization request")
    verifier = form.get("code_verifier")
    if code["challenge"] is None:
        if verifier is not None and client["pkce"] != "ignored":
            raise OAuthError("invalid_grant", "code_verifier without a code_challenge")  # OAuth 2.1: downgrade
    elif verifier is None or not re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier):
        raise OAuthError("invalid_grant", "code_verifier is missing or no verifier")
    elif not hmac.compare_digest(b64url(hashlib.sha256(verifier.encode()).digest()), code["challenge"]):
        raise OAuthError("invalid_grant", "code_verifier does not match")
    when = client["refresh_when"]
    refresh = when == "always" or when == "offline_access" and "offline_access" in code["scope"] or when == "access_type" and code["access_type"] == "offline"
    code["family"] = state.new_family(client["client_id"])
    return with_tokens(state, call, client, code["family"], code["scope"], code["user"], resource_of(form, code["resource"]), code["nonce"],
                       code["auth_time"], issue_refresh=refresh)


def grant_refresh(state, call, client, form):
    old = state.tokens.get(form.get("refresh_token", ""))
    wrong = OAuthError("invalid_grant", "the refresh token is not valid")
    if "refresh_token" not in form:
        raise OAuthError("invalid_request", "refresh_token is missing")
    if old is None or old.kind != "refresh" or old.client_id != client["client_id"] or old.issuer != call.issuer:
        raise wrong
    family = state.families[old.family]
    call.note["family"] = old.family
    if old.used_at is not None and state.now() - old.used_at >= client["refresh_grace_seconds"]:
        # RFC 9700 section 4.14.2: whoever comes second, one of the two is a thief
        family["reuse"] += 1
        state.counters["reuse_detections"] += 1
        call.note["reuse"] = True
        state.revoke_family(old.family)
        raise wrong
    if family["revoked"] or old.revoked or state.now() >= old.expires:
        raise wrong
    scope = old.scope
    if "scope" in form:
        scope = scopes_of(client, form)
        if not set(scope) <= set(old.scope):
            raise OAuthError("invalid_scope", "more than was granted")
    resource = resource_of(form, old.resource)
    family["refreshes"] += 1
    if client["refresh_revokes_access"]:
        for one in state.tokens.values():
            if one.kind == "access" and one.family == old.family:
                one.revoked = True
    fresh = None
    if client["refresh"] == "rotate":
        if old.used_at is None:
            old.used_at = state.now()
        fresh = state.new_refresh(client, old.family, old.scope, old.user, call.issuer, old.resource, old.nonce)
    elif client["refresh"] == "same":
        fresh = old.value
    # OpenID Connect Core section 12.2: an ID token of a refresh carries no new nonce.
    return with_tokens(state, call, client, old.family, scope, old.user, resource, None, refresh=fresh, issue_refresh=False)


def grant_client_credentials(state, call, client, form):
    if client["auth"] == "none":
        raise OAuthError("unauthorized_client", "only for confidential clients")
    scope = scopes_of(client, form)
    if not set(scope) <= set(client["scopes"]):
        raise OAuthError("invalid_scope", "no such scope")
    return with_tokens(state, call, client, state.new_family(client["client_id"]), scope, {}, resource_of(form, None), issue_refresh=False)


def grant_device(state, call, client, form):
    device = state.devices.get(form.get("device_code", ""))
    if device is None or device["client_id"] != client["client_id"] or device["issuer"] != call.issuer or device["state"] == "spent":
        raise OAuthError("invalid_grant", "the device code is not valid")
    state.counters["device_polls"] += 1
    pace, device["polled"] = time.monotonic() - device["polled"], time.monotonic()
    if state.now() >= device["expires"]:
        raise OAuthError("expired_token", "the device code has expired")
    if pace < device["interval"] - 0.02:  # a timer may be that much early
        device["interval"] += client["slow_down_seconds"]  # RFC 8628 section 3.5
        state.counters["slow_downs"] += 1
        raise OAuthError("slow_down", f"wait {device['interval']} s between polls")
    if device["state"] == "pending":
        raise OAuthError("authorization_pending", "the user has not decided")
    if device["state"] == "denied":
        raise OAuthError("access_denied", "the user said no")
    device["state"] = "spent"
    return with_tokens(state, call, client, state.new_family(client["client_id"]), device["scope"], device["user"], resource_of(form, device["resource"]))


def grant_jwt(state, call, client, form):
    """RFC 7523 as Google's service accounts use it."""
    def wrong(why):
        return OAuthError("invalid_grant", why)
    if "assertion" not in form:
        raise OAuthError("invalid_request", "assertion is missing")
    try:
        _, claims, _, _ = peek_jwt(form["assertion"])
        known = state.jwt_issuers.get(claims.get("iss"))
        if known is None:
            raise wrong("iss is not known")
        verify_jwt(form["assertion"], known["keys"])
        issued, expires, now = number_claim(claims, "iat"), number_claim(claims, "exp"), state.now()
    except Invalid as error:
        raise wrong(str(error)) from error
    # Also under the name that it was asked by (an alias).
    asked = "https://" + call.get("host").split(":")[0] + "/token"
    if claims.get("aud") not in (call.issuer + "/token", call.issuer, asked):
        raise wrong("aud is not this token endpoint")
    if now >= expires:
        raise wrong("the assertion has expired")
    if issued > now + 10:
        raise wrong("iat is in the future")
    if expires - issued > 3600 or expires > now + 3610:
        raise wrong("exp is more than an hour away")
    if "nbf" in claims and claims["nbf"] > now + 10:
        raise wrong("nbf is in the future")
    if claims.get("sub", claims["iss"]) not in (claims["iss"], *known["subjects"]):
        raise OAuthError("unauthorized_client", "no delegation to sub")
    if "jti" in claims:
        if (claims["iss"], claims["jti"]) in state.seen_jti:
            raise wrong("jti was seen before")
        state.seen_jti.add((claims["iss"], claims["jti"]))
    scope = [s for s in str(form.get("scope") or claims.get("scope") or "").split(" ") if s]
    made = client or {"client_id": claims["iss"], "access_token_seconds": known["access_token_seconds"], "token_format": "opaque", "token_length": 43,
                      "expires_in": "number", "refresh": "none", "grants": [], "style": "standard", "scope_separator": " "}
    return with_tokens(state, call, made, state.new_family(made["client_id"]), scope, {}, None, issue_refresh=False)


GRANTS = {CODE: grant_code, REFRESH: grant_refresh, CLIENT_CREDENTIALS: grant_client_credentials, DEVICE_CODE: grant_device, JWT_BEARER: grant_jwt}


# -- device authorization, RFC 8628

def device_authorization(state, call):
    form = call.form()
    client = authenticate(state, call, form)
    if DEVICE_CODE not in client["grants"]:
        raise OAuthError("unauthorized_client", "not a client of this grant")
    scope = scopes_of(client, form)
    if not set(scope) <= set(client["scopes"]):
        raise OAuthError("invalid_scope", "no such scope")
    letters = "".join(secrets.choice(DEVICE_LETTERS) for _ in range(8))
    device = {"device_code": state.secret("dc_" + secrets.token_urlsafe(24), "device_code"), "user_code": f"{letters[:4]}-{letters[4:]}",
              "client_id": client["client_id"], "scope": scope, "resource": form.get("resource"), "state": "pending", "issuer": call.issuer,
              "expires": state.now() + client["device_seconds"], "interval": 5 if client["device_interval"] is None else client["device_interval"],
              "polled": float("-inf"), "user": dict(state.settings["user"])}
    state.devices[device["device_code"]] = device
    answer = {"device_code": device["device_code"], "user_code": device["user_code"], "verification_uri": call.issuer + "/device",
              "verification_uri_complete": f"{call.issuer}/device?user_code={device['user_code']}", "expires_in": client["device_seconds"]}
    if client["device_interval"] is not None:
        answer["interval"] = client["device_interval"]
    return Reply(200, answer, headers=NO_STORE)


def device_page(state, call):
    asked = call.query() if call.method == "GET" else call.form()
    path = urllib.parse.urlsplit(call.issuer).path
    code, decision = asked.get("user_code", ""), asked.get("decision")
    if decision is None and code and state.settings["consent"] != "form":
        decision = "approve" if state.settings["consent"] == "auto" else "deny"
    found = state.find_device(code) if code else None
    if code and (found is None or found["state"] != "pending" or state.now() >= found["expires"]):
        return page(404, "No such code", "<p>It was used, has expired, or never was.</p>")
    if found is None or decision not in ("approve", "deny") or (call.method == "GET" and state.settings["consent"] == "form"):
        return page(200, "Connect a device", f"""<form method="post" action="{path}/device"><label>Code <input name="user_code" value="{html.escape(code)}"></label>
<button type="submit" name="decision" value="approve">Allow</button> <button type="submit" name="decision" value="deny">Deny</button></form>""")
    found["state"] = "approved" if decision == "approve" else "denied"
    return page(200, "Done", "<p>The device may go on.</p>" if decision == "approve" else "<p>The device was refused.</p>")
