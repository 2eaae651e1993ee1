#!/usr/bin/env python3
"""Headless Chromium through chromedriver's WebDriver protocol, for tests of the web pages.

    with Browser() as b:
        b.open(url); b.fill("E-mail", "a@b"); b.click("Sign in"); b.wait_text("Vaults")

A temporary profile, a free port, no network but the loopback. Things are found as a person with a screen reader finds
them: by role and accessible name, which the browser computes. Standard library only.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Space": " ", "Shift": "\ue008", "Down": "\ue015", "Up": "\ue013", "Left": "\ue012",
        "Right": "\ue014", "Control": "\ue009", "Backspace": "\ue003", "End": "\ue010"}
CONTROLS = "a[href],button,input,select,textarea,summary,[tabindex='0']"


class WebDriverError(Exception):
    pass


PATIENCE = 30  # seconds for what should be there at once: a busy machine is no failure


def missing():
    """What is not installed, or ''."""
    return " ".join(p for p, b in (("chromium", "chromium"), ("chromium-driver", "chromedriver")) if not shutil.which(b))


class Browser:
    def __init__(self, width=1280, height=900, dark=False, reduced_motion=True):
        self.home = tempfile.mkdtemp(prefix="av-browser-")
        self.session = None
        # It takes one free port for both families of addresses, which another program may have had in one of them.
        for _ in range(5):
            port = self._start_driver()
            if port is not None:
                break
            self.driver.wait()
        try:
            if port is None:
                raise WebDriverError("chromedriver did not start")
            self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            self.base = f"http://127.0.0.1:{port}"
            arguments = ["--headless=new", "--no-first-run", "--disable-background-networking", "--disable-sync", "--disable-component-update", "--no-default-browser-check",
                         "--disable-extensions", "--hide-scrollbars", f"--user-data-dir={self.home}/profile", f"--window-size={width},{height}", "--force-device-scale-factor=1",
                         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost", "--disable-gpu", "--disable-dev-shm-usage"]
            if os.geteuid() == 0:
                arguments.append("--no-sandbox")  # Chromium's own sandbox refuses root
            reply = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"}, "goog:chromeOptions": {"args": arguments}}}})
            self.session = f"/session/{reply['sessionId']}"
            self.emulate(width, height, dark, reduced_motion)
            # Before any script of a page: what would otherwise go by unseen.
            self.cdp("Page.addScriptToEvaluateOnNewDocument", source="""
                window.violations = [];
                addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective + ' ' + e.blockedURI));
                window.shifts = [];
                // While it loads: what follows a click moves by right, however late a busy machine shows it.
                window.touched = Infinity;
                for (const input of ['pointerdown', 'keydown', 'input']) addEventListener(input, () => { touched = Math.min(touched, performance.now()); }, {capture: true});
                new PerformanceObserver((l) => { for (const e of l.getEntries()) if (!e.hadRecentInput && e.startTime < touched) shifts.push(e.value); }).observe({type: 'layout-shift', buffered: true});
                window.broken = [];
                addEventListener('error', (e) => broken.push(e.message || String(e.target?.src || e.target?.href)), true);
                addEventListener('unhandledrejection', (e) => broken.push(String(e.reason && e.reason.stack || e.reason)));""")
        except BaseException:
            self.close()
            raise

    def _start_driver(self):
        """Its port, or None when it has ended."""
        self.driver = subprocess.Popen(["chromedriver", "--port=0", "--log-level=WARNING"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                       env={**os.environ, "HOME": self.home, "XDG_CONFIG_HOME": self.home, "XDG_CACHE_HOME": self.home}, start_new_session=True)
        for line in self.driver.stdout:
            if "successfully on port" in line:
                return int(line.rsplit("port", 1)[1].strip(" .\n"))
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.session:
            try:
                self._call("DELETE", self.session)
            except (WebDriverError, OSError):
                pass
        self.driver.terminate()
        try:
            self.driver.wait(10)
        except subprocess.TimeoutExpired:
            self.driver.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def _call(self, method, path, body=None):
        data = None if body is None and method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with self.opener.open(request, timeout=60) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise WebDriverError(f"{value['error']}: {value['message'].splitlines()[0]}") from None

    def _in(self, method, path, body=None):
        return self._call(method, self.session + path, body)

    def cdp(self, command, **parameters):
        return self._in("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def emulate(self, width=None, height=None, dark=False, reduced_motion=True):
        if width:
            self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                                                         {"name": "prefers-reduced-motion", "value": "reduce" if reduced_motion else "no-preference"}])

    # ---- pages
    def open(self, url):
        self._in("POST", "/url", {"url": url})

    def js(self, script, *arguments):
        return self._in("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    @property
    def url(self):
        return self._in("GET", "/url")

    @property
    def title(self):
        return self._in("GET", "/title")

    @property
    def text(self):
        return self.js("return document.body.innerText")

    def console(self):
        return [e for e in self._in("POST", "/se/log", {"type": "browser"}) if e["level"] in ("SEVERE", "WARNING")]

    def wait(self, what, condition, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while True:
            try:
                value = condition()
                if value:
                    return value
            except WebDriverError as error:
                if "stale" not in str(error):
                    raise
            if time.monotonic() > deadline:
                raise AssertionError(f"waited for {what}; the page at {self.url} says:\n{self.text}")
            time.sleep(0.05)

    def wait_text(self, text, seconds=PATIENCE):
        return self.wait(f"the text {text!r}", lambda: text in self.text, seconds)

    def wait_gone(self, text, seconds=PATIENCE):
        return self.wait(f"the text {text!r} to go", lambda: text not in self.text, seconds)

    def screenshot(self, path, full=True):
        width, height, now = self.js("return [innerWidth, document.documentElement.scrollHeight, innerHeight]")
        if full and height > now:  # what sticks to the window should stick to the whole picture
            self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=min(height, 6000), deviceScaleFactor=1, mobile=width < 500)
        shot = self.cdp("Page.captureScreenshot", format="png")
        if full and height > now:
            self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=now, deviceScaleFactor=1, mobile=width < 500)
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    # ---- elements
    def all(self, css):
        return [e[ELEMENT] for e in self._in("POST", "/elements", {"using": "css selector", "value": css})]

    @staticmethod
    def ref(element):
        """As an argument of js()."""
        return {ELEMENT: element}

    def name_of(self, element):
        return self._in("GET", f"/element/{element}/computedlabel")

    def find(self, name, css=CONTROLS, seconds=PATIENCE):
        """The control with that accessible name (or the first whose name begins with it); inside the dialog when one is open."""
        def look():
            # The page says which could be it; the browser, what each is really called.
            likely = self.js("""const scope = document.querySelector('dialog[open]') || document, said = (e) => [e.ariaLabel, e.textContent, e.labels?.[0]?.textContent].join(' ');
                return [...scope.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility() && said(e).replace(/\\s+/g, ' ').includes(arguments[1]))""", css, name)
            names = [(self.name_of(e[ELEMENT]), e[ELEMENT]) for e in likely]
            return next((e for n, e in names if n == name), None) or next((e for n, e in names if n.startswith(name)), None)
        return self.wait(f"a control named {name!r}", look, seconds)

    def _steadily(self, act):
        """Again when the page has made its list anew between the look and the deed."""
        for left in (3, 2, 1, 0):
            try:
                return act()
            except WebDriverError as error:
                if "stale" not in str(error) or not left:
                    raise

    def click(self, name, css=CONTROLS):
        self._steadily(lambda: self._click(name, css))

    def fill(self, name, value):
        self._steadily(lambda: self._fill(name, value))

    def _click(self, name, css):
        element = self.find(name, css)
        self.js("arguments[0].scrollIntoView({block: 'center'})", {ELEMENT: element})
        self._in("POST", f"/element/{element}/click")

    def _fill(self, name, value):
        element = self.find(name, "input,textarea,select")
        if self.js("return arguments[0].localName", {ELEMENT: element}) == "select":
            self.js("arguments[0].value = arguments[1]; for (const t of ['input', 'change']) arguments[0].dispatchEvent(new Event(t, {bubbles: true}))", {ELEMENT: element}, value)
            return
        self.js("arguments[0].scrollIntoView({block: 'center'}); arguments[0].select?.()", {ELEMENT: element})
        self._in("POST", f"/element/{element}/value", {"text": value or KEYS["Backspace"]})

    def value(self, name):
        return self.js("return arguments[0].value", {ELEMENT: self.find(name, "input,textarea,select")})

    # ---- keyboard
    def press(self, *keys, shift=False):
        actions = []
        for key in keys:
            text = KEYS.get(key, key)
            if shift:
                actions.append({"type": "keyDown", "value": KEYS["Shift"]})
            for c in ([text] if key in KEYS else text):
                actions += [{"type": "keyDown", "value": c}, {"type": "keyUp", "value": c}]
            if shift:
                actions.append({"type": "keyUp", "value": KEYS["Shift"]})
        self._in("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def focused(self):
        """(accessible name, role) of where the keyboard is."""
        element = self._in("GET", "/element/active")[ELEMENT]
        return self.name_of(element), self._in("GET", f"/element/{element}/computedrole")

    def wait_focus(self, name):
        """Until the keyboard is there: a page moves it in a turn of its own, after the text is there."""
        self.wait(f"the focus on {name!r}", lambda: self.focused()[0] == name)

    def tab_to(self, name, most=80):
        """Goes there with the Tab key only."""
        seen = []
        for _ in range(most):
            self.press("Tab")
            now = self.focused()[0]
            if now == name or now.startswith(name):
                return
            seen.append(now)
        raise AssertionError(f"Tab does not lead to {name!r}; it went over {seen}")
