"""Reads the cases of tests/vectors/smuggling (the format is in its README.md)."""

import os
import re

WAIT = b"\x00{wait}\x00"
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "s": b" ", "0": b"\0", "\\": b"\\", '"': b'"'}


def unescape(text):
    out, at = b"", 0
    while at < len(text):
        if text[at] != "\\":
            out += text[at].encode()
            at += 1
        elif text[at + 1] == "x":
            out += bytes([int(text[at + 2:at + 4], 16)])
            at += 4
        else:
            out += ESCAPES[text[at + 1]]
            at += 2
    return out


class Place:
    """Where a payload is rendered: the host, the run of the case, and the form of its targets."""

    def __init__(self, host, ident, absolute, auth):
        self.host, self.ident, self.absolute = host, ident, absolute
        self.auth = f"Proxy-Authorization: {auth}\\r\\n" if absolute else ""

    def replace(self, name):
        if name.startswith("/"):
            return (f"http://{self.host}" if self.absolute else "") + f"/{self.ident}{name}"
        return {"host": self.host, "HOST": self.host.upper(), "auth": self.auth,
                "head": f"Host: {self.host}\\r\\n{self.auth}"}[name]


class Case:
    def __init__(self, file, name):
        self.file, self.name = file, name
        self.directives, self.text = [], ""

    def has(self, word, argument=None):
        return any(w == word and (argument is None or a == argument) for w, a in self.directives)

    def arguments(self, word):
        return [a for w, a in self.directives if w == word]

    def render(self, place):
        def repeat(match):
            return match.group(1) * int(match.group(2))

        text = re.sub(r"\{([^{}]*)\*(\d+)\}", repeat, self.text)
        parts = re.split(r"\{([^{}*]+)\}", text)
        out = b""
        for i, part in enumerate(parts):
            if i % 2 == 0:
                out += unescape(part)
            elif part == "wait":
                out += WAIT
            else:
                out += unescape(place.replace(part))
        return out


def load(directory, only=None):
    """All cases of the directory's *.txt, or of one of them, in order."""
    cases = []
    for file in sorted(os.listdir(directory)):
        if not file.endswith(".txt") or only and file not in only:
            continue
        with open(os.path.join(directory, file), encoding="utf-8") as lines:
            for line in lines.read().split("\n"):
                if line.startswith("== "):
                    cases.append(Case(file, line[3:]))
                elif cases and cases[-1].file == file and line.startswith("-- "):
                    word, _, argument = line[3:].partition(" ")
                    cases[-1].directives.append((word, argument))
                elif cases and cases[-1].file == file:
                    cases[-1].text += line
    return cases
