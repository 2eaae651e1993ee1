#!/usr/bin/env python3
"""Asks h2_evil_upstream.py for each of its cases and judges what comes of it.

    h2_responses.py [--direct HOST:PORT] [--forms h1 h2] [--dump FILE] HOST SECOND [NAME...]

Runs as the agent. Of each case: the client of HTTP/1.1 or HTTP/2 gets what h2_evil_cases.py permits;
another stream that shares the upstream's connection gets its own answer, or where the case may take
the connection along no whole one; the next requests get theirs; and a stream from SECOND, another
connection, goes on counting all the while. Everything that was received, decoded, is written to
--dump. --direct: without the proxy, as a client that believes everything (the control).
A NAME selects the cases whose title contains it. One line for each contradiction; exit 1.
"""

import argparse
import os
import sys
import time

import h2_client
import h2_evil_cases
import smuggle

VALUE = "Bearer control-value-of-nobody"
smuggle.QUIET = 0.05  # behind an answer; what comes later comes with the next request's


class Answer:
    """What the client of either protocol got."""

    def __init__(self, status, fields, body, trailers, complete):
        self.status, self.fields, self.body = status, fields, body
        self.trailers, self.complete = trailers, complete
        self.own = any(n.lower() == "x-agent-vault-proxy-error" for n, _ in fields)

    def __repr__(self):
        return (f"{self.status} {self.fields} {self.body[:300]!r} trailers {self.trailers} "
                f"{'complete' if self.complete else 'cut'}")

    def get(self, name):
        return next((v for n, v in self.fields if n.lower() == name), None)


def answer_of(c, stream):
    try:
        reply = c.response(stream)
    except h2_client.Gone:
        reply = c.of(stream)  # what there is of it
    if not reply.ended and reply.reset is None and not c.ended:
        raise TimeoutError
    return Answer(reply.status, reply.fields, reply.body, reply.trailers, reply.ended)


class Ticker:
    """A stream from another upstream that must not notice."""

    def __init__(self, host, value):
        self.c = h2_client.H2(host)
        self.c.request(1, "/ticks", extra=[("authorization", value)] if value else [])

    def check(self):
        before = len(self.c.of(1).body)
        self.c.pump(lambda: len(self.c.of(1).body) > before + 8, 30)
        body = self.c.of(1).body
        if len(body) <= before + 8 or self.c.of(1).ended or self.c.of(1).reset is not None:
            return "the other upstream's stream has stopped"
        numbers = body.decode("ascii").split("\n")[:-1]
        return None if numbers == [str(i) for i in range(len(numbers))] else f"counted {numbers}"


class Run:
    def __init__(self, options):
        self.options = options
        self.value = VALUE if options.direct else None
        self.http2, self.wire, self.streams = None, None, 1
        self.dump = open(options.dump, "ab") if options.dump else None

    def keep(self, answer):
        if self.dump:
            for name, value in [*answer.fields, *answer.trailers]:
                self.dump.write(f"{name}: {value}\n".encode("latin-1"))
            self.dump.write(answer.body + b"\n")
        return answer

    def session(self):
        """The client's connection of HTTP/2; one that has ended is replaced."""
        if self.http2 is None or self.http2.ended or self.options.direct:
            self.http2 = h2_client.H2(self.options.host)
            self.http2.patience = 15
            self.streams = 1
        return self.http2

    def open(self, c, method, path):
        stream, self.streams = self.streams, self.streams + 2
        c.request(stream, path, method, [("authorization", self.value)] if self.value else [])
        return stream

    def over_h1(self, method, path, patient):
        reused = self.wire is not None
        if not reused:
            self.wire = smuggle.Wire(self.options.host, "tunnel")
        wire = self.wire
        wire.send(f"{method} {path} HTTP/1.1\r\nHost: {self.options.host}\r\n\r\n".encode())
        self.wire = None  # until it is known that it goes on
        reply = wire.reply(method)
        if reply is None and reused and not wire.buffer:
            # The last answer was complete, and the end of the connection came behind it.
            return self.over_h1(method, path, patient)
        if reply is None:
            return Answer(None, [], b"", [], False)
        trailers = [tuple(line.split(": ", 1)) for line in reply.trailers]
        answer = Answer(reply.status, reply.fields, reply.body, trailers, reply.complete)
        if patient and reply.complete and not wire.silent():
            answer.body += b" AND BEHIND IT " + wire.buffer
        if reply.complete and not wire.buffer and (answer.get("connection") or "") != "close":
            self.wire = wire
        return answer

    def request(self, form, method, path, patient=False):
        if form == "h1":
            return self.keep(self.over_h1(method, path, patient))
        c = self.session()
        return self.keep(answer_of(c, self.open(c, method, path)))

    def own_answer(self, form, path):
        answer = self.request(form, "GET", path)
        if answer.status != 200 or not answer.complete or answer.get("x-seen") != f"GET {path}" or \
                answer.body != f"GET {path}\n".encode():
            return f"the answer to {path} is {answer}"
        return None

    def one(self, form, number):
        title, judge, alone, how, _ = h2_evil_cases.CASES[number]
        ident = f"/{form}{number}"
        problems = []
        try:
            held = self.session()
            beside = self.open(held, "GET", ident + "/hold")
            if not held.pump(lambda: held.of(beside).body == b"held\n"):
                return ["the stream beside it did not begin"]
            method, path = how.get("method", "GET"), f"{ident}/r/{number}"
            if form == "h2":
                # On the same connection of the client's: it is nothing to that one what servers do.
                answer = self.keep(answer_of(held, self.open(held, method, path)))
            else:
                answer = self.request(form, method, path, patient=True)
            problems.append(judge(answer))
            beside = self.keep(answer_of(held, beside))
            if beside.status != 200 or beside.complete and beside.body != b"held\ndone\n" or \
                    not b"held\ndone\n".startswith(beside.body) or alone and not beside.complete:
                problems.append(f"the stream beside it got {beside}")
        except (h2_client.Gone, OSError, ValueError) as error:
            problems.append(f"{type(error).__name__}: {error}")
        if not self.options.direct:
            other = "h2" if form == "h1" else "h1"
            for i, next_form in enumerate((form, other)):
                try:
                    problems.append(self.own_answer(next_form, f"{ident}/after{i}"))
                except (h2_client.Gone, OSError, ValueError) as error:
                    problems.append(f"after it: {type(error).__name__}: {error}")
        return [p for p in problems if p]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--direct")
    parser.add_argument("--forms", nargs="+", default=["h1", "h2"])
    parser.add_argument("--dump")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("host")
    parser.add_argument("second")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if options.direct:
        os.environ["H2_DIRECT"] = options.direct
    run = Run(options)
    ticker = Ticker(options.second, run.value)
    if not options.direct:
        run.own_answer("h1", "/warm")  # the first one finds out that the server speaks HTTP/2 only
    count = found = 0
    for form in options.forms:
        for number, (title, *_) in enumerate(h2_evil_cases.CASES):
            if options.names and not any(name in title for name in options.names):
                continue
            started = time.monotonic()
            problems = run.one(form, number)
            late = ticker.check() if count % 20 == 0 or problems else None
            for problem in problems + ([late] if late else []):
                print(f"CONTRADICTION {title} ({form}): {problem}", flush=True)
            if time.monotonic() - started > 3:
                print(f"slow: {title} ({form}): {time.monotonic() - started:.1f} s", flush=True)
            if options.verbose:
                print(f"{form} {title}: {time.monotonic() - started:.2f} s", flush=True)
            count += 1
            found += bool(problems or late)
    print(f"{len(h2_evil_cases.CASES)} cases, {count} runs, {found} contradictions")
    return 1 if found or not count else 0


if __name__ == "__main__":
    sys.exit(main())
