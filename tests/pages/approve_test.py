#!/usr/bin/env python3
"""The approve page: what a person sees first, and the way from the link to the decision."""

import sys

import harness

LINK = "/approve/7?token=av_appr_good"
APPROVE, REJECT = "/v1/admin/proposals/7/approve", "/v1/admin/proposals/7/reject"


def opened(b, mock, signed_in=True):
    if signed_in:
        harness.sign_in(b, mock)
    b.open(mock.url + LINK)
    b.wait_text("Sign in to decide" if signed_in is False else "Before and after")


def test_the_keyboard_alone_leads_from_the_link_to_the_decision(b, mock):
    b.open(mock.url + LINK)
    b.wait_text("Sign in to decide")
    assert "asks for access to" in b.text and "api.stripe.com" in b.text and "its own words, checked by nobody" in b.text
    b.tab_to("E-mail")
    b.press(harness.OWNER, "Tab", harness.PASSWORD, "Enter")
    b.wait_text("Before and after")
    b.wait_focus("Value of STRIPE_KEY")
    b.press("rk_live_from_the_keyboard")
    b.press(*["Tab"] * 2)  # past "Show"
    assert b.focused()[1] == "radio"
    b.press("Right")  # 1 hour
    b.tab_to("At most so many uses")
    b.press("25")
    b.tab_to("Allow less than this")
    b.press("Enter")
    b.tab_to("Path")
    b.js("document.activeElement.select()")
    b.press("/v1/charges/*")
    b.wait_text('taken away: {"services": [{"name": "stripe", "path": "/v1/charges/*"}]')
    b.tab_to("Methods")
    b.js("document.activeElement.select()")
    b.press("get")
    b.tab_to("Allow")
    while b.focused() != ("Allow", "button"):
        b.tab_to("Allow")
    b.press("Enter")
    b.wait_text("can go on")
    assert mock.sent("POST", APPROVE) == [{
        "vault": "default", "credentials": {"STRIPE_KEY": "rk_live_from_the_keyboard"}, "fingerprint": "f1",
        "narrow": {"services": [{"name": "stripe", "path": "/v1/charges/*", "methods": ["GET"]}], "expires_in_seconds": 3600, "uses": 25}}]
    b.wait_focus("Allowed")
    assert "rk_live_from_the_keyboard" not in b.js("return document.documentElement.outerHTML")


def test_the_links_token_leaves_the_address_and_goes_nowhere_else(b, mock):
    opened(b, mock)
    assert b.url == mock.url + "/approve/7"
    b.click("Deny")
    b.click("Deny")
    b.wait_text("has been told")
    carriers = [r for r in mock.requests if "av_appr_good" in r]
    assert all(r.startswith(("/approve/7?token=", "/v1/proposals/approve-details?")) for r in carriers), carriers
    assert "av_appr" not in b.js("return document.documentElement.outerHTML + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.title")
    assert not [m for m in b.console() if "av_appr" in m["message"]]
    b.js("history.back()")
    assert "av_appr" not in b.url


def test_a_reload_of_the_tab_still_shows_it(b, mock):
    opened(b, mock)
    b.js("location.reload()")
    b.wait_text("Before and after")


def test_the_link_alone_decides_nothing(b, mock):
    opened(b, mock, signed_in=False)
    assert not b.js("return [...document.querySelectorAll('button')].some((b) => /^(Allow|Deny)/.test(b.textContent))")
    assert not b.js("return [...document.querySelectorAll('input')].some((i) => /STRIPE/.test(i.name))")


def test_who_has_no_say_in_the_vault_is_told_so(b, mock):
    harness.sign_in(b, mock)
    mock.state.proposals[0]["authenticated"] = True
    b.js("const real = fetch; window.fetch = real")
    b.cdp("Page.addScriptToEvaluateOnNewDocument", source="""const real = Response.prototype.json;
        Response.prototype.json = async function () { const d = await real.call(this); if (d && d.proposal_id) d.can_approve = false; return d; }""")
    b.open(mock.url + LINK)
    b.wait_text("You may not decide this")
    assert harness.OWNER in b.text
    assert not b.js("return [...document.querySelectorAll('button')].some((b) => /^Allow$/.test(b.textContent))")


def test_a_missing_value_is_named_and_nothing_is_sent(b, mock):
    opened(b, mock)
    b.wait("the button to be ready", lambda: not b.js("return document.querySelector('.btn.big[aria-disabled]')"))
    b.click("Allow", "button[type=submit]")
    b.wait_text("A value for STRIPE_KEY is missing")
    b.wait_focus("Value of STRIPE_KEY")
    assert not mock.sent("POST", APPROVE)


def test_a_hand_that_was_typing_decides_nothing(b, mock):
    mock.state.proposals[0]["credentials"] = []
    harness.sign_in(b, mock)
    # The moment during which the button waits is made as long as the test needs it.
    b.cdp("Page.addScriptToEvaluateOnNewDocument", source="""window.waiting = []; const real = setTimeout;
        window.setTimeout = (f, ms, ...a) => ms === 600 ? waiting.push(f) : real(f, ms, ...a);""")
    opened(b, mock, signed_in=None)
    b.js("document.querySelector('.btn.primary.big').focus()")
    b.press("Enter")
    b.wait("that nothing goes on", lambda: b.js("return !document.querySelector('[aria-busy=true]')"))
    assert not mock.sent("POST", APPROVE)
    b.js("waiting.forEach((f) => f())")
    b.press("Enter")
    b.wait_text("can go on")


def test_what_changed_since_it_was_shown_is_not_allowed_by_that(b, mock):
    opened(b, mock)
    mock.state.fingerprint = "f2"
    b.fill("Value of STRIPE_KEY", "rk_x")
    b.wait("the button to be ready", lambda: not b.js("return document.querySelector('.btn.big[aria-disabled]')"))
    b.click("Allow", "button[type=submit]")
    b.wait_text("The vault has changed since")
    assert mock.state.proposals[0]["status"] == "pending"
    b.click("Look again")
    b.wait_gone("The vault has changed since")
    b.fill("Value of STRIPE_KEY", "rk_x")
    b.wait("the button to be ready", lambda: not b.js("return document.querySelector('.btn.big[aria-disabled]')"))
    b.click("Allow", "button[type=submit]")
    b.wait_text("can go on")


def test_denying_takes_a_reason_to_the_agent(b, mock):
    opened(b, mock)
    b.click("Deny")
    b.fill("Reason", "use the sandbox account")
    b.click("Deny")
    b.wait_text("Nothing was changed")
    assert mock.sent("POST", REJECT) == [{"vault": "default", "reason": "use the sandbox account"}]


def test_a_value_is_covered_until_it_is_shown_and_keeps_its_lines(b, mock):
    opened(b, mock)
    kind = "return document.querySelector('.slot .secret input, .slot .secret textarea').type"
    assert b.js(kind) == "password"
    b.click("Show Value of STRIPE_KEY")
    assert b.js(kind) == "text"
    b.click("Show Value of STRIPE_KEY")
    pem = "-----BEGIN KEY-----\nabc\n-----END KEY-----\n"
    b.js("""const d = new DataTransfer(); d.setData('text', arguments[0]);
        document.querySelector('.slot .secret input').dispatchEvent(new ClipboardEvent('paste', {clipboardData: d, cancelable: true, bubbles: true}))""", pem)
    assert b.js(kind) == "textarea"
    assert b.js("return getComputedStyle(document.querySelector('.slot textarea')).webkitTextSecurity") == "disc"
    b.wait("the button to be ready", lambda: not b.js("return document.querySelector('.btn.big[aria-disabled]')"))
    b.click("Allow", "button[type=submit]")
    b.wait_text("can go on")
    assert mock.sent("POST", APPROVE)[0]["credentials"]["STRIPE_KEY"] == pem


def test_a_decided_or_unknown_one_says_so(b, mock):
    b.open(mock.url + "/approve/3?token=av_appr_good")
    b.wait_text("This was allowed.")
    b.open(mock.url + "/approve/7?token=wrong")
    b.wait_text("This link leads to no proposal")


def test_wrong_passwords_are_said_and_not_kept(b, mock):
    opened(b, mock, signed_in=False)
    b.fill("E-mail", harness.OWNER)
    b.fill("Password", "nonsense")
    b.click("Sign in")
    b.wait_text("E-mail or password is wrong")
    b.wait("the password to go", lambda: b.value("Password") == "")
    assert b.value("E-mail") == harness.OWNER


if __name__ == "__main__":
    harness.run(sys.modules[__name__])
