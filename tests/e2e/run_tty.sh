#!/usr/bin/env bash
# On a terminal the child is in the foreground: Ctrl-C reaches it and not run, Ctrl-Z stops the job for
# the shell and fg continues it, and it sees the window's size and its changes.
set -eu
. "$(dirname "$0")/common.inc"
tty() { "$AV_PYTHON" "$SUPPORT/with_tty.py" "$@" >"$OUT/tty.out" 2>&1; }
show() { cat "$OUT/tty.out" >&2; fail "$1"; }

# Ctrl-C: the child catches it and goes on; run is still there to pass the exit code.
code=0
tty expect=ready 'send=\x03' expect=caught 'send=\n' -- "$AV_BINARY" run -- \
  bash -c 'trap "echo caught" INT; echo ready; until read -r; do :; done; exit 9' || code=$?
[ $code = 9 ] || show "exit $code instead of 9 after Ctrl-C"

# Ctrl-C with a child that does not catch it: run dies by SIGINT too.
code=0
tty expect=ready 'send=\x03' -- "$AV_BINARY" run -- bash -c 'echo ready; sleep 20' || code=$?
[ $code = 130 ] || show "exit $code instead of 130"

# Ctrl-Z and fg, in an interactive shell with job control.
cat >job.sh <<'SH'
echo ready
read -r line
echo "line is $line"
SH
export PS1='prompt> '
tty expect=prompt 'send="$AV_BINARY" run -- bash job.sh\n' expect=ready 'send=\x1a' expect=Stopped \
  'send=echo mark$((1+1))\n' expect=mark2 'send=fg\n' 'expect=job.sh' 'send=typed\n' \
  'expect=line is typed' 'send=exit\n' -- bash --norc --noprofile -i || show "Ctrl-Z and fg"

# Window size, at the start and after a change.
tty expect=ready 'send=\n' size=33x77 'send=\n' 'expect=33 77' 'send=\n' -- "$AV_BINARY" run -- \
  bash -c 'trap "stty size" WINCH; echo ready; read -r; until stty size | grep -q "33 77"; do sleep 0.02; done; stty size; read -r' ||
  show "window size"
# A password prompt of the child works on /dev/tty, and a pipe beside it does not disturb it.
tty expect=word: 'send=hush\n' 'expect=got hush' -- "$AV_BINARY" run -- \
  bash -c 'echo x | (cat >/dev/null; read -rsp word: w </dev/tty; echo "got $w")' || show "/dev/tty"
