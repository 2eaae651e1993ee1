#!/usr/bin/env python3
"""Runs a program on a kernel that seems to lack something: mask_calls.py RULE... -- PROGRAM ARGUMENT...

A rule is NAME=ERRNO, with conditions on arguments, all of which must hold: NAME:INDEX&BITS=ERRNO (any of these bits set) or
NAME:INDEX==VALUE=ERRNO. By a seccomp filter, so for all that the program starts as well. Names are those below."""

import ctypes
import errno
import os
import re
import struct
import sys

NUMBERS = {"x86_64": {"clone": 56, "unshare": 272, "mount": 165, "seccomp": 317, "prctl": 157, "socket": 41, "setns": 308},
           "aarch64": {"clone": 220, "unshare": 97, "mount": 40, "seccomp": 277, "prctl": 167, "socket": 198, "setns": 268}}[os.uname().machine]
NUMBERS.update({"landlock_create_ruleset": 444, "mount_setattr": 442, "open_tree": 428, "move_mount": 429})
LOAD, EQUAL, ANY_BITS, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000


def instruction(code, yes, no, value):
    return struct.pack("HBBI", code, yes, no, value)


def rule(text):
    what, error = text.rsplit("=", 1)
    name, *conditions = what.split(":")
    parts = []
    for condition in conditions:
        index, operator, value = re.fullmatch(r"(\d)(&|==)(0x[0-9a-f]+|\d+)", condition).groups()
        parts.append((LOAD, 16 + 8 * int(index)))
        parts.append((ANY_BITS if operator == "&" else EQUAL, int(value, 0)))
    code = instruction(LOAD, 0, 0, 0)
    length = len(parts) + 1  # what is jumped over when a test fails: the rest and the answer
    code += instruction(EQUAL, 0, length, NUMBERS[name])
    for at, (operation, value) in enumerate(parts):
        code += instruction(operation, 0, 0 if operation == LOAD else length - at - 1, value)
    return code + instruction(RETURN, 0, 0, REFUSE | getattr(errno, error))


split = sys.argv.index("--")
program = b"".join(rule(text) for text in sys.argv[1:split]) + instruction(RETURN, 0, 0, ALLOW)
buffer = ctypes.create_string_buffer(program)
libc = ctypes.CDLL(None, use_errno=True)
if os.geteuid() != 0 and libc.prctl(38, 1, 0, 0, 0) != 0 or \
        libc.prctl(22, 2, struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer)), 0, 0) != 0:
    sys.exit(f"cannot mask calls: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[split + 1], sys.argv[split + 1:])
