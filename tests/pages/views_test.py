#!/usr/bin/env python3
"""Every view, in light, dark and on a phone: names, contrast, structure, no sideways scrolling, no policy violation."""

import sys

import harness
from shots import views


def each(b, mock):
    for name, bring in views(b, mock):
        try:
            bring()
            if name:
                harness.sound(b)
                shift = b.js("return shifts.reduce((a, s) => a + s, 0)")
                assert shift < 0.1, f"the page moves while it loads: {shift}"
        except AssertionError as error:
            raise AssertionError(f"view {name}: {error}") from None


def test_views_in_light(b, mock):
    each(b, mock)


def test_views_in_dark(b, mock):
    each(b, mock)


def test_views_on_a_phone(b, mock):
    each(b, mock)


def test_control_the_checks_see_what_is_wrong(b, mock):
    flaws = {"without a name": "const e = document.createElement('button'); e.append(document.createElement('i')); document.body.append(e)",
             "too little contrast": "const e = document.createElement('p'); e.style.color = '#aaa'; e.style.background = '#fff'; e.append('pale text'); document.body.append(e)",
             "scrolls sideways": "const e = document.createElement('canvas'); e.width = 4000; e.height = 9; document.querySelector('main').append(e)",
             "2 h1": "document.querySelector('main').append(document.createElement('h1')); document.querySelectorAll('h1')[1].append('x')",
             "leads nowhere": "document.querySelector('main').setAttribute('aria-labelledby', 'nobody')",
             "inline": "document.querySelector('main').setAttribute('onclick', 'x')"}
    for words, flaw in flaws.items():
        b.open(mock.url + "/login")
        b.wait_text("No account?")
        harness.sound(b)
        b.js(flaw)
        b.js("if (document.querySelector('[onclick]')) violations.length = 0")
        try:
            harness.sound(b)
        except AssertionError as error:
            assert words in str(error), (words, error)
        else:
            raise AssertionError(f"not seen: {words}")


def test_a_chosen_colour_scheme_wins_over_the_systems(b, mock):
    b.open(mock.url + "/login")
    ground = lambda: b.js("return getComputedStyle(document.body).backgroundColor")  # noqa: E731
    light = ground()
    b.click("Colours: Auto")
    assert ground() == light
    b.click("Colours: Light")
    assert ground() != light
    b.open(mock.url + "/login")
    assert ground() != light, "it is forgotten"


def test_every_control_can_be_reached_and_is_seen_with_the_keyboard(b, mock):
    for path, text in (("/vaults/default/services", "Recently seen"), ("/vaults/default/rules", "no-deletes"), ("/vaults/default/log", "Load more"), ("/", "you are not a member")):
        harness.sign_in(b, mock) if path.endswith("services") else None
        b.open(mock.url + path)
        b.wait_text(text)
        b.js("""window.stops = new Set(); window.unseen = [];
            document.addEventListener('focusin', (e) => { const t = e.target; stops.add(t);
                const drawn = (s) => s && s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2;
                const next = t.nextElementSibling;
                if (!drawn(getComputedStyle(t)) && !drawn(getComputedStyle(t, '::after')) && !(next && drawn(getComputedStyle(next)))) unseen.push(t.outerHTML.slice(0, 100)); });""")
        controls = "[...document.querySelectorAll('a[href], button, input, select, textarea, summary')].filter((e) => e.checkVisibility() && !e.disabled && e.type !== 'radio')"
        left, pressed = True, 0
        # Lists load while Tab is pressed, and the log grows at its top: as many stops as there are by now, and once more around.
        while left and pressed < 2 * b.js(f"return {controls}.length") + 16:
            b.press(*["Tab"] * 8)
            pressed += 8
            left = b.js(f"return {controls}.filter((e) => !stops.has(e)).map((e) => e.outerHTML.slice(0, 100))")
        assert not left, f"{path}: Tab does not reach {left}"
        assert not b.js("return unseen"), f"{path}: the focus is not seen on {b.js('return unseen')}"


def test_dialogs_keep_the_focus_close_on_escape_and_give_it_back(b, mock):
    harness.sign_in(b, mock)
    b.open(mock.url + "/vaults/default/services")
    b.tab_to("Change github")
    b.press("Enter")
    b.wait_text("How it authenticates")
    for _ in range(40):
        b.press("Tab")
        assert b.js("return document.activeElement === document.body || document.querySelector('dialog').contains(document.activeElement)"), b.focused()
    b.press("Escape")
    b.wait("the dialog to close", lambda: not b.js("return document.querySelector('dialog')"))
    b.wait_focus("Change github")


def test_the_skip_link_leads_past_the_navigation(b, mock):
    harness.sign_in(b, mock)
    b.open(mock.url + "/vaults/default/services")
    b.wait_text("Recently seen")
    b.press("Tab")
    b.wait_focus("Skip to content")
    b.press("Enter", "Tab")
    b.wait_focus("Add a service")


def test_nothing_moves_for_who_wants_less_motion(b, mock):
    harness.sign_in(b, mock)
    moving = """return [...document.querySelectorAll('*')].filter((e) => { const s = getComputedStyle(e);
        return s.animationName !== 'none' || s.transitionDuration.split(',').some((d) => parseFloat(d) > 0); }).length"""
    b.open(mock.url + "/vaults/default/log")
    b.wait_text("live")
    assert b.js(moving) == 0
    b.emulate(reduced_motion=False)
    b.wait("motion that the check sees", lambda: b.js(moving) > 0)


test_views_in_dark.options = {"dark": True}
test_views_on_a_phone.options = {"width": 360, "height": 740}

if __name__ == "__main__":
    harness.run(sys.modules[__name__])
