#!/usr/bin/env bash
# `kill -9` of a write at a random moment, many times: what was acknowledged is there, whole, and the
# store always opens.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
set_credential START one
"$AV_PYTHON" - "$AV_BINARY" <<'PY'
import random, subprocess, sys
binary = sys.argv[1]
random.seed(7)
def write(key, value):
    return subprocess.Popen([binary, "vault", "credential", "set", key, "--stdin"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
# The moments of death are spread over the time that a write takes; `span` follows that time, so that
# about half of them die on a machine of any speed.
span = 0.02
written, killed = {}, 0
for i in range(60):
    key, value = f"KEY_{i % 20}", f"value-{i}-" + "v" * random.choice((1, 100, 60000))
    process = write(key, value)
    process.stdin.write(value.encode())
    process.stdin.close()
    try:
        process.wait(random.uniform(0, span))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.returncode == 0:
        written[key] = [value]
        span *= 0.85
    else:
        killed += 1
        span *= 1.2
        # Not acknowledged: the old or the new value, nothing else.
        written.setdefault(key, [None]).append(value)
for key, allowed in written.items():
    done = subprocess.run([binary, "vault", "credential", "get", key], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    got = done.stdout.decode().rstrip("\n") if done.returncode == 0 else None
    if done.returncode not in (0, 3):
        raise SystemExit(f"{key}: exit {done.returncode}: {done.stderr.decode()}")
    assert got in allowed, (key, got and got[:40], [a and a[:40] for a in allowed])
print(f"{killed} of 60 writes were killed")
assert 10 <= killed <= 55, killed
PY
assert_eq one "$(av vault credential get START)"
