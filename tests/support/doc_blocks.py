#!/usr/bin/env python3
"""The shell blocks of a document that say they can be run.

    doc_blocks.py FILE.md                        the blocks marked ```sh test, as one script
    doc_blocks.py --sent FILE.md LOG OUTPUT...   all that they store has arrived, and was not printed

Words behind `test` are programs; a block whose programs are not on the PATH is left out. Standard
library only.
"""

import base64
import re
import shutil
import sys
import urllib.parse

# How the documents store a value: printf 'VALUE' | agent-vault ... set KEY --stdin
STORED = re.compile(r"printf (?:'%s' )?'([^'%]{8,})' \|\s*(?:\\\s*)?agent-vault (?:vault )?cred\w* set [A-Z]")


def blocks(path):
    """(line, info words, text) of every fenced block; an open fence is an error."""
    begun, found = None, []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if begun is None and line.startswith("```"):
                begun = (number, line[3:].split(), [])
            elif begun is not None and line.rstrip() == "```":
                found.append((begun[0], begun[1], "".join(begun[2])))
                begun = None
            elif begun is not None:
                begun[2].append(line)
    if begun is not None:
        raise SystemExit(f"{path}:{begun[0]}: a block without an end")
    return found


def tested(path):
    for number, info, text in blocks(path):
        if info[:2] == ["sh", "test"]:
            if all(shutil.which(program) for program in info[2:]):
                yield number, text


def sent(path, log, outputs):
    script = "".join(text for _, text in tested(path))
    values = set(STORED.findall(script))
    problems = [] if values else ["it stores no value that could be sent"]
    with open(log, encoding="utf-8") as file:
        received = file.read()
    received += urllib.parse.unquote(received)  # in paths and queries
    # Basic authentication carries it in base64, behind a user name of any length.
    tokens = re.findall(r"Basic ([A-Za-z0-9+/=]+)", received)
    received += "".join(base64.b64decode(token).decode("latin-1") for token in tokens)
    problems += [f"{value} has not arrived" for value in sorted(values) if value not in received]
    if not re.search(r"credential get|creds get|--reveal", script):
        for output in outputs:
            with open(output, encoding="utf-8", errors="replace") as file:
                text = file.read()
            problems += [f"{value} was printed" for value in sorted(values) if value in text]
    return problems


def main():
    if sys.argv[1] == "--sent":
        problems = sent(sys.argv[2], sys.argv[3], sys.argv[4:])
        for problem in problems:
            print(problem, file=sys.stderr)
        return 1 if problems else 0
    for number, text in tested(sys.argv[1]):
        print(f"# line {number}\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
