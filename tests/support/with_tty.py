#!/usr/bin/env python3
"""A small `expect`: runs a command on a pseudo-terminal of its own and plays a person.

    with_tty.py [STEP...] -- COMMAND...

Steps, in order: `expect=REGEXP` waits for output, `send=TEXT` types (with \\n, \\x03 and the like),
`size=ROWSxCOLS` resizes the window, `eof` closes nothing but types Ctrl-D. All that the terminal
shows goes to standard output; the exit code is the command's (128+N when it died by a signal), or
125 when an expectation was not met within 15 s.
"""

import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

PATIENCE = 15


def main():
    split = sys.argv.index("--")
    steps, command = sys.argv[1:split], sys.argv[split + 1:]
    pid, master = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    seen, checked, ended = b"", 0, False

    def pump(seconds):
        nonlocal seen, ended
        if ended:
            return
        ready, _, _ = select.select([master], [], [], seconds)
        if not ready:
            return
        try:
            data = os.read(master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        if not data:
            ended = True
            return
        seen += data
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    for step in steps:
        what, _, value = step.partition("=")
        if what == "expect":
            pattern, deadline = re.compile(value.encode()), time.monotonic() + PATIENCE
            while True:
                found = pattern.search(seen, checked)
                if found:
                    checked = found.end()
                    break
                if ended or time.monotonic() > deadline:
                    print(f"\nwith_tty: no match for {value!r}", flush=True)
                    os.kill(pid, signal.SIGKILL)
                    return 125
                pump(0.1)
        elif what == "send":
            os.write(master, value.encode().decode("unicode_escape").encode("latin-1"))
        elif what == "eof":
            os.write(master, b"\x04")
        elif what == "size":
            rows, columns = map(int, value.split("x"))
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        else:
            raise SystemExit(f"with_tty: unknown step {step}")
    deadline = time.monotonic() + PATIENCE
    while not ended and time.monotonic() < deadline:
        pump(0.1)
    if not ended:
        print("\nwith_tty: the command did not end", flush=True)
        os.kill(pid, signal.SIGKILL)
        return 125
    status = os.waitpid(pid, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


if __name__ == "__main__":
    sys.exit(main())
