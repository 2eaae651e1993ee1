#!/usr/bin/env python3
"""A person without a password and a browser at a running serve: signs in with an issuer of identities, connects a credential,
decides about a proposal that asks for one, and looks at a value. The provider is on another site, so cookies are as they are.

    oauth_story.py API-URL LINK ISSUER; the client's secret in STORY_SECRET.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from browser import Browser  # noqa: E402

api, link, issuer = sys.argv[1:4]
secret = os.environ["STORY_SECRET"]
shots = os.environ.get("AV_SHOTS")

with Browser() as b:
    def seen(name):
        if shots:
            b.screenshot(os.path.join(shots, name + ".png"))

    def pick(name, value):
        b.js("const s = document.querySelector(`select[name=${arguments[0]}]`); s.value = arguments[1]; s.dispatchEvent(new Event('change'))", name, value)

    b.open(api + "/vaults/default/credentials")
    b.wait_text("Continue with Acme")
    seen("login")
    b.click("Continue with Acme")
    b.wait_text("Agents never see a value", seconds=20)
    assert b.url == api + "/vaults/default/credentials", b.url

    b.click("Connect with a provider")
    b.wait_text("Register an application")
    seen("connect")
    pick("provider", "")
    b.fill("Key", "API_TOKEN")
    b.fill("Address where people sign in", issuer + "/authorize")
    b.fill("Address where tokens are had", issuer + "/token")
    b.fill("Client ID", "post")
    b.fill("Client secret", secret)
    b.fill("Scopes (optional)", "read")
    b.click("Connect")
    b.wait_text("It opens in a new tab")
    seen("go")
    b.click("Continue at " + issuer.split("//")[1])
    b.wait_text("API_TOKEN is connected", seconds=20)
    b.wait_text("token ends")
    seen("connected")

    b.open(link)
    b.wait_text("Before and after")
    b.fill("Client secret", secret)
    seen("slot")
    b.click("Connect SLOT")
    b.click("Continue at " + issuer.split("//")[1])
    b.wait_text("It is stored when you allow this", seconds=20)
    seen("slot-connected")
    for _ in range(8):
        if "can go on" in b.text:
            break
        b.click("Allow")
        try:
            b.wait_text("can go on", seconds=2)
        except AssertionError:
            pass
    b.wait_text("can go on")

    b.open(api + "/vaults/default/credentials")
    b.wait_text("SLOT")
    b.click("Reveal PLAIN")
    b.wait_text("You have no password here")
    seen("confirm")
    b.click("Continue at " + issuer.split("//")[1])
    b.wait_text("plain-value", seconds=20)
    b.open(api + "/oauth/complete?attempt=none")
    b.wait_text("Nothing was stored")
    seen("complete")
    bad = [m for m in b.console() if m["level"] == "SEVERE" and "/v1/auth/me" not in m["message"]]
    assert not bad, bad
