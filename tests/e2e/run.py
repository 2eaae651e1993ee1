#!/usr/bin/env python3
"""Runs the end-to-end cases, tests/e2e/*.sh or those of --dir, each with its own temporary home and
a hard time limit.

    run.py [--dir tests/e2e] [--binary build/agent-vault] [--jobs 2] [--repeat 1] [--keep] [NAME...]

One line per case; the last line is exactly `N passed, N failed, N skipped`. A case passes with exit
code 0 and is skipped with 77 (its last line then says why). A case that needs longer than the usual
limit says so in a line `# timeout: SECONDS` or `# timeout: SECONDS + VARIABLE`. Whatever a case leaves running is killed: each one has
a supervisor that adopts orphans (PR_SET_CHILD_SUBREAPER), so not even a daemon gets away.
"""

import argparse
import concurrent.futures
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LIMIT = 60
SKIPPED = 77
PR_SET_CHILD_SUBREAPER = 36
# All that a case inherits. Proxies, CA bundles and keys of the caller would decide its outcome.
KEEP = ("PATH", "LANG", "USER", "LOGNAME", "AV_NPM_DIR", "AV_PYTHON", "JAVA_HOME", "SOAK_SECONDS", "AV_SHOTS", "PARALLEL_SECONDS", "PARALLEL_AGENTS", "PARALLEL_PAUSE", "LOAD_AGENTS", "LOAD_SECONDS", "FLOOD",
        "SOAK_SEED")


def descendants(pid):
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="latin-1") as file:
                    parents[int(name)] = int(file.read().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError, ValueError):
                pass
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        grown = bool(more)
        found |= more
    return found - {pid}


def supervise(script, limit):
    """The body of a supervisor process: runs one script and leaves nothing behind."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # What is ignored is inherited, and a shell cannot undo it: under nohup no case would hear a SIGHUP.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    child = subprocess.Popen(["bash", script], stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        status = child.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        print(f"FAIL: not finished after {limit} s", flush=True)
        status = 124
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        left = descendants(os.getpid())
        if not left:
            break
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0] > 0:
                pass
        except ChildProcessError:
            pass
        time.sleep(0.005)
    return status if status >= 0 else 128 - status


def limit_of(script):
    with open(script, encoding="utf-8") as file:
        found = re.search(r"^# timeout: (\d+)(?: \+ (\w+))?", file.read(), re.M)
    return int(found.group(1)) + int(os.environ.get(found.group(2) or "", 0)) if found else LIMIT


def run_case(name, options):
    script = os.path.join(options.dir, name + ".sh")
    case = tempfile.mkdtemp(prefix=f"av-{name}-")
    os.chmod(case, 0o755)
    for part in ("home", "tmp", "work"):
        os.mkdir(os.path.join(case, part), 0o700)
    env = {key: os.environ[key] for key in KEEP if key in os.environ}
    env.setdefault("LANG", "C.UTF-8")
    env.update(HOME=f"{case}/home", TMPDIR=f"{case}/tmp", AGENT_VAULT_HOME=f"{case}/store",
               AV_BINARY=options.binary, AV_CASE=case, AV_ROOT=ROOT, TERM="xterm")
    started = time.monotonic()
    done = subprocess.run([sys.executable, __file__, "--supervise", str(limit_of(script)), script],
                          env=env, cwd=f"{case}/work", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
    elapsed = time.monotonic() - started
    if not options.keep:
        shutil.rmtree(case, ignore_errors=True)
    return name, done.returncode, elapsed, done.stdout.decode("utf-8", "replace")


def report(name, status, elapsed, output):
    if status == 0:
        print(f"ok    {name} ({elapsed:.1f} s)", flush=True)
    elif status == SKIPPED:
        reason = output.strip().splitlines()[-1] if output.strip() else "no reason given"
        print(f"skip  {name}: {reason.removeprefix('skip: ')}", flush=True)
    else:
        print(f"FAIL  {name} ({elapsed:.1f} s, exit {status})", flush=True)
        print("".join(f"      | {line}\n" for line in output.splitlines()[-60:]), end="", flush=True)


def main():
    # Started in the background of a script, we would hand on an ignored SIGINT, which shells keep.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", default=HERE, help="where the cases are")
    parser.add_argument("--binary", default=os.path.join(ROOT, "build", "agent-vault"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the cases' directories")
    parser.add_argument("--one", action="store_true",
                        help="one case, its output and its exit code (for ctest)")
    parser.add_argument("--supervise", nargs=2, metavar=("LIMIT", "SCRIPT"), help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if options.supervise:
        return supervise(options.supervise[1], int(options.supervise[0]))

    options.binary = os.path.abspath(options.binary)
    options.dir = os.path.abspath(options.dir)
    if not os.access(options.binary, os.X_OK):
        print(f"run.py: no binary at {options.binary}", file=sys.stderr)
        return 1
    known = sorted(file[:-3] for file in os.listdir(options.dir) if file.endswith(".sh"))
    names = [os.path.basename(name).removesuffix(".sh") for name in options.names] or known
    for name in names:
        if name not in known:
            print(f"run.py: no case {name}", file=sys.stderr)
            return 2
    if options.one:
        _, status, _, output = run_case(names[0], options)
        print(output, end="")
        return status

    # The slow ones first: the last minutes are then not one long case on one core.
    names = sorted(names, key=lambda name: -limit_of(os.path.join(options.dir, name + ".sh")))
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        jobs = [pool.submit(run_case, name, options) for name in names * options.repeat]
        for job in concurrent.futures.as_completed(jobs):
            result = job.result()
            report(*result)
            counts["passed" if result[1] == 0 else
                   "skipped" if result[1] == SKIPPED else "failed"] += 1
    print(", ".join(f"{count} {word}" for word, count in counts.items()), flush=True)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
