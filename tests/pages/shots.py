#!/usr/bin/env python3
"""Screenshots of every view for a person to look at: shots.py DIRECTORY [light|dark|phone] [name...]"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from browser import Browser  # noqa: E402
from pages_mock import Mock, OWNER, PASSWORD  # noqa: E402

VAULT = ["requests", "proposals", "credentials", "stores", "services", "rules", "agents", "log", "members", "settings"]


def sign_in(b, mock):
    b.open(mock.url + "/login")
    b.fill("E-mail", OWNER)
    b.fill("Password", PASSWORD)
    b.click("Sign in")
    b.wait_text("New vault")


def views(b, mock):
    """(name, function that brings it up)"""
    def page(path, text):
        def go():
            b.open(mock.url + path)
            b.wait_text(text)
        return go

    def then(before, *clicks, text):
        def go():
            before()
            for name in clicks:
                b.click(name)
            b.wait_text(text)
        return go
    v = "/vaults/default/"
    yield "login", page("/login", "Sign in")
    yield "approve-signed-out", page("/approve/7?token=av_appr_good", "Sign in to decide")
    yield "approve-bad-link", page("/approve/7?token=nope", "does not work")
    yield "invite", page("/invite/av_uinv_good", "You are invited")
    yield None, lambda: sign_in(b, mock)
    yield "approve", page("/approve/7?token=av_appr_good", "Before and after")
    yield "approve-hostile", page("/approve/6?token=av_appr_good", "Before and after")
    yield "vaults", page("/", "New vault")
    mock.state.hold(170)
    mock.state.hold(25, url="https://api.github.com/repos/acme/web/merges", rule="ask-before-merge", agent="", method="PUT", body_size=0, preview="", content_type="")
    for name, text in zip(VAULT, ["Allow", "builder", "Replace", "Mapped hosts", "Recently seen", "no-deletes", "nightly", "live", "bob@", "Unmatched"]):
        yield name, page(v + name, text)
    yield "empty-services", page("/vaults/empty-one/services", "No service yet")
    yield "empty-log", page("/vaults/empty-one/log", "No request yet")
    yield "proposal", page(v + "proposals/7", "Before and after")
    yield "proposal-decided", page(v + "proposals/3", "was allowed")
    yield "dialog-catalog", then(page(v + "services", "Recently seen"), "Add a service", text="Datadog")
    yield "dialog-service", then(page(v + "services", "Recently seen"), "Change telegram", text="Placeholder")
    yield "dialog-rule", then(page(v + "rules", "no-deletes"), "Change few-large-models", text="Place in JSON")
    yield "dialog-reveal", then(page(v + "credentials", "Replace"), "Reveal GITHUB_TOKEN", text="Your password")
    stores = page(v + "stores", "Mapped hosts")
    yield "stores-empty", page("/vaults/empty-one/stores", "No store yet")
    yield "store-details", then(stores, "Details of corp", text="Refers to it")
    yield "store-pair", then(stores, "Pair a store", text="More settings")
    yield "store-test", then(stores, "Test corp", text="Not everything")
    yield "store-browse", then(stores, "Browse corp", "Look into secret/", text="OpenAI production")
    yield "store-map", then(stores, "Map a host", text="How it authenticates")
    yield "store-source", then(page(v + "credentials", "kept in"), "Keep a credential in an external store", text="Needed where several")
    yield "store-unpair", then(stores, "Unpair corp", text="stop working")
    yield "account", page("/account", "this one")
    yield "instance", page("/instance", "Open invitations")
    def test():
        page(v + "rules", "no-deletes")()
        b.fill("Method", "DELETE")
        b.fill("URL", "https://api.github.com/repos/acme/Web")
        b.wait_text("Blocked")
    yield "rule-test", test
    def token():
        page(v + "agents", "nightly")()
        b.click("New token")
        b.click("Create token")
        b.wait_text("shown once")
    yield "token-once", token
    def menu():
        page(v + "services", "Recently seen")()
        if b.js("return innerWidth < 820"):
            b.click("Menu")
    yield "menu", menu


def main():
    directory, wanted = sys.argv[1], sys.argv[2:]
    os.makedirs(directory, exist_ok=True)
    modes = [w for w in wanted if w in ("light", "dark", "phone")] or ["light", "dark", "phone"]
    names = [w for w in wanted if w not in modes]
    for mode in modes:
        mock = Mock().start()
        with Browser(*((360, 740) if mode == "phone" else (1280, 860)), dark=mode == "dark") as b:
            for name, bring in views(b, mock):
                if name and names and name not in names:
                    continue
                bring()
                if name:
                    b.js("return document.fonts.ready")
                    b.screenshot(f"{directory}/{mode}-{name}.png")
            print(mode, b.js("return [violations, broken]"), [e["message"] for e in b.console() if "401" not in e["message"]])
        mock.stop()


if __name__ == "__main__":
    main()
