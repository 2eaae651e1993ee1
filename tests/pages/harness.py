"""What the tests of the web pages share: a mock server and a browser, checks that hold for every view, and a runner.

A test is a function test_*(b, mock). Standard library only.
"""

import inspect
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from browser import Browser, missing  # noqa: E402,F401
from pages_mock import HOSTILE, Mock, OWNER, PAGES, PASSWORD, SETUP_CODE  # noqa: E402,F401

# Text on its ground, what the WCAG asks for (1.4.3): 4.5, or 3 for large text; 3 for the edges of fields (1.4.11).
CONTRAST = """
const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m.length > 3 ? m[3] : 1]; };
const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
const ground = (e) => { const up = []; for (let n = e; n; n = n.parentElement) { const c = parse(getComputedStyle(n).backgroundColor); up.push(c); if (c[3] === 1 || n.localName === 'dialog') break; }
  return up.reverse().reduce((below, c) => over(c, below), [255, 255, 255, 1]); };
const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
const poor = [];
const scope = document.querySelector('dialog[open]') || document.body;
const walker = document.createTreeWalker(scope, NodeFilter.SHOW_TEXT);
let seen = 0;
while (walker.nextNode()) {
  const e = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !e.checkVisibility({visibilityProperty: true, opacityProperty: true}) || e.closest('.sr, .skip, noscript, script, option, [class=x]')) continue;
  const box = e.getBoundingClientRect();
  if (box.width < 2 || getComputedStyle(e).clipPath !== 'none') continue;
  seen++;
  const s = getComputedStyle(e), below = ground(e), size = parseFloat(s.fontSize), bold = s.fontWeight >= 700;
  const r = ratio(over(parse(s.color), below), below);
  if (r < (size >= 24 || (size >= 18.66 && bold) ? 3 : 4.5)) poor.push(`${r.toFixed(2)} ${e.localName}.${e.className} "${walker.currentNode.data.trim().slice(0, 30)}"`);
}
for (const f of scope.querySelectorAll('input:not([type=radio], [type=checkbox]), select, textarea')) {
  if (!f.checkVisibility()) continue;
  const r = Math.max(ratio(parse(getComputedStyle(f).borderTopColor), ground(f.parentElement)), ratio(parse(getComputedStyle(f).backgroundColor), ground(f.parentElement)));
  if (r < 3) poor.push(`${r.toFixed(2)} edge of ${f.localName} ${f.name}`);
}
return [seen, poor];
"""

# Structure that a screen reader needs.
STRUCTURE = """
const bad = [];
const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
for (const id of new Set(ids)) if (ids.filter((x) => x === id).length > 1) bad.push('two of id ' + id);
for (const a of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for']) for (const e of document.querySelectorAll(`[${a}]`))
  for (const id of e.getAttribute(a).split(' ')) if (!document.getElementById(id)) bad.push(`${a} of ${e.localName} leads nowhere`);
const h1 = [...document.querySelectorAll('h1')].filter((e) => e.checkVisibility());
if (h1.length !== 1) bad.push(h1.length + ' h1');
if (document.querySelectorAll('main').length !== 1) bad.push('main');
if (!document.documentElement.lang) bad.push('no language');
if (!document.title) bad.push('no title');
for (const e of document.querySelectorAll('[tabindex]')) if (e.tabIndex > 0) bad.push('tabindex ' + e.tabIndex);
for (const e of document.querySelectorAll('a, button, summary')) if (e.querySelector('a, button, input, select')) bad.push('control in a control: ' + e.textContent.slice(0, 40));
for (const e of document.querySelectorAll('[style], [onclick], script:not([src]), style')) bad.push('inline ' + e.localName);
for (const e of document.querySelectorAll('a[href]')) if (!['http:', 'https:'].includes(e.protocol)) bad.push('link ' + e.href);
for (const e of document.querySelectorAll('a[target=_blank]')) if (e.rel !== 'noopener noreferrer') bad.push('rel of ' + e.href);
return bad;
"""


def no_accident(b):
    """Nothing that the page did was refused by its own policy, and nothing of an agent's ran."""
    violations, broken, pwned = b.js("return [window.violations ?? [], window.broken ?? [], window.pwned ?? null]")
    assert pwned is None, f"an agent's text ran as script: {pwned}"
    assert not violations, f"Content-Security-Policy: {violations}"
    assert not broken, broken


def sound(b):
    """What holds for every view."""
    no_accident(b)
    seen, poor = b.js(CONTRAST)
    assert seen > 3, "the check of contrast saw no text"
    assert not poor, "too little contrast:\n" + "\n".join(poor)
    bad = b.js(STRUCTURE)
    assert not bad, bad
    wide = b.js("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1], f"scrolls sideways: {wide}"
    # Asked of the browser itself where the page does not show a name plainly.
    doubtful = b.js("""const scope = document.querySelector('dialog[open]') || document;
        return [...scope.querySelectorAll('a[href], button, input, select, textarea, summary, progress')].filter((e) => e.checkVisibility() && !e.ariaHidden && !e.closest('[aria-hidden=true]') &&
            !(e.ariaLabel?.trim() || (e.matches('a, button, summary') && e.textContent.trim()) || e.labels?.[0]?.textContent.trim()))""")
    unnamed = [b.js("return arguments[0].outerHTML", e)[:120] for e in doubtful if not b.name_of(list(e.values())[0])]
    assert not unnamed, f"without a name: {unnamed}"


def sign_in(b, mock, path="/"):
    b.open(mock.url + "/login?next=" + path)
    b.fill("E-mail", OWNER)
    b.fill("Password", PASSWORD)
    b.click("Sign in")
    b.wait("the page after signing in", lambda: not b.url.startswith(mock.url + "/login"))


def run(module):
    """Runs the tests of a module, or those that the command line names; exit 1 when one fails, 77 without a browser."""
    lacking = missing()
    if lacking:
        print(f"skipped: not installed: {lacking}")
        sys.exit(77)
    failed = 0
    for name, test in inspect.getmembers(module, inspect.isfunction):
        if not name.startswith("test_") or (sys.argv[1:] and not any(w in name for w in sys.argv[1:])):
            continue
        began = time.monotonic()
        options = getattr(test, "options", {})
        mock = Mock(initialized=options.pop("initialized", True)).start()
        try:
            with Browser(**options) as b:
                test(b, mock)
                no_accident(b)
            print(f"ok   {name} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception:  # noqa: BLE001
            failed += 1
            print(f"FAIL {name}", flush=True)
            traceback.print_exc()
        finally:
            mock.stop()
    sys.exit(1 if failed else 0)
