#!/usr/bin/env python3
"""Shows that fake_idp.py is as strict as it says, that its faults are what they are called, and that oauth_browser.py is no looser
than a browser. Each refusal stands beside the request that is accepted and differs in that one point.

    fake_idp_test.py [unittest options]
"""

import base64
import hashlib
import http.client
import http.server
import json
import os
import secrets
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import browser  # noqa: E402
import fake_idp  # noqa: E402
from idp_jose import Invalid, RsaKey, b64url, jwt_hs256, jwt_none, unb64url, verify_jwt  # noqa: E402
from idp_state import DEVICE_CODE, JWT_BEARER, sha  # noqa: E402

CALLBACK = "http://127.0.0.1:4711/callback"
FORM = "application/x-www-form-urlencoded"


def setUpModule():
    global CERTS, IDP, CONTEXT, SCRATCH
    SCRATCH = tempfile.mkdtemp(prefix="fake-idp-")
    CERTS = os.path.join(SCRATCH, "certs")
    subprocess.run([os.path.join(HERE, "make_certs.sh"), CERTS], check=True)
    IDP = fake_idp.start(CERTS, log=os.path.join(SCRATCH, "log"), issuer_paths=["/tenant/a"])
    CONTEXT = ssl.create_default_context(cafile=os.path.join(CERTS, "ca.pem"))


def tearDownModule():
    IDP.stop()
    shutil.rmtree(SCRATCH, ignore_errors=True)


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.raw = response.status, response.headers, body
        self.text = body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def error(self):
        return self.json.get("error")

    @property
    def back(self):
        """The parameters of a redirect."""
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.headers["location"]).query))


def call(method, path, form=None, host="idp.test", headers=(), body=None, clear=False, timeout=20, sni=None):
    if clear:
        connection = http.client.HTTPConnection("127.0.0.1", IDP.http, timeout=timeout)
        connection.connect()
    else:
        connection = http.client.HTTPConnection("127.0.0.1", IDP.https, timeout=timeout)
        connection.connect()
        connection.sock = CONTEXT.wrap_socket(connection.sock, server_hostname=sni or host.split(":")[0])
    fields = {"Host": host, **dict(headers)}
    if form is not None:
        body = form if isinstance(form, str) else urllib.parse.urlencode(form)
        fields.setdefault("Content-Type", FORM)
    try:
        connection.request(method, path, body, fields)
        response = connection.getresponse()
        return Answer(response, response.read())
    finally:
        connection.close()


def control(method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", IDP.control, timeout=20)
    connection.request(method, path, json.dumps(body) if body is not None else None)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.status != 200:
        raise AssertionError(text)
    return json.loads(text) if response.headers["content-type"] == "application/json" else text.decode()


def refused_control(case, method, path, body):
    with case.assertRaises(AssertionError):
        control(method, path, body)


def pkce():
    verifier = secrets.token_urlsafe(48)
    return verifier, b64url(hashlib.sha256(verifier.encode()).digest())


def basic(name, password, quote=urllib.parse.quote_plus):
    return {"Authorization": "Basic " + base64.b64encode(f"{quote(name)}:{quote(password)}".encode()).decode()}


def secret_of(client):
    return control("GET", "/clients")[client]["client_secret"]


def authorize(issuer="", host="idp.test", **asked):
    fields = {"response_type": "code", "client_id": "public", "redirect_uri": CALLBACK, "scope": "read", "state": "s1", **asked}
    fields = {name: value for name, value in fields.items() if value is not None}
    return call("GET", f"{issuer}/authorize?{urllib.parse.urlencode(fields)}", host=host)


def new_code(**asked):
    """(code, verifier)"""
    verifier, challenge = pkce()
    answer = authorize(code_challenge=challenge, code_challenge_method="S256", **asked)
    return answer.back["code"], verifier


def redeem(code, verifier, issuer="", host="idp.test", headers=(), **more):
    form = {"grant_type": "authorization_code", "client_id": "public", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier, **more}
    return call("POST", f"{issuer}/token", {name: value for name, value in form.items() if value is not None}, headers=headers, host=host)


def refresh(token, client_id="public", **more):
    return call("POST", "/token", {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token, **more})


def api(token, path="/api", host="idp.test"):
    return call("GET", path, headers={"Authorization": f"Bearer {token}"}, host=host)


class Case(unittest.TestCase):
    def setUp(self):
        control("POST", "/reset")

    def bad(self, answer, error, status=400):
        self.assertEqual((answer.status, answer.error), (status, error), answer.text)

    def good(self, answer, status=200):
        self.assertEqual(answer.status, status, answer.text)
        return answer.json


class Authorization(Case):
    def sent_back(self, error, **asked):
        answer = authorize(**asked)
        self.assertEqual(answer.status, 302, answer.text)
        self.assertEqual((answer.back["error"], answer.back["state"]), (error, "s1"))
        self.assertNotIn("code", answer.back)

    def test_consent_redirects_with_code_state_and_issuer(self):
        answer = authorize(code_challenge=pkce()[1], code_challenge_method="S256")
        self.assertTrue(answer.headers["location"].startswith(CALLBACK + "?"))
        self.assertEqual((answer.back["state"], answer.back["iss"]), ("s1", "https://idp.test"))

    def test_unknown_client_or_redirect_uri_is_never_redirected_to(self):
        for asked in ({"client_id": "nobody"}, {"redirect_uri": "https://evil.test/"}, {"redirect_uri": "https://vault.test/v1/oauth/callback/"},
                      {"redirect_uri": "https://vault.test:444/v1/oauth/callback"}, {"redirect_uri": "http://127.0.0.1:4711/other"},
                      {"redirect_uri": "http://127.0.0.1:4711/callback?x=1"}, {"redirect_uri": "http://127.0.0.1:4711/callback#x"},
                      {"redirect_uri": "https://127.0.0.1:4711/callback"}, {"redirect_uri": "http://localhost:4711/callback"},
                      {"redirect_uri": "http://127.0.0.1:4711@evil.test/callback"}, {"redirect_uri": "http://127.0.0.2:4711/callback"}, {"redirect_uri": None}):
            answer = authorize(code_challenge=pkce()[1], code_challenge_method="S256", **asked)
            self.assertEqual((answer.status, answer.headers["location"]), (400, None), asked)

    def test_loopback_redirects_match_with_any_port(self):
        for uri in ("http://127.0.0.1/callback", "http://127.0.0.1:1/callback", "http://[::1]:65535/callback", "http://localhost/callback", "https://vault.test/v1/oauth/callback"):
            self.assertEqual(authorize(code_challenge=pkce()[1], code_challenge_method="S256", redirect_uri=uri).status, 302, uri)

    def test_public_clients_need_a_challenge_and_plain_is_refused(self):
        self.sent_back("invalid_request")
        verifier, challenge = pkce()
        self.sent_back("invalid_request", code_challenge=verifier, code_challenge_method="plain")
        self.sent_back("invalid_request", code_challenge=challenge)  # no method means plain
        self.sent_back("invalid_request", code_challenge=challenge[:-1], code_challenge_method="S256")
        self.sent_back("invalid_request", code_challenge_method="S256")

    def test_other_refusals_go_back_to_the_client(self):
        with_pkce = {"code_challenge": pkce()[1], "code_challenge_method": "S256"}
        self.sent_back("unsupported_response_type", response_type="token", **with_pkce)
        self.sent_back("invalid_scope", scope="read admin", **with_pkce)
        self.sent_back("invalid_target", resource="https://x.test/#f", **with_pkce)
        control("POST", "/settings", {"consent": "deny"})
        self.sent_back("access_denied", **with_pkce)

    def test_a_parameter_twice_is_refused(self):
        answer = call("GET", "/authorize?client_id=public&response_type=code&state=a&state=b&redirect_uri=" + urllib.parse.quote(CALLBACK))
        self.assertEqual(answer.status, 400)

    def test_state_and_issuer_can_be_made_wrong(self):
        asked = {"code_challenge": pkce()[1], "code_challenge_method": "S256"}
        control("POST", "/settings", {"state": "wrong", "iss": "wrong"})
        back = authorize(**asked).back
        self.assertNotEqual(back["state"], "s1")
        self.assertEqual(back["iss"], "https://other-issuer.test")
        control("POST", "/settings", {"state": "drop", "iss": "none"})
        self.assertEqual(set(authorize(**asked).back), {"code"})


class Codes(Case):
    def test_a_code_gives_tokens_that_work(self):
        answer = redeem(*new_code())
        found = self.good(answer)
        self.assertEqual((found["token_type"], found["expires_in"], found["scope"]), ("Bearer", 3600, "read"))
        self.assertEqual(answer.headers["cache-control"], "no-store")
        self.assertEqual(self.good(api(found["access_token"]))["token_sha256"], sha(found["access_token"]))

    def test_the_verifier_must_match(self):
        code, _ = new_code()
        self.bad(redeem(code, pkce()[0]), "invalid_grant")
        code, _ = new_code()
        self.bad(redeem(code, None), "invalid_grant")
        code, _ = new_code()
        self.bad(redeem(code, "short"), "invalid_grant")

    def test_a_code_that_failed_once_is_spent(self):
        code, verifier = new_code()
        self.bad(redeem(code, pkce()[0]), "invalid_grant")
        self.bad(redeem(code, verifier), "invalid_grant")

    def test_a_confidential_client_is_checked_when_it_sent_a_challenge(self):
        post = {"client_id": "post", "client_secret": secret_of("post")}
        code, verifier = new_code(client_id="post")
        self.bad(redeem(code, pkce()[0], **post), "invalid_grant")
        code, verifier = new_code(client_id="post")
        self.good(redeem(code, verifier, **post))
        code = authorize(client_id="post").back["code"]
        self.good(redeem(code, None, **post))
        code = authorize(client_id="post").back["code"]
        self.bad(redeem(code, verifier, **post), "invalid_grant")  # a verifier that nothing asked for: downgrade

    def test_a_code_used_twice_revokes_what_it_gave(self):
        code, verifier = new_code()
        first = self.good(redeem(code, verifier))
        self.good(api(first["access_token"]))
        self.bad(redeem(code, verifier), "invalid_grant")
        self.assertEqual(api(first["access_token"]).status, 401)
        self.bad(refresh(first["refresh_token"]), "invalid_grant")
        counters = control("GET", "/counters")
        self.assertEqual((counters["codes_reused"], counters["families_revoked"]), (1, 1))

    def test_redirect_uri_must_be_the_same(self):
        for uri in (None, "http://127.0.0.1:4712/callback", "http://127.0.0.1/callback"):
            self.bad(redeem(*new_code(), redirect_uri=uri), "invalid_grant")

    def test_a_redirect_uri_that_was_left_out_may_be_left_out_again(self):
        control("POST", "/clients", {"client_id": "one", "redirect_uris": ["https://vault.test/cb"]})
        for uri, status in ((None, 200), ("https://vault.test/cb", 200), (CALLBACK, 400)):
            code, verifier = new_code(client_id="one", redirect_uri=None)
            self.assertEqual(redeem(code, verifier, client_id="one", redirect_uri=uri).status, status)

    def test_a_code_belongs_to_its_client_and_issuer(self):
        code, verifier = new_code()
        self.bad(redeem(code, verifier, client_id="post", client_secret=secret_of("post")), "invalid_grant")
        self.bad(redeem(code, verifier, issuer="/tenant/a"), "invalid_grant")
        self.bad(redeem(code, verifier, host="two.idp.test"), "invalid_grant")
        self.good(redeem(code, verifier))

    def test_a_code_lives_a_minute(self):
        code, verifier = new_code()
        control("POST", "/clock", {"advance": 45})
        self.good(redeem(code, verifier))
        code, verifier = new_code()
        control("POST", "/clock", {"advance": 61})
        self.bad(redeem(code, verifier), "invalid_grant")

    def test_the_resource_is_the_one_that_was_granted(self):
        code, verifier = new_code(resource="https://idp.test/mcp", scope="mcp")
        self.bad(redeem(code, verifier, resource="https://idp.test/other"), "invalid_target")
        code, verifier = new_code(resource="https://idp.test/mcp", scope="mcp")
        value = self.good(redeem(code, verifier, resource="https://idp.test/mcp"))["access_token"]
        self.assertEqual(call("POST", "/mcp", body='{"jsonrpc":"2.0","id":7}', headers={"Authorization": f"Bearer {value}"}).json["id"], 7)
        other = self.good(redeem(*new_code(scope="mcp")))["access_token"]
        self.assertEqual(call("POST", "/mcp", body="{}", headers={"Authorization": f"Bearer {other}"}).status, 401)


class ClientAuthentication(Case):
    def redeem_as(self, name, auth, **form):
        code, verifier = new_code(client_id=name)
        return redeem(code, verifier, headers=auth, **{"client_id": None, **form})

    def test_exactly_the_registered_method(self):
        post, plain = secret_of("post"), secret_of("basic")
        self.good(self.redeem_as("post", {}, client_id="post", client_secret=post))
        self.good(self.redeem_as("basic", basic("basic", plain)))
        self.bad(self.redeem_as("post", basic("post", post)), "invalid_client", 401)
        self.bad(self.redeem_as("basic", {}, client_id="basic", client_secret=plain), "invalid_client", 401)
        self.bad(self.redeem_as("basic", {}, client_id="basic"), "invalid_client", 401)
        self.bad(self.redeem_as("public", {}, client_id="public", client_secret="x"), "invalid_client", 401)
        self.bad(self.redeem_as("public", basic("public", "")), "invalid_client", 401)
        self.bad(self.redeem_as("public", {}), "invalid_client", 401)

    def test_wrong_secrets(self):
        self.bad(self.redeem_as("post", {}, client_id="post", client_secret="wrong"), "invalid_client", 401)
        answer = self.redeem_as("basic", basic("basic", "wrong"))
        self.bad(answer, "invalid_client", 401)
        self.assertTrue(answer.headers["www-authenticate"].startswith("Basic "))

    def test_basic_is_form_encoded_before_base64(self):
        for name in ("basic", "ba:s ic+%"):
            secret = secret_of(name)
            self.good(self.redeem_as(name, basic(name, secret)))
            self.good(self.redeem_as(name, basic(name, secret, lambda text: urllib.parse.quote(text, safe=""))))
            self.bad(self.redeem_as(name, basic(name, secret, lambda text: text)), "invalid_client", 401)
        self.assertTrue(control("GET", "/requests?endpoint=token")[-1]["basic_not_encoded"])

    def test_two_ways_at_once_are_refused(self):
        self.bad(self.redeem_as("basic", basic("basic", secret_of("basic")), client_secret=secret_of("basic")), "invalid_request")
        self.bad(self.redeem_as("basic", basic("basic", secret_of("basic")), client_id="post"), "invalid_client", 401)

    def test_requests_are_posts_of_forms(self):
        form = {"grant_type": "client_credentials", "client_id": "service-post", "client_secret": secret_of("service-post")}
        self.good(call("POST", "/token", form))
        self.bad(call("GET", "/token?" + urllib.parse.urlencode(form)), "invalid_request", 405)
        self.bad(call("POST", "/token?" + urllib.parse.urlencode(form), {}), "invalid_request")
        self.bad(call("POST", "/token", body=json.dumps(form), headers={"Content-Type": "application/json"}), "invalid_request")
        self.bad(call("POST", "/token", urllib.parse.urlencode(form) + "&scope=read&scope=write"), "invalid_request")
        self.bad(call("POST", "/token", urllib.parse.urlencode(form) + "&scope=%zz"), "invalid_request")
        self.bad(call("POST", "/token", {**form, "grant_type": "password"}), "unsupported_grant_type")
        self.bad(call("POST", "/token", {**form, "grant_type": "refresh_token", "refresh_token": "x"}), "unauthorized_client")

    def test_client_credentials_are_for_confidential_clients_and_known_scopes(self):
        form = {"grant_type": "client_credentials", "scope": "read"}
        found = self.good(call("POST", "/token", form, headers=basic("service", secret_of("service"))))
        self.assertNotIn("refresh_token", found)
        self.bad(call("POST", "/token", {**form, "scope": "admin"}, headers=basic("service", secret_of("service"))), "invalid_scope")
        self.bad(call("POST", "/token", {**form, "client_id": "public"}), "unauthorized_client")


class Refreshing(Case):
    def test_rotation_and_reuse_that_revokes_the_family(self):
        first = self.good(redeem(*new_code()))
        second = self.good(refresh(first["refresh_token"]))
        third = self.good(refresh(second["refresh_token"]))
        self.assertEqual(len({one["refresh_token"] for one in (first, second, third)}), 3)
        self.good(api(third["access_token"]))
        self.bad(refresh(first["refresh_token"]), "invalid_grant")
        self.bad(refresh(third["refresh_token"]), "invalid_grant")
        self.assertEqual(api(third["access_token"]).status, 401)
        counters = control("GET", "/counters")
        self.assertEqual((counters["refreshes"], counters["reuse_detections"], counters["families_revoked"]), ({"f1": 2}, 1, 1))

    def test_two_at_once_with_one_token_are_reuse(self):
        token = control("POST", "/tokens", {"client_id": "public", "scope": "read"})["refresh_token"]
        statuses = []
        threads = [threading.Thread(target=lambda: statuses.append(refresh(token).status)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(statuses), [200, 400, 400, 400])
        self.assertEqual(control("GET", "/counters")["families_revoked"], 1)

    def test_grace_when_the_client_has_one(self):
        control("POST", "/clients", {"client_id": "lenient", "refresh_grace_seconds": 10})
        token = control("POST", "/tokens", {"client_id": "lenient"})["refresh_token"]
        self.good(refresh(token, "lenient"))
        self.good(refresh(token, "lenient"))
        control("POST", "/clock", {"advance": 11})
        self.bad(refresh(token, "lenient"), "invalid_grant")
        self.assertEqual(control("GET", "/counters")["reuse_detections"], 1)

    def test_other_ways_of_refresh_tokens(self):
        for how, has in (("keep", False), ("same", True), ("none", False)):
            control("POST", "/clients", {"client_id": how, "refresh": how, "redirect_uris": ["http://127.0.0.1/callback"]})
        first = self.good(redeem(*new_code(client_id="keep"), client_id="keep"))["refresh_token"]
        self.assertNotIn("refresh_token", self.good(refresh(first, "keep")))
        self.good(refresh(first, "keep"))
        first = self.good(redeem(*new_code(client_id="same"), client_id="same"))["refresh_token"]
        self.assertEqual(self.good(refresh(first, "same"))["refresh_token"], first)
        self.assertNotIn("refresh_token", self.good(redeem(*new_code(client_id="none"), client_id="none")))

    def test_a_refresh_token_belongs_to_its_client_issuer_and_scope(self):
        control("POST", "/clients", {"client_id": "other"})
        token = control("POST", "/tokens", {"client_id": "public", "scope": "read write"})["refresh_token"]
        self.bad(refresh(token, "other"), "invalid_grant")
        self.bad(call("POST", "/token", {"grant_type": "refresh_token", "client_id": "public", "refresh_token": token}, host="two.idp.test"), "invalid_grant")
        self.bad(refresh(token, scope="read email"), "invalid_scope")
        self.assertEqual(self.good(refresh(token, scope="read"))["scope"], "read")
        self.assertEqual(control("GET", "/counters")["reuse_detections"], 0)

    def test_an_access_token_is_no_refresh_token_and_the_other_way_round(self):
        found = control("POST", "/tokens", {"client_id": "public"})
        self.bad(refresh(found["access_token"]), "invalid_grant")
        self.assertEqual(api(found["refresh_token"]).status, 401)

    def test_refresh_tokens_end_too(self):
        control("POST", "/clients", {"client_id": "brief", "refresh_token_seconds": 30})
        token = control("POST", "/tokens", {"client_id": "brief"})["refresh_token"]
        control("POST", "/clock", {"advance": 31})
        self.bad(refresh(token, "brief"), "invalid_grant")

    def test_old_access_tokens_can_end_with_a_refresh(self):
        control("POST", "/clients", {"client_id": "tight", "refresh_revokes_access": True})
        found = control("POST", "/tokens", {"client_id": "tight"})
        self.good(api(found["access_token"]))
        fresh = self.good(refresh(found["refresh_token"], "tight"))
        self.assertEqual(api(found["access_token"]).status, 401)
        self.good(api(fresh["access_token"]))


class Devices(Case):
    def begin(self, client="device"):
        return self.good(call("POST", "/device_authorization", {"client_id": client, "scope": "read"}))

    def poll(self, device, client="device"):
        return call("POST", "/token", {"grant_type": DEVICE_CODE, "client_id": client, "device_code": device["device_code"]})

    def quick(self, name="quick", **more):
        control("POST", "/clients", {"client_id": name, "grants": [DEVICE_CODE, "refresh_token"], "device_interval": 0, **more})
        return self.begin(name)

    def test_pending_then_approved_once(self):
        device = self.quick()
        self.assertIn("user_code=", device["verification_uri_complete"])
        self.bad(self.poll(device, "quick"), "authorization_pending")
        page = call("GET", urllib.parse.urlsplit(device["verification_uri_complete"]).path + "?user_code=" + device["user_code"].lower().replace("-", ""))
        self.assertEqual(page.status, 200)
        self.assertIn("refresh_token", self.good(self.poll(device, "quick")))
        self.bad(self.poll(device, "quick"), "invalid_grant")

    def test_polling_too_fast_is_told_so_and_slows_down(self):
        control("POST", "/clients", {"client_id": "fast", "grants": [DEVICE_CODE], "device_interval": 3, "slow_down_seconds": 60})
        device = self.begin("fast")
        self.assertEqual(device["interval"], 3)
        self.bad(self.poll(device, "fast"), "authorization_pending")
        control("POST", "/device", {"decision": "approve"})
        self.bad(self.poll(device, "fast"), "slow_down")
        time.sleep(3.1)  # enough before, not any more
        self.bad(self.poll(device, "fast"), "slow_down")
        self.assertEqual(control("GET", "/counters")["slow_downs"], 2)

    def test_polling_at_the_interval_is_fine(self):
        device = self.begin()
        self.bad(self.poll(device), "authorization_pending")
        time.sleep(1.05)
        self.bad(self.poll(device), "authorization_pending")

    def test_denied_and_expired(self):
        device = self.quick()
        control("POST", "/device", {"decision": "deny", "user_code": device["user_code"]})
        self.bad(self.poll(device, "quick"), "access_denied")
        device = self.quick("slowpoke", device_seconds=30)
        control("POST", "/clock", {"advance": 31})
        self.bad(self.poll(device, "slowpoke"), "expired_token")
        self.assertEqual(call("GET", "/device?user_code=" + device["user_code"]).status, 404)

    def test_a_device_code_belongs_to_its_client(self):
        device = self.quick()
        control("POST", "/clients", {"client_id": "other", "grants": [DEVICE_CODE]})
        self.bad(self.poll(device, "other"), "invalid_grant")
        self.bad(call("POST", "/device_authorization", {"client_id": "public"}), "unauthorized_client")
        self.bad(call("POST", "/device_authorization", {"client_id": "nobody"}), "invalid_client", 401)

    def test_the_interval_may_be_left_out(self):
        control("POST", "/clients", {"client_id": "silent", "grants": [DEVICE_CODE], "device_interval": None})
        self.assertNotIn("interval", self.begin("silent"))


class Assertions(Case):
    def setUp(self):
        super().setUp()
        if not hasattr(Assertions, "key"):
            Assertions.key, Assertions.stranger = RsaKey.generate(), RsaKey.generate()
        control("POST", "/jwt-issuers", {"iss": "robot@idp.test", "public_key": self.key.public_pem, "subjects": ["ann@example.com"]})

    def claims(self, **more):
        now = int(time.time())
        found = {"iss": "robot@idp.test", "aud": "https://idp.test/token", "iat": now, "exp": now + 3600, "scope": "read", **more}
        return {name: value for name, value in found.items() if value is not None}

    def present(self, assertion):
        return call("POST", "/token", {"grant_type": JWT_BEARER, "assertion": assertion})

    def test_a_signed_assertion_gives_a_token_without_refresh(self):
        found = self.good(self.present(self.key.jwt(self.claims())))
        self.assertEqual((found["scope"], "refresh_token" in found), ("read", False))
        self.good(api(found["access_token"]))
        self.good(self.present(self.key.jwt(self.claims(aud="https://idp.test", sub="ann@example.com"))))

    def test_claims_that_are_refused(self):
        now = int(time.time())
        for claims in ({"aud": "https://other.test/token"}, {"aud": None}, {"iss": "nobody@idp.test"}, {"exp": now - 1}, {"exp": None}, {"iat": None},
                       {"exp": now + 3601 + 30}, {"iat": now + 60, "exp": now + 120}, {"iat": now - 60, "exp": now + 3600 - 1}, {"nbf": now + 60}, {"exp": str(now + 60)}):
            self.bad(self.present(self.key.jwt(self.claims(**claims))), "invalid_grant")
        self.bad(self.present(self.key.jwt(self.claims(sub="boss@example.com"))), "unauthorized_client")

    def test_signatures_that_are_refused(self):
        self.bad(self.present(self.stranger.jwt(self.claims(), {"kid": self.key.kid})), "invalid_grant")
        self.bad(self.present(self.key.jwt(self.claims(), {"kid": "other"})), "invalid_grant")
        self.bad(self.present(self.key.jwt(self.claims(), {"alg": "RS384"})), "invalid_grant")
        self.bad(self.present(self.key.jwt(self.claims(), {"crit": ["b64"]})), "invalid_grant")
        self.bad(self.present(jwt_none(self.claims())), "invalid_grant")
        self.bad(self.present(jwt_hs256(self.claims(), self.key.public_pem)), "invalid_grant")
        head, body, signature = self.key.jwt(self.claims()).split(".")
        self.bad(self.present(f"{head}.{body}."), "invalid_grant")
        self.bad(self.present(f"{head}.{body}.{signature}="), "invalid_grant")
        self.bad(self.present(f"{head}.{b64url(json.dumps(self.claims(scope='write')))}.{signature}"), "invalid_grant")
        self.good(self.present(f"{head}.{body}.{signature}"))

    def test_jti_once(self):
        assertion = self.key.jwt(self.claims(jti="one"))
        self.good(self.present(assertion))
        self.bad(self.present(assertion), "invalid_grant")

    def test_openssl_agrees_about_signatures(self):
        text, signature, key = (os.path.join(SCRATCH, name) for name in ("text", "signature", "key.pem"))
        with open(key, "w", encoding="ascii") as file:
            file.write(self.key.pkcs8)
        head, body, ours = self.key.jwt({"a": 1}).split(".")
        for name, data in ((text, f"{head}.{body}".encode()), (signature, unb64url(ours))):
            with open(name, "wb") as file:
                file.write(data)
        subprocess.run(["openssl", "dgst", "-sha256", "-prverify", key, "-signature", signature, text], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["openssl", "dgst", "-sha256", "-sign", key, "-out", signature, text], check=True)
        with open(signature, "rb") as file:
            self.assertEqual(verify_jwt(f"{head}.{body}.{b64url(file.read())}", {self.key.kid: self.key}), {"a": 1})

    def test_a_service_account_file(self):
        account = control("POST", "/service-accounts", {"client_email": "sa@idp.test"})
        self.assertIn("BEGIN PRIVATE KEY", account["private_key"])
        self.assertEqual(RsaKey.from_public_pem(account["private_key"]).kid, account["private_key_id"])

    def test_github_apps(self):
        app = control("POST", "/github-apps", {"app_id": 7, "installations": [42]})
        self.assertIn("BEGIN RSA PRIVATE KEY", app["private_key"])
        key = IDP.state.github_apps["7"]["key"]
        now = int(time.time())

        def ask(claims, installation=42, signer=key, agent="test", **header):
            headers = {"Authorization": "Bearer " + signer.jwt({"iss": "7", "iat": now - 60, "exp": now + 540, **claims}, header)}
            return call("POST", f"/app/installations/{installation}/access_tokens", headers={**headers, **({"User-Agent": agent} if agent else {})}, host="api.github.com")
        found = self.good(ask({}), 201)
        self.assertTrue(found["token"].startswith("ghs_"))
        self.assertLess(abs(time.mktime(time.strptime(found["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone - now - 3600), 5)
        self.assertEqual(api(found["token"], "/user", "api.github.com").status, 200)
        self.assertEqual(call("GET", "/user", host="api.github.com", headers={"Authorization": f"token {found['token']}"}).status, 200)
        self.assertEqual(ask({"iss": 7}).status, 201)
        for claims in ({"exp": now + 660}, {"exp": now - 1}, {"iat": now + 60}, {"iss": "8"}):
            self.assertEqual(ask(claims).status, 401, claims)
        self.assertEqual(ask({}, signer=self.stranger).status, 401)
        self.assertEqual(ask({}, signer=self.stranger, kid=key.kid).status, 401)
        self.assertEqual(ask({}, installation=43).status, 404)
        self.assertEqual(ask({}, agent=None).status, 403)


class Lifetimes(Case):
    def test_access_tokens_end_by_the_clock_and_on_command(self):
        control("POST", "/clients", {"client_id": "short", "access_token_seconds": 30})
        for end in (lambda: control("POST", "/clock", {"advance": 31}), lambda: control("POST", "/expire", {})):
            found = control("POST", "/tokens", {"client_id": "short"})
            self.good(api(found["access_token"]))
            end()
            answer = api(found["access_token"])
            self.bad(answer, "invalid_token", 401)
            self.assertIn('error="invalid_token"', answer.headers["www-authenticate"])
            self.assertEqual(control("GET", "/counters")["api"][sha(found["access_token"])], {"ok": 1, "denied": 1})
            self.good(refresh(found["refresh_token"], "short"))

    def test_how_the_lifetime_is_told(self):
        for how, want in (("omit", None), ("string", "3600"), ("negative", -3600), ({"literal": 1e300}, 1e300), ({"literal": None}, None)):
            control("POST", "/clients", {"client_id": "told", "expires_in": how})
            found = self.good(refresh(control("POST", "/tokens", {"client_id": "told"})["refresh_token"], "told"))
            self.assertEqual(found.get("expires_in"), want)
            self.assertEqual("expires_in" in found, how != "omit")

    def test_without_a_token_there_is_a_challenge_without_error(self):
        answer = call("GET", "/api")
        self.assertEqual((answer.status, answer.headers["www-authenticate"]), (401, 'Bearer realm="idp"'))
        self.assertIn('resource_metadata="https://idp.test/.well-known/oauth-protected-resource/mcp"', call("POST", "/mcp").headers["www-authenticate"])

    def test_scope_of_a_resource(self):
        value = control("POST", "/tokens", {"client_id": "public", "scope": "read"})["access_token"]
        self.good(api(value, "/api?scope=read"))
        self.bad(api(value, "/api?scope=write"), "insufficient_scope", 403)

    def test_revocation(self):
        found = control("POST", "/tokens", {"client_id": "public"})
        self.good(api(found["access_token"]))
        control("POST", "/clients", {"client_id": "other"})
        self.bad(call("POST", "/revoke", {"client_id": "other", "token": found["refresh_token"]}), "invalid_grant")
        self.bad(call("POST", "/revoke", {"client_id": "nobody", "token": found["refresh_token"]}), "invalid_client", 401)
        self.assertEqual(call("POST", "/revoke", {"client_id": "public", "token": "unknown"}).status, 200)
        self.assertEqual(call("POST", "/revoke", {"client_id": "public", "token": found["refresh_token"]}).status, 200)
        self.assertEqual(api(found["access_token"]).status, 401)
        self.bad(refresh(found["refresh_token"]), "invalid_grant")

    def test_introspection(self):
        found, auth = control("POST", "/tokens", {"client_id": "public", "scope": "read"}), basic("service", secret_of("service"))
        self.assertEqual(call("POST", "/introspect", {"token": found["access_token"]}, headers=auth).json["scope"], "read")
        control("POST", "/revoke", {"client_id": "public"})
        self.assertEqual(call("POST", "/introspect", {"token": found["access_token"]}, headers=auth).json, {"active": False})
        self.bad(call("POST", "/introspect", {"token": found["access_token"]}), "invalid_client", 401)


class Discovery(Case):
    def test_both_documents_of_both_issuers(self):
        for issuer, paths in (("https://idp.test", ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")),
                              ("https://idp.test/tenant/a", ("/.well-known/oauth-authorization-server/tenant/a", "/.well-known/openid-configuration/tenant/a",
                                                             "/tenant/a/.well-known/openid-configuration"))):
            for path in paths:
                found = self.good(call("GET", path))
                self.assertEqual((found["issuer"], found["token_endpoint"]), (issuer, issuer + "/token"))
        self.assertEqual(call("GET", "/.well-known/oauth-authorization-server/tenant/b").status, 404)
        self.assertEqual(call("GET", "/.well-known/openid-configuration", host="two.idp.test:8443").json["issuer"], "https://two.idp.test:8443")

    def test_documents_can_be_changed_or_missing(self):
        control("POST", "/settings", {"metadata": {"issuer": "https://evil.test", "jwks_uri": None}, "well_known": ["oidc"]})
        found = self.good(call("GET", "/.well-known/openid-configuration"))
        self.assertEqual((found["issuer"], "jwks_uri" in found), ("https://evil.test", False))
        self.assertEqual(call("GET", "/.well-known/oauth-authorization-server").status, 404)

    def test_protected_resource_metadata(self):
        for path, issuer in (("", "https://idp.test"), ("/mcp", "https://idp.test"), ("/tenant/a/mcp", "https://idp.test/tenant/a")):
            found = self.good(call("GET", "/.well-known/oauth-protected-resource" + path))
            self.assertEqual((found["resource"], found["authorization_servers"]), (issuer + "/mcp", [issuer]))
        self.assertEqual(call("GET", "/.well-known/oauth-protected-resource/other").status, 404)
        control("POST", "/settings", {"resource_metadata_at": ["root"], "resource_metadata": {"resource": "https://evil.test/"}})
        self.assertEqual(call("GET", "/.well-known/oauth-protected-resource/mcp").status, 404)
        self.assertEqual(call("GET", "/.well-known/oauth-protected-resource").json["resource"], "https://evil.test/")

    def test_other_hosts_are_misdirected(self):
        for options in ({"host": "evil.test", "sni": "idp.test"}, {"host": "two.idp.test", "sni": "idp.test"}):
            self.assertEqual(call("GET", "/jwks", **options).status, 421)
        self.assertEqual(call("GET", "/jwks", host="127.0.0.1", clear=True).status, 200)

    def test_registration(self):
        def register(body, **headers):
            return call("POST", "/register", body=json.dumps(body), headers={"Content-Type": "application/json", **headers})
        found = self.good(register({"redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none", "client_name": "X", "scope": "read",
                                    "grant_types": ["authorization_code", "refresh_token"]}), 201)
        self.assertNotIn("client_secret", found)
        code, verifier = new_code(client_id=found["client_id"])
        self.good(redeem(code, verifier, client_id=found["client_id"]))
        self.assertEqual(self.good(register({"redirect_uris": ["https://a.test/cb"]}), 201)["token_endpoint_auth_method"], "client_secret_basic")
        for uris in ([], ["http://a.test/cb"], ["https://a.test/cb#x"], ["javascript:alert(1)"], "https://a.test/cb", [7]):
            self.bad(register({"redirect_uris": uris}), "invalid_redirect_uri")
        for extra in ({"grant_types": ["password"]}, {"response_types": ["token"]}, {"token_endpoint_auth_method": "private_key_jwt"}, {"client_name": 1}):
            self.bad(register({"redirect_uris": ["https://a.test/cb"], **extra}), "invalid_client_metadata")
        self.bad(call("POST", "/register", {"redirect_uris": "https://a.test/cb"}), "invalid_client_metadata")
        where, auth = urllib.parse.urlsplit(found["registration_client_uri"]).path, {"Authorization": "Bearer " + found["registration_access_token"]}
        self.assertEqual(call("DELETE", where, headers={"Authorization": "Bearer wrong"}).status, 401)
        self.assertEqual(call("DELETE", where, headers=auth).status, 204)
        self.assertEqual(authorize(client_id=found["client_id"]).status, 400)
        control("POST", "/settings", {"registration": "token", "registration_token": "initial"})
        self.assertEqual(register({"redirect_uris": ["https://a.test/cb"]}).status, 401)
        self.assertEqual(register({"redirect_uris": ["https://a.test/cb"]}, Authorization="Bearer initial").status, 201)
        control("POST", "/settings", {"registration": "off"})
        self.assertNotIn("registration_endpoint", call("GET", "/.well-known/openid-configuration").json)


class Login(Case):
    def claims(self, keys=None, **asked):
        found = self.good(redeem(*new_code(scope="openid email", nonce="n1", **asked)))
        jwks = call("GET", "/jwks").json["keys"]
        number = lambda text: int.from_bytes(unb64url(text), "big")
        keys = {key["kid"]: RsaKey(number(key["n"]), number(key["e"])) for key in jwks}
        return found, verify_jwt(found["id_token"], keys)

    def test_id_token_and_userinfo(self):
        control("POST", "/settings", {"user": {"sub": "u7", "email": "bob@corp.test", "email_verified": True, "hd": "corp.test"}})
        found, claims = self.claims()
        self.assertEqual([claims[name] for name in ("iss", "aud", "sub", "nonce", "email", "hd")], ["https://idp.test", "public", "u7", "n1", "bob@corp.test", "corp.test"])
        self.assertEqual(claims["at_hash"], b64url(hashlib.sha256(found["access_token"].encode()).digest()[:16]))
        self.assertEqual(self.good(api(found["access_token"], "/userinfo"))["email"], "bob@corp.test")
        other = control("POST", "/tokens", {"client_id": "public", "scope": "read"})
        self.assertEqual(api(other["access_token"], "/userinfo").status, 403)
        again = self.good(refresh(found["refresh_token"]))
        self.assertNotIn("nonce", json.loads(unb64url(again["id_token"].split(".")[1])))

    def test_id_tokens_that_are_wrong(self):
        for how in ("none", "HS256", "other_key", "bad_signature"):
            control("POST", "/settings", {"id_token": {"sign": how}})
            with self.assertRaises(Invalid):
                self.claims()
        control("POST", "/settings", {"id_token": {"claims": {"aud": "other", "nonce": None}}})
        claims = self.claims()[1]
        self.assertEqual((claims["aud"], "nonce" in claims), ("other", False))

    def test_key_rotation(self):
        first = call("GET", "/jwks").json["keys"]
        control("POST", "/keys/rotate", {"keep_old": True})
        self.assertEqual([key["kid"] for key in call("GET", "/jwks").json["keys"]][1:], [key["kid"] for key in first])
        self.claims()
        control("POST", "/keys/rotate", {"keep_old": False})
        self.assertEqual(len(call("GET", "/jwks").json["keys"]), 1)


class Styles(Case):
    def test_github_says_200_to_everything_and_answers_forms_unless_asked(self):
        post, json_please = {"client_id": "github", "client_secret": secret_of("github")}, {"Accept": "application/json"}
        found = self.good(redeem("wrong", None, headers=json_please, **post))
        self.assertEqual(found["error"], "bad_verification_code")
        code, verifier = new_code(client_id="github", scope="read,write")
        answer = redeem(code, verifier, **post)
        self.assertIn("access_token=", answer.text)
        self.assertEqual(dict(urllib.parse.parse_qsl(answer.text))["scope"], "read,write")
        self.assertEqual(redeem("x", None, headers=json_please, **{**post, "client_secret": "no"}).json["error"], "incorrect_client_credentials")

    def test_slack_says_ok_or_not(self):
        for client in ("slack", "slack-user"):
            post = {"client_id": client, "client_secret": secret_of(client)}
            self.assertEqual(self.good(redeem("wrong", None, **post)), {"ok": False, "error": "invalid_code"})
            found = self.good(redeem(authorize(client_id=client).back["code"], None, **post))
            inner = found if client == "slack" else found["authed_user"]
            self.assertEqual((found["ok"], inner["token_type"]), (True, "bot" if client == "slack" else "user"))
            self.assertEqual("access_token" in found, client == "slack")
            self.good(api(inner["access_token"]))

    def test_addresses_of_providers(self):
        verifier, challenge = pkce()
        query = urllib.parse.urlencode({"client_id": "public", "response_type": "code", "redirect_uri": CALLBACK, "scope": "read", "code_challenge": challenge,
                                        "code_challenge_method": "S256"})
        code = call("GET", "/o/oauth2/v2/auth?" + query, host="accounts.google.com").back["code"]
        form = {"grant_type": "authorization_code", "client_id": "public", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}
        self.good(call("POST", "/token", form, host="oauth2.googleapis.com"))


class Faults(Case):
    def ask(self, timeout=20):
        token = control("POST", "/tokens", {"client_id": "public", "scope": "read"})["refresh_token"]
        form = {"grant_type": "refresh_token", "client_id": "public", "refresh_token": token}
        return token, lambda: call("POST", "/token", form, timeout=timeout)

    def once(self, fault):
        control("POST", "/next", fault)
        return self.ask()[1]()

    def test_instead_of_an_answer(self):
        self.assertEqual(self.once({"kind": "error_200"}).json["error"], "bad_verification_code")
        self.assertEqual(self.once({"kind": "slack_error"}).json["ok"], False)
        self.bad(self.once({"kind": "error", "error": "temporarily_unavailable"}), "temporarily_unavailable")
        self.assertEqual(self.once({"kind": "status"}).status, 500)
        answer = self.once({"kind": "status", "status": 503, "retry_after": 2})
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "2"))
        self.assertIn("text/html", self.once({"kind": "html"}).headers["content-type"])
        self.assertEqual(self.once({"kind": "redirect_loop"}).headers["location"], "https://idp.test/token")
        answer = self.once({"kind": "redirect", "to": "https://evil.idp.test/token", "status": 307})
        self.assertEqual((answer.status, answer.headers["location"]), (307, "https://evil.idp.test/token"))
        self.assertGreater(len(self.once({"kind": "huge", "mib": 3}).raw), 3 << 20)
        self.assertGreater(len(self.once({"kind": "huge", "mib": 3, "chunked": True}).raw), 3 << 20)
        for fault in ({"kind": "garbage"}, {"kind": "empty"}):
            with self.assertRaises(ValueError):
                _ = self.once(fault).json
        self.assertIn("[[[", self.once({"kind": "deep"}).text)
        self.assertEqual(self.once({"kind": "twins"}).text.count("access_token"), 2)
        self.assertEqual(self.once({"kind": "body", "body": "{}", "status": 201}).status, 201)
        with self.assertRaises((http.client.HTTPException, OSError)):
            self.once({"kind": "drop"})
        self.assertEqual(control("GET", "/counters")["refreshes_total"], 0)

    def test_answers_that_are_changed(self):
        self.assertNotIn("expires_in", self.once({"kind": "no_expires_in"}).json)
        self.assertEqual(self.once({"kind": "expires_in", "value": "soon"}).json["expires_in"], "soon")
        self.assertNotIn("access_token", self.once({"kind": "missing_access_token"}).json)
        self.assertEqual(self.once({"kind": "token_type"}).json["token_type"], "mac")
        self.assertEqual(self.once({"kind": "content_type"}).headers["content-type"], "text/plain")
        self.assertIn("\r\n", self.once({"kind": "token_value", "value": "crlf"}).json["access_token"])
        self.assertIn("\0", self.once({"kind": "token_value", "value": "nul"}).json["access_token"])
        self.assertEqual(self.once({"kind": "merge", "members": {"scope": None, "a": 1}}).json["a"], 1)
        self.assertEqual(control("GET", "/counters")["refreshes_total"], 8)

    def test_the_answer_is_lost_after_the_rotation(self):
        for fault, raised in (("close", (http.client.HTTPException, OSError)), ("truncated", (http.client.IncompleteRead, OSError))):
            token, ask = self.ask()
            control("POST", "/next", {"kind": fault})
            with self.assertRaises(raised):
                ask()
            self.bad(refresh(token), "invalid_grant")  # the client's only copy is spent
        self.assertEqual(control("GET", "/counters")["reuse_detections"], 2)

    def test_an_answer_without_refresh_token_leaves_the_old_one_good(self):
        token, ask = self.ask()
        control("POST", "/next", {"kind": "no_refresh_token"})
        self.assertNotIn("refresh_token", ask().json)
        self.assertIn("refresh_token", ask().json)
        self.bad(ask(), "invalid_grant")

    def test_slow_answers(self):
        for fault in ({"kind": "slow", "seconds": 0.4}, {"kind": "slow_after", "seconds": 0.4}, {"kind": "drip", "seconds": 0.4}):
            began = time.monotonic()
            self.good(self.once(fault))
            self.assertGreaterEqual(time.monotonic() - began, 0.35)

    def test_faults_are_chosen_and_counted(self):
        control("POST", "/next", [{"kind": "status", "count": 2, "grant_type": "refresh_token"}, {"kind": "status", "status": 418, "endpoint": "jwks"}])
        self.good(redeem(*new_code()))
        ask = self.ask()[1]
        self.assertEqual([ask().status, ask().status, ask().status], [500, 500, 200])
        self.assertEqual([call("GET", "/jwks").status, call("GET", "/jwks").status], [418, 200])
        self.assertEqual(control("GET", "/next"), [])
        for broken in ({"kind": "slwo"}, {"kind": "slow"}, {"kind": "status", "statsu": 500}, {"kind": "redirect"}):
            refused_control(self, "POST", "/next", broken)
        refused_control(self, "POST", "/settings", {"consnet": "form"})
        refused_control(self, "POST", "/clients", {"client_id": "a", "lifetime": 1})


class Records(Case):
    def test_secrets_are_recorded_as_hashes_and_seen_in_urls(self):
        code, verifier = new_code()
        found = self.good(redeem(code, verifier))
        record = control("GET", "/requests?endpoint=token")[-1]
        self.assertEqual(record["form"]["code_verifier"]["sha256"], sha(verifier))
        self.assertEqual((record["secret_in_url"], record["grant_type"], record["status"], record["family"]), ([], "authorization_code", 200, "f1"))
        for path in (f"/api?access_token={found['access_token']}", f"/api/{found['access_token']}", "/api?x=" + urllib.parse.quote(found["refresh_token"])):
            self.assertEqual(call("GET", path).status, 401)
            self.assertTrue(control("GET", "/requests")[-1]["secret_in_url"], path)
        call("GET", "/api", headers={"X-Debug": found["access_token"]})
        self.assertEqual(control("GET", "/requests")[-1]["secret_in_headers"], ["x-debug"])
        known = control("GET", "/secrets").split()
        for value in (code, found["access_token"], found["refresh_token"]):
            self.assertIn(value, known)
        with open(os.path.join(SCRATCH, "log"), encoding="utf-8") as file:
            text = file.read() + json.dumps(control("GET", "/requests"))
        for value in known:
            self.assertNotIn(value, text)

    def test_waiting_for_requests(self):
        threading.Timer(0.2, lambda: call("GET", "/jwks")).start()
        self.assertEqual(len(control("GET", "/requests?endpoint=jwks&count=1&wait=10")), 1)
        control("DELETE", "/requests")
        self.assertEqual(control("GET", "/requests?count=1&wait=0.1"), [])

    def test_most_at_once(self):
        control("POST", "/next", {"kind": "slow", "seconds": 0.5, "count": 2, "endpoint": "jwks"})
        threads = [threading.Thread(target=call, args=("GET", "/jwks")) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(control("GET", "/counters")["max_in_flight"]["jwks"], 2)


class Client(http.server.BaseHTTPRequestHandler):
    """The loopback redirect of a program."""
    seen = []

    def log_message(self, *_):
        pass

    def do_GET(self):
        Client.seen.append((self.path, self.headers.get("cookie")))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>Connected</title><p>You may close this window.")


class Browser(Case):
    def setUp(self):
        super().setUp()
        Client.seen = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Client)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.callback = f"http://127.0.0.1:{self.server.server_port}/callback"

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()

    def browse(self, *options, url=None, ca="ca.pem", hosts=("idp.test",), **asked):
        _, challenge = pkce()
        query = urllib.parse.urlencode({"response_type": "code", "client_id": "public", "redirect_uri": self.callback, "state": "s1", "code_challenge": challenge,
                                        "code_challenge_method": "S256", **asked})
        resolve = [part for host in hosts for part in ("--resolve", f"{host}:443:127.0.0.1:{IDP.https}")]
        done = subprocess.run([sys.executable, os.path.join(HERE, "oauth_browser.py"), "--ca", os.path.join(CERTS, ca), *resolve, *options,
                               url or "https://idp.test/authorize?" + query], stdout=subprocess.PIPE, check=False, text=True,
                              env={name: value for name, value in os.environ.items() if name != "OAUTH_BROWSER_OPTIONS"})
        return done.returncode, json.loads(done.stdout)

    def test_straight_to_the_loopback_redirect(self):
        code, found = self.browse()
        self.assertEqual((code, found["status"], found["title"]), (0, 200, "Connected"))
        self.assertTrue(found["url"].startswith(self.callback + "?code="))
        self.assertEqual(len(Client.seen), 1)

    def test_the_form_is_answered_and_the_cookie_stays_where_it_belongs(self):
        control("POST", "/settings", {"consent": "form"})
        jar = os.path.join(SCRATCH, "jar")
        code, found = self.browse("--cookie-jar", jar)
        self.assertEqual((code, found["forms"], found["cookies"]), (0, 1, {"https://idp.test": ["idp_session"]}))
        self.assertEqual(Client.seen[0][1], None)
        code, found = self.browse("--deny")
        self.assertIn("error=access_denied", found["url"])
        code, found = self.browse("--forms", "0")
        self.assertEqual((code, found["url"].split("?")[0]), (0, "https://idp.test/authorize"))

    def test_the_form_needs_the_cookie_of_the_browser_that_got_it(self):
        control("POST", "/settings", {"consent": "form"})
        page = authorize(code_challenge=pkce()[1], code_challenge_method="S256")
        request = page.text.split('name="request" value="')[1].split('"')[0]
        cookie = page.headers["set-cookie"].split(";")[0]
        form = {"request": request, "decision": "approve"}
        self.assertEqual(call("POST", "/consent", form).status, 403)
        self.assertEqual(call("POST", "/consent", form, headers={"Cookie": cookie}).status, 302)
        self.assertEqual(call("POST", "/consent", form, headers={"Cookie": cookie}).status, 400)

    def test_stopping_before_the_redirect_leaves_the_code_unused(self):
        code, found = self.browse("--stop-at", self.callback)
        self.assertEqual((code, found["status"], len(Client.seen)), (0, 0, 0))
        self.assertIn("code=", found["url"])

    def test_what_a_browser_would_not_do(self):
        code, found = self.browse(ca="other-ca.pem")
        self.assertEqual(code, 3)
        self.assertIn("certificate verify failed", found["error"])
        code, found = self.browse(hosts=())
        self.assertIn("neither loopback nor given", found["error"])
        for fault, why in (({"kind": "redirect", "to": "http://idp.test/jwks"}, "https leads to http"), ({"kind": "redirect_loop", "count": 30}, "without end"),
                           ({"kind": "redirect", "to": "javascript:alert(1)"}, "no page")):
            control("POST", "/next", {**fault, "endpoint": "authorize"})
            code, found = self.browse("--resolve", f"idp.test:80:127.0.0.1:{IDP.http}")
            self.assertEqual(code, 3, fault)
            self.assertIn(why, found["error"])
            control("DELETE", "/next")
        code, found = self.browse(client_id="nobody")
        self.assertEqual((code, found["status"]), (1, 400))

    @unittest.skipIf(browser.missing(), "no Chromium")
    def test_a_real_browser_gets_through_the_form(self):
        control("POST", "/settings", {"consent": "form"})
        query = urllib.parse.urlencode({"response_type": "code", "client_id": "public", "redirect_uri": self.callback, "state": "s1",
                                        "code_challenge": pkce()[1], "code_challenge_method": "S256"})
        with browser.Browser() as chromium:
            chromium.open(f"http://127.0.0.1:{IDP.http}/authorize?{query}")
            chromium.click("Allow")
            chromium.wait_text("You may close this window")
        self.assertIn("code=", [path for path, _ in Client.seen if path.startswith("/callback")][0])

    def test_device_page(self):
        control("POST", "/settings", {"consent": "form"})
        device = call("POST", "/device_authorization", {"client_id": "device"}).json
        self.assertEqual(self.browse(url=device["verification_uri_complete"])[0], 0)
        self.assertEqual(control("GET", "/devices")[-1]["state"], "approved")


if __name__ == "__main__":
    unittest.main()
