#!/usr/bin/env python3
"""Looks at the broker from outside while soak_client.py works: soak_watch.py PID DIRECTORY SECONDS

Before and after: descriptors, the sockets of clients and of upstreams, resident memory. Exit 1, and
lines beginning with PROBLEM, when something was left behind.
"""

import json
import os
import sys
import time

# Idle connections to upstreams stay for the next request; see UpstreamPool.
MAX_POOLED = 64
GROWTH = 24 << 20


def sockets(pid):
    """inode -> (local port, remote port) of the process's TCP sockets"""
    table = {}
    for name in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{name}", encoding="ascii") as file:
            for line in list(file)[1:]:
                parts = line.split()
                table[parts[9]] = (int(parts[1].split(":")[1], 16), int(parts[2].split(":")[1], 16))
    return table


class State:
    def __init__(self, pid, port, known=None):
        """`known`: the sockets of an earlier look that were not TCP's; None: this is the first one."""
        self.foreign = set()
        table = sockets(pid)
        self.clients = self.upstreams = self.dead = self.others = 0
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue
            is_socket = target.startswith("socket:[")
            ends = table.get(target[8:-1]) if is_socket else None
            if is_socket and ends is None:
                self.foreign.add(target)
            if known is not None and is_socket and ends is None and target not in known:
                self.dead += 1  # reset by its peer, and not closed yet
            elif ends is None or ends[1] == 0:
                self.others += 1
            elif ends[0] == port:
                self.clients += 1
            else:
                self.upstreams += 1
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            self.rss = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def __str__(self):
        return (f"{self.clients} clients, {self.upstreams} upstreams, {self.dead} dead, "
                f"{self.others} other descriptors, {self.rss >> 10} KiB")


def wait_for(path, seconds, pid):
    end = time.monotonic() + seconds
    while not os.path.exists(path):
        if time.monotonic() > end or not os.path.exists(f"/proc/{pid}/fd"):
            print(f"PROBLEM no {os.path.basename(path)}: the broker or the client is gone or stuck")
            sys.exit(1)
        time.sleep(0.05)


def touch(path):
    with open(path, "w", encoding="ascii"):
        pass


def main():
    pid, directory, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    at = lambda name: os.path.join(directory, name)
    wait_for(at("warm"), 60, pid)
    with open(at("warm"), encoding="ascii") as file:
        port = int(file.read())
    time.sleep(0.5)
    before = State(pid, port)
    print("before:", before)
    touch(at("go"))
    wait_for(at("done"), seconds + 60, pid)
    with open(at("done"), encoding="utf-8") as file:
        done = json.load(file)
    allowed = MAX_POOLED
    # What the clients left behind may need the longest time limit of the case to end.
    end = time.monotonic() + 15
    after = State(pid, port, before.foreign)
    while after.clients > 0 and time.monotonic() < end:
        time.sleep(0.2)
        after = State(pid, port, before.foreign)
    if seconds >= 60:
        # Long enough for the pool's own time limit: then nothing at all may be left.
        end = time.monotonic() + 75
        while after.upstreams + after.dead > 0 and time.monotonic() < end:
            time.sleep(1)
            after = State(pid, port, before.foreign)
        allowed = 0
    print("after: ", after)
    print(done["requests"], "requests,", done["problems"], "problems")
    for name, count in sorted(done["stats"].items()):
        print(f"  {count:6} {name}")
    problems = []
    if after.clients != 0:
        problems.append(f"{after.clients} sessions of clients that have gone")
    if after.upstreams + after.dead > allowed:
        problems.append(f"{after.upstreams} connections to upstreams are kept, {after.dead} dead ones")
    if after.others > before.others:
        problems.append(f"{after.others} descriptors instead of {before.others}")
    if after.rss > before.rss + GROWTH:
        problems.append(f"{after.rss >> 10} KiB instead of {before.rss >> 10} KiB")
    if done["requests"] < 100:
        problems.append("next to nothing was done")
    for problem in problems:
        print("PROBLEM", problem)
    touch(at("end"))
    return 1 if problems or done["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
