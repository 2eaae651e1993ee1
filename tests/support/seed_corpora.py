#!/usr/bin/env python3
"""Writes the smuggling vectors into the fuzz corpora, as tests/fuzz/corpus/*/v-*: heads for http1_head and
response_head, bodies for chunked, targets and hosts for the canonical forms. Run it after a change
of the vectors; large payloads are left out.
"""

import hashlib
import os
import re

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


if __name__ == "__main__":
    main()
