#!/usr/bin/env python3
"""Follows an authorization URL as a browser would, without one: redirects, one form, and last the loopback redirect.

    oauth_browser.py [--ca FILE] [--resolve HOST:PORT:ADDRESS:PORT]... [--approve|--deny] [--cookie-jar FILE] [--forms N]
                     [--field NAME=VALUE]... [--stop-at PREFIX] [--out FILE] [--body FILE] URL

More options may come in $OAUTH_BROWSER_OPTIONS (shell words), for use as $BROWSER. Prints (or appends to --out) one JSON line
{"status", "url", "title", "text", "visited": [URL without query], "forms", "cookies": {host: [names]}, "error"}. Exit code 0: the last
answer was below 400, or --stop-at was reached (that URL is then not requested: the code stays unused); 1: 400 or more;
3: refused, with "error" saying why.

--approve (the default) presses the button that says allow, --deny the other; --forms (default 1) is how many forms may be
submitted. Only loopback and resolved names are talked to, certificates are checked, https never leads to http except on
loopback, and a cookie goes to the exact host (and scheme) that set it: one with a Domain is dropped, as is one of another host.
Standard library only.
"""

import argparse
import html.parser
import http.client
import json
import os
import re
import shlex
import socket
import ssl
import sys
import urllib.parse

LOOPBACK = ("127.0.0.1", "::1", "localhost")
YES = re.compile(r"\b(approve|allow|authori[sz]e|accept|continue|yes|confirm|sign in|log ?in|submit)\b", re.I)
NO = re.compile(r"\b(deny|cancel|no|abort|refuse|reject)\b", re.I)
REDIRECTS = (301, 302, 303, 307, 308)
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Refused(Exception):
    pass


class Page(html.parser.HTMLParser):
    """The title, the text and the forms of a page; buttons may name their form by id."""

    def __init__(self, text):
        super().__init__()
        self.title, self.words, self.forms, self.loose = "", [], [], []
        self.form, self.button, self.inside = None, None, ""
        self.feed(text)
        for owner, button in self.loose:
            for form in self.forms:
                if form["id"] == owner:
                    form["buttons"].append(button)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.inside = tag if tag in ("title", "script", "style") else self.inside
        if tag == "form":
            self.form = {"id": found.get("id"), "action": found.get("action") or "", "method": (found.get("method") or "get").lower(), "fields": [], "buttons": []}
            self.forms.append(self.form)
        kind = (found.get("type") or ("submit" if tag == "button" else "text")).lower()
        if tag == "button" and kind == "submit" or tag == "input" and kind == "submit":
            button = {"name": found.get("name"), "value": found.get("value") or "", "label": found.get("value") or "" if tag == "input" else ""}
            if found.get("form"):
                self.loose.append((found["form"], button))
            elif self.form is not None:
                self.form["buttons"].append(button)
            self.button = button if tag == "button" else None
        elif tag == "input" and self.form is not None and found.get("name") and kind not in ("button", "reset", "image", "file"):
            if kind not in ("checkbox", "radio") or "checked" in found:
                self.form["fields"].append([found["name"], found.get("value") or ("on" if kind == "checkbox" else "")])

    def handle_endtag(self, tag):
        if tag == self.inside:
            self.inside = ""
        if tag == "form":
            self.form = None
        if tag == "button":
            self.button = None

    def handle_data(self, data):
        if self.inside == "title":
            self.title += data
        elif not self.inside:
            self.words.append(data)
        if self.button is not None:
            self.button["label"] += data


class Jar:
    """Cookies by (scheme, host); never wider than the host that set them."""

    def __init__(self, file):
        self.file, self.cookies = file, {}
        if file and os.path.exists(file):
            with open(file, encoding="utf-8") as stored:
                self.cookies = json.load(stored)

    def take(self, scheme, host, fields):
        for field in fields:
            first, *rest = [part.strip() for part in field.split(";")]
            name, _, value = first.partition("=")
            attributes = {key.lower(): text for key, _, text in (part.partition("=") for part in rest)}
            if "domain" in attributes and attributes["domain"].lstrip(".").lower() != host:
                continue
            if "secure" in attributes and scheme != "https" and host not in LOOPBACK:
                continue
            mine = self.cookies.setdefault(f"{scheme}://{host}", {})
            if attributes.get("max-age") == "0" or "01 jan 1970" in attributes.get("expires", "").lower().replace("-", " "):
                mine.pop(name, None)
            else:
                mine[name] = {"value": value, "path": attributes.get("path") or "/"}

    def give(self, scheme, host, path):
        mine = self.cookies.get(f"{scheme}://{host}", {})
        def covers(prefix):
            return path == prefix or path.startswith(prefix if prefix.endswith("/") else prefix + "/")
        return "; ".join(f"{name}={one['value']}" for name, one in mine.items() if covers(one["path"]))

    def save(self):
        if self.file:
            with open(self.file, "w", encoding="utf-8") as stored:
                json.dump(self.cookies, stored)


class Driver:
    def __init__(self, options):
        self.options, self.jar = options, Jar(options.cookie_jar)
        self.context = ssl.create_default_context(cafile=options.ca)
        self.places = {}
        for one in options.resolve:
            found = re.fullmatch(r"([^:\s]+):(\d+):(\[[^\]]+\]|[^:]+):(\d+)", one)
            if not found:
                raise SystemExit(f"oauth_browser: --resolve {one}: HOST:PORT:ADDRESS:PORT")
            self.places[(found.group(1).lower(), int(found.group(2)))] = (found.group(3).strip("[]"), int(found.group(4)))
        self.result = {"status": None, "url": None, "title": "", "text": "", "visited": [], "forms": 0, "cookies": {}, "error": None}

    def connect(self, host, port):
        if (host, port) in self.places:
            return socket.create_connection(self.places[(host, port)], timeout=30)
        if host not in LOOPBACK:
            raise Refused(f"{host}:{port} is neither loopback nor given by --resolve")
        return socket.create_connection((host, port), timeout=30)

    def fetch(self, method, url, body, came_from):
        split = urllib.parse.urlsplit(url)
        if split.scheme not in ("http", "https") or not split.hostname:
            raise Refused(f"no page: {split.scheme}:")
        if split.username is not None:
            raise Refused("a user name in the URL")
        port = split.port or (443 if split.scheme == "https" else 80)
        if came_from and came_from.startswith("https:") and split.scheme == "http" and split.hostname not in LOOPBACK:
            raise Refused(f"https leads to http://{split.hostname}")
        path = split.path or "/"
        headers = {"Host": split.netloc, "User-Agent": AGENT, "Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "Connection": "close",
                   "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": self.site(came_from, split)}
        cookies = self.jar.give(split.scheme, split.hostname, path)
        if cookies:
            headers["Cookie"] = cookies
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            origin = urllib.parse.urlsplit(came_from or url)
            headers["Origin"] = f"{origin.scheme}://{origin.netloc}"
        connection = http.client.HTTPConnection(split.hostname, port)
        connection.sock = self.connect(split.hostname, port)
        if split.scheme == "https":
            connection.sock = self.context.wrap_socket(connection.sock, server_hostname=split.hostname)
        try:
            connection.putrequest(method, path + (f"?{split.query}" if split.query else ""), skip_host=True, skip_accept_encoding=True)
            data = body.encode() if body is not None else None
            for name, value in headers.items():
                connection.putheader(name, value)
            if data is not None:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            answer = connection.getresponse()
            text = answer.read(4 << 20).decode("utf-8", "replace")
        finally:
            connection.close()
        self.jar.take(split.scheme, split.hostname, answer.headers.get_all("set-cookie") or [])
        self.result["visited"].append(f"{split.scheme}://{split.netloc}{path}")
        return answer, text

    @staticmethod
    def site(came_from, split):
        if not came_from:
            return "none"
        before = urllib.parse.urlsplit(came_from)
        return "same-origin" if (before.scheme, before.netloc) == (split.scheme, split.netloc) else "cross-site"

    def go(self, url):
        method, body, came_from = "GET", None, None
        for _ in range(25):
            if self.options.stop_at and url.startswith(self.options.stop_at):
                self.result.update(status=0, url=url)
                return 0
            answer, text = self.fetch(method, url, body, came_from)
            self.result.update(status=answer.status, url=url)
            where = answer.headers.get("location")
            if answer.status in REDIRECTS and where:
                came_from, url = url, urllib.parse.urljoin(url, where).split("#")[0]
                if answer.status not in (307, 308):
                    method, body = "GET", None
                continue
            page = Page(text) if "html" in answer.headers.get("content-type", "") else None
            self.result.update(title=page.title.strip() if page else "", text=" ".join(" ".join(page.words if page else [text]).split())[:600])
            if self.options.body:
                with open(self.options.body, "w", encoding="utf-8") as file:
                    file.write(text)
            if answer.status >= 400 or page is None or not page.forms or self.result["forms"] >= self.options.forms:
                return 1 if answer.status >= 400 else 0
            came_from, (method, url, body) = url, self.press(page, url)
            self.result["forms"] += 1
        raise Refused("redirects without end")

    def press(self, page, url):
        wanted, other = (NO, YES) if self.options.deny else (YES, NO)
        chosen = None
        for form in page.forms:
            for button in form["buttons"]:
                says = f"{button['label']} {button['value']}"
                if wanted.search(says) and not (other.search(says) and not wanted.search(button["label"])):
                    chosen = chosen or (form, button)
        if chosen is None:
            if self.options.deny:
                raise Refused("no button says no")
            chosen = (page.forms[0], (page.forms[0]["buttons"] or [None])[0])
        form, button = chosen
        given = dict(one.split("=", 1) for one in self.options.field)
        fields = [(name, given.get(name, value)) for name, value in form["fields"]]
        if button and button["name"]:
            fields.append((button["name"], button["value"]))
        to = urllib.parse.urljoin(url, form["action"]) if form["action"] else url
        data = urllib.parse.urlencode(fields)
        return ("POST", to, data) if form["method"] == "post" else ("GET", to.split("?")[0] + "?" + data, None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ca")
    parser.add_argument("--resolve", action="append", default=[])
    answer = parser.add_mutually_exclusive_group()
    answer.add_argument("--approve", action="store_true")
    answer.add_argument("--deny", action="store_true")
    parser.add_argument("--cookie-jar")
    parser.add_argument("--forms", type=int, default=1)
    parser.add_argument("--field", action="append", default=[])
    parser.add_argument("--stop-at")
    parser.add_argument("--out")
    parser.add_argument("--body")
    parser.add_argument("url")
    options = parser.parse_args(shlex.split(os.environ.get("OAUTH_BROWSER_OPTIONS", "")) + sys.argv[1:])
    driver = Driver(options)
    try:
        code = driver.go(options.url)
    except (Refused, OSError, http.client.HTTPException, ValueError) as error:
        driver.result["error"] = f"{type(error).__name__}: {error}"
        code = 3
    driver.jar.save()
    driver.result["cookies"] = {host: sorted(cookies) for host, cookies in driver.jar.cookies.items()}
    line = json.dumps(driver.result)
    if options.out:
        with open(options.out, "a", encoding="utf-8") as file:
            file.write(line + "\n")
    else:
        print(line, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
