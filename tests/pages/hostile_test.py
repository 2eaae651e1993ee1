#!/usr/bin/env python3
"""What agents write stays text, wherever it is shown; nothing leaves for elsewhere."""

import os
import re
import sys

import harness
from shots import views


def test_an_agents_markup_stays_text_in_every_view_and_none_asks_elsewhere(b, mock):
    mock.state.hold(600, url="https://x.example/" + harness.HOSTILE[0], method=harness.HOSTILE[1], agent=harness.HOSTILE[3], rule=harness.HOSTILE[0],
                    content_type=harness.HOSTILE[0], preview="\n".join(harness.HOSTILE))
    injected = "return [...document.querySelectorAll('img, svg[onload], iframe, object, embed, form[action], base, script:not([src^=\"/assets/\"])')].map((e) => e.outerHTML)"
    seen = ""
    for name, bring in views(b, mock):
        bring()
        assert not b.js(injected), f"{name}: {b.js(injected)}"
        harness.no_accident(b)
        foreign = b.js("return performance.getEntriesByType('resource').map((e) => e.name).filter((n) => !n.startsWith(location.origin))")
        assert not foreign, f"{name} asks elsewhere: {foreign}"
        seen += b.text
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x1b\x07]", b.js("return document.body.textContent + document.title")), f"{name}: an invisible character is on the page"
    assert seen.count("<img src=x onerror") > 10, "the hostile texts were not on the pages"
    assert "U+202E" in seen and "U+001B" in seen


def test_control_the_same_text_as_markup_runs_without_the_pages_defences(b, mock):
    b.open("about:blank")
    b.js("document.body.innerHTML = arguments[0]", harness.HOSTILE[0])
    b.wait("the attack", lambda: b.js("return window.pwned === 1"))
    b.js("delete window.pwned; broken.length = 0")


def test_control_the_policy_stops_markup_that_gets_in_all_the_same(b, mock):
    b.open(mock.url + "/login")
    b.wait_text("E-mail")
    b.js("document.body.insertAdjacentHTML('beforeend', arguments[0])", harness.HOSTILE[0])
    b.wait("a violation", lambda: b.js("return violations.length"))
    assert b.js("return window.pwned ?? null") is None
    b.js("violations.length = 0; broken.length = 0")


def test_links_of_agents_lead_to_the_web_only_and_are_shown_in_full(b, mock):
    harness.sign_in(b, mock)
    b.open(mock.url + "/approve/6?token=av_appr_good")
    b.wait_text("Before and after")
    links = b.js("return [...document.querySelectorAll('main a')].map((a) => [a.getAttribute('href'), a.firstChild.data, a.rel, a.target])")
    assert len(links) >= 3
    for href, shown, rel, target in links:
        assert href.startswith("https://") and shown == href and rel == "noopener noreferrer" and target == "_blank", (href, shown, rel)
        assert "@" not in href and href.isascii()
    assert "javascript:window.pwned=7 (not a link" in b.text
    assert "https://accounts.google.com@evil.example/keys (not a link" in b.text


def test_the_sources_have_no_way_to_make_markup_of_text(b, mock):
    del b, mock
    for name in sorted(os.listdir(harness.PAGES)):
        with open(os.path.join(harness.PAGES, name), encoding="utf-8") as file:
            text = file.read()
        if name.endswith(".js"):
            sinks = re.findall(r"\.(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|createContextualFragment|setHTML|srcdoc\s*=|\.cssText|setTimeout\(['\"]", text)
            assert not sinks, (name, sinks)
        if name.endswith(".html"):
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text), name
        assert not re.search(r"\b(?:src|href|url|import|from)\s*[=(]?\s*['\"(]?(?:https?:)?//(?!www\.w3\.org)", text), f"{name} names an outside address"


def test_the_link_of_an_agent_opens_with_little(b, mock):
    b.open(mock.url + "/approve/7?token=av_appr_good")
    b.wait_text("Sign in to decide")
    loaded = b.js("return performance.getEntriesByType('resource').filter((e) => e.name.includes('/assets/')).reduce((n, e) => n + e.decodedBodySize, 0)")
    assert 0 < loaded < 120_000, loaded


def test_the_pages_are_small(b, mock):
    del b, mock
    sizes = {n: os.path.getsize(os.path.join(harness.PAGES, n)) for n in os.listdir(harness.PAGES)}
    assert sum(sizes.values()) < 220_000, sum(sizes.values())
    assert max(sizes.values()) < 24_000, sizes


if __name__ == "__main__":
    harness.run(sys.modules[__name__])
