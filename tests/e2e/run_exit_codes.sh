#!/usr/bin/env bash
# run passes the child's exit code through, dies by the child's signal, and has three codes of its own.
set -eu
. "$(dirname "$0")/common.inc"
for code in 0 1 7 42 124 255; do
  expect_exit $code av run -- sh -c "exit $code"
done
expect_exit 127 av run -- no-such-program-here
assert_contains "$OUT/stderr" no-such-program-here
printf 'not a program' >plain.txt
expect_exit 126 av run -- ./plain.txt
expect_exit 126 av run -- /
expect_exit 125 av run --upstream-ca /no/such/file.pem -- true
assert_error /no/such/file.pem
expect_exit 125 av run --vault no-such-vault -- true
assert_error no-such-vault
expect_exit 2 av run
expect_exit 2 av run --no-such-option -- true

# The signal, as the parent's wait() sees it, not a code above 128.
"$AV_PYTHON" - "$AV_BINARY" <<'PY'
import signal, subprocess, sys
for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGUSR1):
    done = subprocess.run([sys.argv[1], "run", "--", "sh", "-c", f"kill -{int(number)} $$; sleep 10"],
                          stderr=subprocess.PIPE)
    assert done.returncode == -number, (number, done.returncode, done.stderr)
PY
# Output and input pass unchanged.
printf 'in\0put' | av run -- cat >cat.out 2>"$OUT/cat.err"
assert_eq "$(printf 'in\0put' | sha256sum)" "$(sha256sum <cat.out)"
expect_exit 0 av run -- sh -c 'printf out; printf err >&2'
assert_eq out "$(cat "$OUT/stdout")"
assert_contains "$OUT/stderr" err
assert_eq 'a b|c|*|' "$(av run -- sh -c 'printf "%s|" "$@"' _ 'a b' c '*' 2>/dev/null)"
