#!/usr/bin/env python3
"""A person and a browser at a running serve: from the link in an agent's hands to the decision, then every view once.

    serve_story.py API-URL LINK; the password in STORY_PASSWORD, the value of the credential in STORY_VALUE.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from browser import Browser  # noqa: E402

api, link = sys.argv[1], sys.argv[2]
password, value = os.environ["STORY_PASSWORD"], os.environ["STORY_VALUE"]
shots = os.environ.get("AV_SHOTS")

with Browser() as b:
    def seen(name):
        if shots:
            b.screenshot(os.path.join(shots, name + ".png"))

    b.open(link)
    b.wait_text("Sign in to decide")
    assert "av_appr_" not in b.url, b.url
    b.fill("E-mail", "ann@example.com")
    b.fill("Password", password)
    b.click("Sign in")
    b.wait_text("Before and after")
    seen("approve")
    key = os.environ["STORY_KEY"]
    b.fill("Value of " + key, value)
    b.click("Allow less than this", "summary")
    b.fill("Path", "/headers")
    b.fill("Methods", "GET")
    seen("narrowed")
    b.wait_text("GET https://echo.test/headers")  # the account of what would change follows what is typed
    for _ in range(8):  # a click that comes too soon after a change decides nothing, on purpose
        if "can go on" in b.text:
            break
        b.click("Allow")
        try:
            b.wait_text("can go on", seconds=2)
        except AssertionError:
            pass
    b.wait_text("can go on")
    assert value not in b.js("return document.documentElement.outerHTML")
    for page, text in (("credentials", key), ("services", "echo.test"), ("rules", "ule"), ("agents", "builder"), ("log", "echo.test"),
                       ("members", "ann@example.com"), ("requests", "equest"), ("proposals", "Nothing to decide"), ("settings", "nmatched")):
        b.open(f"{api}/vaults/default/{page}")
        b.wait_text(text)
        seen(page)
        assert value not in b.js("return document.documentElement.outerHTML"), page
    bad = [m for m in b.console() if m["level"] == "SEVERE"]
    assert not bad, bad
