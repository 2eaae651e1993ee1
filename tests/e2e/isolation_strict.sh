#!/usr/bin/env bash
# Isolation `strict`: what developers do works out of the box, what they write elsewhere is refused or thrown away, and files with logins
# are replaced by ones with placeholders.
# timeout: 240
set -eu
. "$(dirname "$0")/common.inc"
need git python3 curl
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"
# A home like a developer's, and a project in it.
mkdir -p "$HOME/.ssh" "$HOME/.config/gh" "$HOME/.aws" "$HOME/project" "$HOME/other" "$HOME/.cache/tool"
echo secret-of-ssh >"$HOME/.ssh/id"
echo secret-of-gh >"$HOME/.config/gh/hosts.yml"
echo 'machine echo.test login me password secret-of-netrc' >"$HOME/.netrc"
echo secret-of-aws >"$HOME/.aws/credentials"
echo kept >"$HOME/other/file"
echo warm >"$HOME/.cache/tool/data"
git config --global user.email a@b.c
git config --global user.name A
set_credential GITHUB_TOKEN "$(new_canary ghp_)"
av vault service add --preset github >/dev/null 2>&1 || fail "no preset for GitHub"
cd "$HOME/project"
RUN_OPTIONS+=(--isolation strict)

cat >work.sh <<'SH'
set -eu
git init -q repo && cd repo
echo hello >file && git add file && git commit -qm one && git log --oneline | wc -l
cd ..
python3 -c 'open("made.txt", "w").write("x"); import tempfile; print(tempfile.mkstemp()[1][:5])'
curl -sS https://echo.test/echo -o echo.json
echo more >>"$HOME/.cache/tool/data" && cat "$HOME/.cache/tool/data"
(echo x >"$HOME/other/file") 2>/dev/null && echo "BAD other writable"
(echo x >"$HOME/new") 2>/dev/null && echo "BAD home writable"
cat "$HOME/.ssh/id" 2>/dev/null && echo "BAD ssh"
ls -A "$HOME/.ssh" | grep . && echo "BAD ssh listed"
cat "$HOME/.aws/credentials" 2>/dev/null && echo "BAD aws"
cat "$HOME/.netrc"
cat "$HOME/.config/gh/hosts.yml"
echo x >/tmp/mine && [ -z "$(find /tmp -maxdepth 1 -name 'tmux*')" ]
[ -c /dev/null ] && [ -c /dev/urandom ] && [ ! -e /dev/sda ] && [ ! -e /dev/vda ]
python3 -c 'import os, pty; m, s = pty.openpty(); print(os.ttyname(s))'
python3 -c 'import multiprocessing as m; q = m.Queue(); p = m.Process(target=q.put, args=(7,)); p.start(); print(q.get()); p.join()'
mktemp -d >/dev/null
sh -c 'exit 3' || [ $? = 3 ]
(sleep 1000 &) # does not outlive the run
SH
agent -- bash work.sh
assert_absent "$OUT/agent.out" BAD
assert_absent "$OUT/agent.out" secret-of
assert_contains "$OUT/agent.out" "machine echo.test login agent-vault password"
assert_matches "$OUT/agent.out" 'oauth_token: gh'
assert_contains "$OUT/agent.out" "/dev/pts/0"
assert_contains "$OUT/agent.out" "more"
assert_eq warm "$(cat "$HOME/.cache/tool/data")" "a cache outside"
assert_eq kept "$(cat "$HOME/other/file")"
assert_eq GET "$(json echo.json 'd["method"]')"
[ -f made.txt ] || fail "the working directory was not written to"
[ ! -e /tmp/mine ] || fail "/tmp is shared"
canary_check "$OUT/agent.out" "$OUT/agent.err" "$HOME/project"
[ ! -e "$HOME/new" ]

# More, when it is said.
agent --write "$HOME/other" -- sh -c 'echo changed >"$HOME/other/file"'
assert_eq changed "$(cat "$HOME/other/file")"
agent --read "$HOME/.ssh" -- sh -c 'cat "$HOME/.ssh/id"; ! echo x >"$HOME/.ssh/id"'
assert_contains "$OUT/agent.out" secret-of-ssh
expect_exit 125 av run --isolation strict --write /nonexistent/x -- true
assert_error "is not there"
expect_exit 2 av run --share teleporter -- true
assert_contains "$OUT/stderr" "session-bus"
cd "$HOME"
expect_exit 125 av run --isolation strict -- true
assert_error "could change everything in your home"
agent --write "$HOME" -- sh -c 'echo x >"$HOME/new"'
rm "$HOME/new"
cd "$HOME/project"

# A socket of a program in the home, found by looking; and one that is shared by name.
export XDG_RUNTIME_DIR=$AV_CASE/runtime
mkdir -m 700 "$XDG_RUNTIME_DIR"
"$AV_PYTHON" - "$HOME/daemon.sock" "$XDG_RUNTIME_DIR/docker.sock" <<'PY' &
import socket, sys, time
listening = []
for path in sys.argv[1:]:
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen()
    listening.append(s)
time.sleep(200)
PY
wait_for 30 test -S "$XDG_RUNTIME_DIR/docker.sock"
cat >sock.py <<'PY'
import socket, sys
for path in sys.argv[1:]:
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        print("connected", path)
    except OSError as error:
        print("no", path, error)
PY
agent -- "$AV_PYTHON" sock.py "$HOME/daemon.sock" "$XDG_RUNTIME_DIR/docker.sock"
assert_absent "$OUT/agent.out" connected
assert_contains "$OUT/agent.err" "--share docker"
agent --share docker -- "$AV_PYTHON" sock.py "$HOME/daemon.sock" "$XDG_RUNTIME_DIR/docker.sock"
assert_eq 1 "$(grep -c ^connected "$OUT/agent.out")" "what is shared"
assert_absent "$OUT/agent.err" "--share docker"
"$AV_BINARY" run --isolation store -- "$AV_PYTHON" sock.py "$HOME/daemon.sock" "$XDG_RUNTIME_DIR/docker.sock" >"$OUT/agent.out" 2>"$OUT/agent.err"
assert_contains "$OUT/agent.out" "connected $HOME/daemon.sock"
assert_absent "$OUT/agent.out" "connected $XDG_RUNTIME_DIR"

# What the command works in is kept, also where a copy is laid over a directory above it.
mkdir -p "$HOME/go/src/x" "$HOME/.cache/kept"
(cd "$HOME/go/src/x" && av run --isolation strict --write "$HOME/.cache/kept" -- sh -c "echo work >file; echo kept >$HOME/.cache/kept/file; echo lost >$HOME/go/file" 2>/dev/null)
assert_eq work "$(cat "$HOME/go/src/x/file")" "a working directory below a cache"
assert_eq kept "$(cat "$HOME/.cache/kept/file")" "a part of a cache that may be written"
[ ! -e "$HOME/go/file" ] || fail "the copy was written through"

# A run that fails while somebody connects to its port says why, and ends.
port=$("$AV_PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$AV_PYTHON" - "$port" <<'PY' &
import socket, sys, time
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
    except OSError:
        time.sleep(0.001)
PY
knocking=$!
for _ in 1 2 3 4 5 6 7 8; do
  got=0
  (cd "$HOME" && timeout 20 "$AV_BINARY" run --isolation strict --expose "$port" -- true 2>"$OUT/knocked") || got=$?
  assert_eq 125 "$got" "$(cat "$OUT/knocked")"
done
kill $knocking
