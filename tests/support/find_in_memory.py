#!/usr/bin/env python3
"""Looks for canaries in the memory of processes: raw, as hex, as base64 at each alignment.

usage: find_in_memory.py CANARIES nowhere|locked PID...
  nowhere: found at all is a failure. locked: found outside of memory that is locked (never swapped) and left out of core
  dumps is one. Exit 1 for a failure, 2 when a process cannot be read; prints how often each was found where it may be.
"""
import base64, re, sys


def needles_of(path):
    out = {}
    for value in open(path, encoding="utf-8").read().split():
        raw = value.encode()
        out[raw] = (value, "raw")
        for text in (raw.hex(), raw.hex().upper()):
            out[text.encode()] = (value, "hex")
        for shift in range(3):  # the part that does not depend on the neighbours
            cut = raw[(3 - shift) % 3:]
            cut = cut[:len(cut) // 3 * 3]
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                out[encode(cut)] = (value, "base64")
    return out


def areas_of(pid):
    """(begin, end, permissions, name, flags) of each mapping."""
    head = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)")
    area = None
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as file:
        for line in file:
            if match := head.match(line):
                area = [int(match[1], 16), int(match[2], 16), match[3], match[4].strip()]
            elif line.startswith("VmFlags:"):
                yield (*area, set(line.split()[1:]))


def main():
    needles, strict = needles_of(sys.argv[1]), sys.argv[2] == "nowhere"
    pattern = re.compile(b"|".join(re.escape(n) for n in sorted(needles, key=len, reverse=True)))
    bad, kept = 0, {}
    for pid in sys.argv[3:]:
        read = 0
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for begin, end, permissions, name, flags in areas_of(pid):
                if "r" not in permissions or name in ("[vvar]", "[vsyscall]"):
                    continue
                try:
                    memory.seek(begin)
                    data = memory.read(end - begin)
                except (OSError, ValueError, OverflowError):
                    continue
                read += len(data)
                for match in pattern.finditer(data):
                    value, how = needles[match[0]]
                    if not strict and {"lo", "dd"} <= flags:
                        kept[value] = kept.get(value, 0) + 1
                        continue
                    around = data[max(0, match.start() - 48):match.end() + 48]
                    print(f"FAIL: process {pid} has {value} ({how}) in {name or 'anonymous memory'} {permissions} "
                          f"{' '.join(sorted(flags))}: {around!r}")
                    bad = 1
        if read == 0:
            print(f"process {pid} cannot be read")
            sys.exit(2)
    print("locked:", kept)
    sys.exit(bad)


main()
