#!/usr/bin/env python3
"""Whether what the documents name is there.

    check_docs.py ROOT PROGRAM

Every *.md at the root and below docs: relative links and their anchors, and in every shell block,
also those that cannot be run, the commands and long options of PROGRAM. Standard library only.
"""

import functools
import glob
import os
import re
import shlex
import subprocess
import sys

import doc_blocks

ENDS = {"|", "||", "&&", ";", "&", ")", "(", "<", ">", ">>", "<(", "2", "\n"}


def anchors(path):
    """The anchors of a file, as GitHub makes them of its headings."""
    found, fence = set(), False
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("```"):
                fence = not fence
            head = None if fence else re.match(r"#+ +(.*?)\s*$", line)
            if head:
                text = re.sub(r"[`*]|\]\([^)]*\)|\[", "", head.group(1)).lower()
                found.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
    return found


def links(path, root):
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"^```.*?^```$", "", file.read(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        there = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        if not os.path.exists(there):
            yield f"{target} does not exist"
        elif not there.startswith(root):
            yield f"{target} is outside of the tree"
        elif anchor and anchor not in anchors(there):
            yield f"{target}: no such heading"


class Program:
    """What --help says; each page is asked for once."""

    def __init__(self, binary):
        self.binary = binary

    @functools.lru_cache(maxsize=None)
    def help(self, words):
        done = subprocess.run([self.binary, *words, "--help"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        return done.stdout.decode() if done.returncode == 0 else None

    def problems(self, words):
        """Of one use: the words behind the program's name."""
        path = ()
        while words and "COMMAND [OPTIONS]" in (self.help(path) or ""):
            if words[0].startswith("-"):
                break
            if self.help(path + (words[0],)) is None:
                return [f"no command `{' '.join(path + (words[0],))}`"]
            path, words = path + (words[0],), words[1:]
        known = set(re.findall(r"--[a-z][a-z-]*", self.help(path) or ""))
        known |= {"--help", "--version", "--json", "--vault", "--local"}
        found = []
        for word in words:
            if word == "--":
                break
            option = word.partition("=")[0]
            if option.startswith("--") and option not in known:
                found.append(f"`{' '.join(path)}` has no {option}")
        return found


def uses(text):
    """The words behind each `agent-vault` that stands where a command does."""
    text = re.sub(r"<<-?'?(\w+)'?(.*\n)(?:.*\n)*?\s*\1$", r"\2", text, flags=re.M).replace("\\\n", " ")
    for line in text.splitlines():
        # Commands inside quotes and substitutions are commands as well.
        for part in re.split(r"\$\(|`|\bsh -c '", line):
            lexer = shlex.shlex(part, posix=True, punctuation_chars="|&;()<>")
            lexer.whitespace_split = True
            try:
                words = list(lexer)
            except ValueError:
                words = part.split()
            for at, word in enumerate(words):
                before = words[at - 1] if at else ";"
                if word == "agent-vault" and (before in ENDS or before in ("exec", "sudo", "!", "--", "env", "if", "broker")
                                              or "=" in before):
                    taken = []
                    for following in words[at + 1:]:
                        if following in ENDS:
                            break
                        taken.append(following)
                    yield taken


def main():
    root, binary = os.path.realpath(sys.argv[1]), sys.argv[2]
    program = Program(binary)
    pages = sorted(glob.glob(os.path.join(root, "*.md")) +
                   glob.glob(os.path.join(root, "docs", "**", "*.md"), recursive=True))
    problems, checked = [], 0
    for page in pages:
        name = os.path.relpath(page, root)
        problems += [f"{name}: {problem}" for problem in links(page, root)]
        for number, info, text in doc_blocks.blocks(page):
            if info[:1] == ["sh"]:
                for words in uses(text):
                    checked += 1
                    problems += [f"{name}:{number}: {problem}" for problem in program.problems(words)]
    if checked < 60:
        problems.append(f"only {checked} uses of the program found in the documents")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
