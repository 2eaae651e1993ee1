#!/usr/bin/env python3
"""Writes the smuggling vectors into the fuzz corpora, as tests/fuzz/corpus/*/v-*: heads for http1_head and
response_head, bodies for chunked, targets and hosts for the canonical forms, and the answers of
h2_evil_cases.py for h2_answers. Run it after a change of the vectors; large payloads are left out.
"""

import hashlib
import os
import re

import h2_client
import h2_evil_cases
import vectors

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIMIT = 1500
WRITTEN = set()


def write(corpus, name, data):
    directory = os.path.join(ROOT, "tests", "fuzz", "corpus", corpus)
    slug = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    if data and len(data) <= LIMIT and (corpus, data) not in WRITTEN:
        WRITTEN.add((corpus, data))
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, f"v-{slug}-{hashlib.sha256(data).hexdigest()[:4]}"), "wb") as file:
            file.write(data)


class Tape:
    """The upstream's end of a connection, as h2_evil_cases.py uses it; keeps what is said."""

    host = "h.test"

    def __init__(self):
        self.data = b""

    def send(self, data):
        self.data += data

    def frame(self, kind, flags=0, stream=0, payload=b""):
        self.send(h2_client.frame(kind, flags, stream, payload))

    def headers(self, stream, fields, flags):
        self.frame(h2_client.HEADERS, flags, stream,
                   fields if isinstance(fields, bytes) else h2_client.block(fields))

    def flood(self, data, times):
        self.send(data[:400])

    def pump(self, seconds):
        pass

    def first(self):
        return True

    def close(self):
        pass

    abort = close


def main():
    base = os.path.join(ROOT, "tests", "vectors")
    place = vectors.Place("h.test", "i", False, "")
    for case in vectors.load(os.path.join(base, "smuggling")):
        data = case.render(place)
        head, end, body = data.partition(b"\r\n\r\n")
        write("http1_head", case.name, head + end)
        if case.file == "heads.txt":
            write("injector", case.name, b"\x01" + head + end)
        if case.file == "chunks.txt":
            write("chunked", case.name, b"\x02" + body)
        target = re.match(rb"[^ ]+ ([^ ]+) ", head)
        if target and case.file == "heads.txt":
            write("canonical_path", case.name, target.group(1))
        for host in re.findall(rb"\r\nHost: ?([^\r]+)", head):
            if host != b"h.test":
                write("canonical_host", case.name, host)
    for case in vectors.load(os.path.join(base, "responses")):
        data = case.render(None).replace(vectors.WAIT, b"")
        head, end, _ = data.partition(b"\r\n\r\n")
        write("response_head", case.name, b"\x00" + head + end)
    for title, _, _, how, play in h2_evil_cases.CASES:
        tape = Tape()
        play(tape, 3 if how.get("method") == "HEAD" else 1, "Bearer value")
        write("h2_answers", title, b"\x00" + tape.data)


if __name__ == "__main__":
    main()
