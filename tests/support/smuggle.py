#!/usr/bin/env python3
"""Sends the smuggling vectors through the proxy of the environment and compares three accounts of
what happened: the client's, the upstreams' (recorder.py, and nginx, HAProxy and Node reading for
themselves) and the proxy's audit log. They must name the same requests, in the same order.

    smuggle.py send --vectors DIR --file NAME... --backend NAME=HOST... --out FILE [--forms F...]
    smuggle.py judge --out FILE --seen FILE... --audit FILE [--canary FILE]
    smuggle.py responses --vectors DIR --host HOST [--forms F...] [--names TITLE...]

`send` and `responses` run as the agent. Exit 1, and one line for each contradiction.
"""

import argparse
import collections
import concurrent.futures
import json
import re
import socket
import ssl
import sys
import time

import proxy_client
import vectors

QUIET = 0.3  # how long nothing must come where nothing may
PATIENCE = 15


class Wire:
    """One connection to an upstream through the proxy, with a buffer of what came back."""

    context = None
    patience = PATIENCE

    def __init__(self, host, form):
        if form == "absolute":
            self.sock = proxy_client.dial()
        else:
            if Wire.context is None:
                Wire.context = ssl.create_default_context(
                    cafile=proxy_client.os.environ["SSL_CERT_FILE"])
            tunnel = proxy_client.connect(host + ":443")
            self.sock = Wire.context.wrap_socket(tunnel, server_hostname=host)
        self.sock.settimeout(self.patience)
        self.buffer = b""

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass  # refused while we were still writing; the answer says why

    def fill(self):
        """False at the end, whatever its kind; TimeoutError when nothing comes."""
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            raise
        except OSError:
            return False
        self.buffer += data
        return bool(data)

    def until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                return None
        part, self.buffer = self.buffer.split(mark, 1)
        return part

    def exactly(self, size):
        while len(self.buffer) < size:
            if not self.fill():
                break
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data, len(data) == size

    def reply(self, method):
        """The next final response, or None at the end of the connection."""
        while True:
            head = self.until(b"\r\n\r\n")
            if head is None:
                return None
            reply = proxy_client.Reply(head, b"", True)
            if reply.status >= 200 or reply.status == 101:
                break
        if method == "HEAD" or reply.status in (101, 204, 304):
            return reply
        if reply.get("Transfer-Encoding") is not None:
            while True:
                line = self.until(b"\r\n")
                if line is None:
                    reply.complete = False
                    return reply
                size = int(line, 16)
                if size == 0:
                    while line := self.until(b"\r\n"):
                        reply.trailers.append(line.decode("latin-1"))
                    reply.complete = line is not None
                    return reply
                data, whole = self.exactly(size + 2)
                reply.body += data[:size]
                if not whole:
                    reply.complete = False
                    return reply
        if reply.get("Content-Length") is not None:
            reply.body, reply.complete = self.exactly(int(reply.get("Content-Length")))
            return reply
        while self.fill():
            pass
        reply.body, self.buffer = self.buffer, b""
        return reply

    def ended(self):
        """Nothing more comes, and the connection is over."""
        while self.fill():
            pass
        return not self.buffer

    def silent(self):
        """Nothing comes for a moment; the connection may be open or over."""
        self.sock.settimeout(QUIET)
        try:
            return not self.buffer and not self.fill()
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(self.patience)

    def close(self):
        self.sock.close()


def refused_by_proxy(reply):
    return reply.get("X-Agent-Vault-Proxy-Error") == "true" and 400 <= reply.status < 600


class Contradiction(Exception):
    pass


def require(condition, text):
    if not condition:
        raise Contradiction(text)


class Run:
    """One case against one upstream in one form."""

    def __init__(self, case, backend, host, form, ident):
        self.case, self.backend, self.form, self.ident = case, backend, form, ident
        self.place = vectors.Place(host, ident, form == "absolute", proxy_client.own_auth())
        self.host = host
        self.wants = []     # (method, target, body) that the upstream must have seen
        self.declined = 0   # requests that the upstream itself did not take
        self.partial = case.has("cut") or case.has("stuck")

    def request(self, path):
        head = self.place.replace("head").replace("\\r\\n", "\r\n")
        return f"GET {self.place.replace(path)} HTTP/1.1\r\n{head}\r\n".encode()

    def expected(self):
        for text in self.case.arguments("sees"):
            method, path, body = (text.split(" ", 2) + [""])[:3]
            body = re.sub(r"\{(.+)\*(\d+)\}", lambda m: m.group(1) * int(m.group(2)), body)
            yield method, f"/{self.ident}{path}", vectors.unescape(body).decode("latin-1")

    def answered(self, wire, method, target, body, status=200):
        """The next reply belongs to this request, unless the upstream did not take the request."""
        reply = wire.reply(method)
        require(reply is not None, f"no answer to {method} {target}")
        if status != 200:
            require(reply.status == status, f"{reply.status} instead of {status}: {reply.head!r}")
            return
        seen = reply.get("X-Seen")
        if seen is None and self.backend != "raw" and 400 <= reply.status < 600 and \
                not refused_by_proxy(reply):
            self.declined += 1
            return
        require(seen == f"{method} {target}", f"the answer to {method} {target} is {reply.head!r}")
        if method != "HEAD":
            require(reply.body == f"{method} {target} {len(body)}\n".encode("latin-1"),
                    f"{method} {target}: {reply.body!r}")
        self.wants.append((method, target, body))

    def go(self):
        wire = Wire(self.host, self.form)
        try:
            wire.send(self.case.render(self.place) + self.request("/follow"))
            if self.case.has("refused"):
                self.expect_refusal(wire)
            elif self.case.has("cut"):
                self.expect_cut(wire)
            elif self.case.has("stuck"):
                require(wire.silent(), f"an answer to half a request: {wire.buffer[:300]!r}")
            else:
                self.expect_requests(wire)
        except TimeoutError:
            raise Contradiction("neither an answer nor an end") from None
        finally:
            wire.close()

    def expect_refusal(self, wire):
        reply = wire.reply("GET")
        require(reply is not None, "closed without an answer")
        require(refused_by_proxy(reply) and reply.status < 600, f"not refused: {reply.head!r}")
        statuses = " ".join(self.case.arguments("refused")).split()
        require(not statuses or str(reply.status) in statuses, f"{reply.status}: {reply.body!r}")
        require(wire.ended(), f"an answer behind the refusal: {wire.buffer[:300]!r}")

    def expect_cut(self, wire):
        reply = wire.reply("POST")
        if reply is not None:
            require(refused_by_proxy(reply) or not reply.complete or
                    self.backend != "raw" and reply.status >= 400,
                    f"an answer to a broken request: {reply.head!r}")
            require(wire.ended(), f"an answer behind a broken request: {wire.buffer[:300]!r}")

    def expect_requests(self, wire):
        requests = list(self.expected())
        statuses = [int(s) for s in " ".join(self.case.arguments("replies")).split()]
        for i, (method, target, body) in enumerate(requests):
            self.answered(wire, method, target, body, (statuses[i:i + 1] or [200])[0])
        for status in statuses[len(requests):]:
            self.answered(wire, "GET", "", "", status)
        if self.case.has("ends"):
            require(wire.ended(), f"an answer behind the last: {wire.buffer[:300]!r}")
            return
        if self.declined and wire.silent():
            return  # an end without close_notify behind a 400: then the client's connection ends too
        self.answered(wire, "GET", f"/{self.ident}/follow", "")
        wire.send(self.request("/last"))
        self.answered(wire, "GET", f"/{self.ident}/last", "")


def attempt(run):
    try:
        run.go()
    except Contradiction as error:
        return run, str(error)
    except Exception as error:  # a reply that cannot be read is a finding too
        return run, f"{type(error).__name__}: {error}"
    return run, None


def send(options):
    cases = vectors.load(options.vectors, options.file)
    runs = []
    for backend, host in (item.split("=") for item in options.backend):
        for form in options.forms:
            for number, case in enumerate(cases):
                other = "absolute" if form == "tunnel" else "tunnel"
                if not case.has(other):
                    runs.append(Run(case, backend, host, form, f"{backend}-{form[0]}{number}"))
    found, results = 0, []
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for run, problem in pool.map(attempt, runs):
            name = f"{run.case.file}: {run.case.name} ({run.backend}, {run.form})"
            if problem:
                print(f"CONTRADICTION {name}: {problem}")
                found += 1
            results.append({"id": run.ident, "name": name, "backend": run.backend,
                            "wants": run.wants, "partial": run.partial,
                            "declined": run.declined, "problem": problem})
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(results, file)
    declined = collections.Counter(r["backend"] for r in results if r["declined"])
    print(f"{len(cases)} cases, {len(runs)} runs, {found} contradictions; "
          f"declined by the upstream itself: {dict(declined)}")
    return 1 if found else 0


def read_lines(files):
    for name in files:
        with open(name, encoding="utf-8") as file:
            for line in file:
                if line.strip():
                    yield json.loads(line)


def judge(options):
    """The upstreams' and the audit log's account against the client's."""
    found = []
    with open(options.out, encoding="utf-8") as file:
        results = {result["id"]: result for result in json.load(file)}
    seen, partial = collections.defaultdict(list), collections.defaultdict(int)
    canary = open(options.canary, encoding="utf-8").read().split() if options.canary else []
    for record in read_lines(options.seen):
        ident = (record["target"].split("/") + ["", ""])[1]
        what = f"{record['via']}: {record['method']} {record['target'][:200]}"
        if not record["complete"] and not record["method"]:
            continue  # a connection that ended before it began
        if ident not in results:
            found.append(f"nobody sent {what}")
            continue
        for violation in record["violations"]:
            found.append(f"{results[ident]['name']}: {what}: {violation}")
        if not record["complete"]:
            partial[ident] += 1
            if not results[ident]["partial"]:
                found.append(f"{results[ident]['name']}: half a request: {what}")
            continue
        if canary and record["via"] != "node":
            values = [v for n, v in record["fields"] if n.lower() == "authorization"]
            if values != ["Bearer " + canary[0]]:
                found.append(f"{results[ident]['name']}: {what}: {len(values)} Authorization fields "
                             "or not the vault's")
        seen[ident].append([record["method"], record["target"], record["body"]])
    audited = collections.defaultdict(list)
    for record in read_lines([options.audit]):
        ident = ((record.get("path") or "") + "/").split("/")[1]
        if record.get("event") == "request" and ident in results:
            audited[ident].append(record)
    for ident, result in results.items():
        want = [list(item) for item in result["wants"]]
        if seen[ident] != want:
            found.append(f"{result['name']}: the client had answers to {want}, the upstream saw "
                         f"{seen[ident]}")
        # What the log says was answered by the upstream, against what the upstream says it took.
        allowed = [[r["method"], r["path"], r.get("bytes_in", 0)] for r in audited[ident]
                   if r["decision"] == "allow"]
        took = [[method, target.split("?")[0], len(body.encode("latin-1"))]
                for method, target, body in seen[ident]]
        rest = iter(allowed)
        if not all(item in rest for item in took) or \
                len(allowed) > len(took) + result["declined"]:
            found.append(f"{result['name']}: the audit log has {allowed}, the upstream {took}")
    for text in found:
        print("CONTRADICTION", text)
    print(f"{sum(map(len, seen.values()))} requests seen, {sum(partial.values())} incomplete, "
          f"{sum(map(len, audited.values()))} records, {len(found)} contradictions")
    return 1 if found else 0


class ResponseRun:
    """One scripted response, then requests whose answers it must not have touched."""

    def __init__(self, number, case, host, form):
        self.number, self.case, self.host, self.form = number, case, host, form
        self.ident = f"resp-{form[0]}{number}"
        self.place = vectors.Place(host, self.ident, form == "absolute", proxy_client.own_auth())

    def compose(self, method, path, extra=""):
        head = self.place.replace("head").replace("\\r\\n", "\r\n")
        return f"{method} {self.place.replace(path)} HTTP/1.1\r\n{head}{extra}\r\n".encode()

    def own_answer(self, wire, path, may_end):
        target = f"/{self.ident}{path}"
        wire.send(self.compose("GET", path))
        reply = wire.reply("GET")
        if reply is None:
            require(may_end, f"no answer to {target}")
            return
        require(reply.status == 200 and reply.get("X-Seen") == f"GET {target}" and
                reply.body == f"GET {target} 0\n".encode(),
                f"the answer to {target} is {reply.head!r} {reply.body!r}")

    def go(self):
        method = (self.case.arguments("method") or ["GET"])[0]
        extra = "".join(text + "\r\n" for text in self.case.arguments("request"))
        wire = Wire(self.host, self.form)
        try:
            wire.send(self.compose(method, f"/r/{self.number}", extra))
            reply = wire.reply(method)
            if self.case.has("bad"):
                require(reply is not None and reply.status == 502 and
                        reply.get("X-Agent-Vault-Proxy-Error") == "true",
                        f"passed on: {reply and reply.head!r}")
            elif self.case.has("cut"):
                require(reply is None or not reply.complete or refused_by_proxy(reply),
                        f"looks complete: {reply and reply.head!r} {reply and reply.body!r}")
            else:
                self.check_passed(reply)
            if "{wait}" in self.case.text:
                # What comes late has come before the next request. (What comes while that one is
                # on its way cannot be told from its answer, by anyone who reuses connections.)
                time.sleep(0.12)
            unsent = any("Content-Length" in text for text in self.case.arguments("request"))
            if reply is not None and unsent:
                # The announced body never came: there is no next request on this connection.
                require(wire.silent(), f"an answer behind the answer: {wire.buffer[:300]!r}")
            elif reply is not None and reply.status != 101:
                # The client's connection: the next answer is the next request's, or the end.
                self.own_answer(wire, "/next", may_end=True)
        except TimeoutError:
            raise Contradiction("neither an answer nor an end") from None
        finally:
            wire.close()
        for i in range(3):
            # And whoever gets the upstream's connection from the pool.
            wire = Wire(self.host, self.form)
            try:
                self.own_answer(wire, f"/after{i}", may_end=False)
            finally:
                wire.close()

    def check_passed(self, reply):
        status, _, body = self.case.arguments("passes")[0].partition(" ")
        require(reply is not None, "no answer")
        require(str(reply.status) == status, f"{reply.head!r} instead of {status}")
        require(reply.complete, f"cut: {reply.head!r} {reply.body!r}")
        require(reply.body == vectors.unescape(body), f"body {reply.body!r}")
        for name in ("Content-Length", "Transfer-Encoding"):
            require(sum(n.lower() == name.lower() for n, _ in reply.fields) <= 1, reply.head)


def responses(options):
    cases = vectors.load(options.vectors)
    runs = [ResponseRun(number, case, options.host, form)
            for form in options.forms for number, case in enumerate(cases)
            if not options.names or case.name in options.names]
    found = 0
    for run, problem in map(attempt, runs):  # one at a time: the pool's order is part of the test
        if problem:
            print(f"CONTRADICTION {run.case.file}: {run.case.name} ({run.form}): {problem}")
            found += 1
    print(f"{len(cases)} cases, {len(runs)} runs, {found} contradictions")
    return 1 if found else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("send", "judge", "responses"))
    parser.add_argument("--vectors")
    parser.add_argument("--file", nargs="+")
    parser.add_argument("--backend", nargs="+")
    parser.add_argument("--host")
    parser.add_argument("--forms", nargs="+", default=["tunnel", "absolute"])
    parser.add_argument("--out")
    parser.add_argument("--seen", nargs="+")
    parser.add_argument("--audit")
    parser.add_argument("--canary")
    parser.add_argument("--names", nargs="+")
    parser.add_argument("--patience", type=float, default=PATIENCE)
    options = parser.parse_args()
    Wire.patience = options.patience
    return {"send": send, "judge": judge, "responses": responses}[options.what](options)


if __name__ == "__main__":
    sys.exit(main())
