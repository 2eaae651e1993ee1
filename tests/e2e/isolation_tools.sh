#!/usr/bin/env bash
# At `strict`, with nothing set up: git over https, npm install, pip download, and servers in Python and Node that are reached from outside.
# timeout: 240
set -eu
. "$(dirname "$0")/common.inc"
need git node npm python3
[ -x "$(git --exec-path)/git-http-backend" ] || skip "git http-backend is not installed"
real=$(new_canary ghp_)
printf '%s' "$real" >"$OUT/github.token"
start_upstream --expect-github-token-file "$OUT/github.token"
play github.com api.github.com
"$AV_PYTHON" "$SUPPORT/package_index.py" "$CERTS" server >"$OUT/index.out" 2>"$OUT/index.err" &
wait_for 30 test -s "$OUT/index.out"
RUN_OPTIONS+=(--resolve "packages.echo.test:443:127.0.0.1:$(json "$OUT/index.out" 'd["port"]')" --isolation strict)
set_credential GITHUB_TOKEN "$real"
av vault service add --preset github >/dev/null
mkdir -p "$HOME/project" "$HOME/.npm"
cd "$HOME/project"
export GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0 npm_config_update_notifier=false npm_config_audit=false npm_config_fund=false

cat >tools.sh <<'SH'
set -eu
git clone -q https://github.com/owner/repo.git && cat repo/README
cd repo && echo x >file && git add file && git -c user.name=a -c user.email=a@a commit -qm second && git push -q origin HEAD && cd ..
mkdir app && cd app
npm init -y >/dev/null
npm install --registry https://packages.echo.test/npm/ av-left >/dev/null
node -e 'console.log(require("av-left")())'
cd ..
SH
agent -- bash tools.sh
assert_contains "$OUT/agent.out" 'hello from the fake'
assert_contains "$OUT/agent.out" 'left from npm'
[ -d app/node_modules/av-left ] || fail "what was installed is not in the project"
[ ! -e "$HOME/.npm/_cacache" ] || fail "npm's cache has got something"
canary_check "$OUT/agent.out" "$OUT/agent.err" "$HOME"

if "$AV_PYTHON" -m pip --version >/dev/null 2>&1; then
  agent -- "$AV_PYTHON" -m pip download -q --no-deps --index-url https://packages.echo.test/simple/ -d wheels av-left
  ls wheels/av_left-1.0-py3-none-any.whl
fi

port() { "$AV_PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
echo '<p>served from inside</p>' >index.html
for server in "$AV_PYTHON -m http.server 8000 --bind 127.0.0.1" \
  "node -e require('http').createServer((q,r)=>r.end('served\x20from\x20inside')).listen(8000,'127.0.0.1')"; do
  outside=$(port)
  # shellcheck disable=SC2086 # words
  start_run --expose "$outside:8000" -- $server
  wait_for 30 curl -sf --noproxy '*' "http://127.0.0.1:$outside/" -o "$OUT/page"
  assert_contains "$OUT/page" "served from inside"
  kill "$RUN_PID"
  wait "$RUN_PID" || true
done

# -- compilers, with caches in a home that has none yet: what they build is in the project, what they cache is thrown away
mkdir -p "$HOME/build/hello/src" "$HOME/build/words"
cd "$HOME/build"
printf 'int main(void) { return 42; }\n' >answer.c
printf 'answer: answer.c\n\t$(CC) -o $@ answer.c\n' >Makefile
printf 'module words\n\ngo 1.19\n' >words/go.mod
printf 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("from", "go") }\n' >words/main.go
printf '[package]\nname = "hello"\nversion = "0.1.0"\nedition = "2021"\n' >hello/Cargo.toml
printf 'fn main() { println!("from {}", "cargo"); }\n' >hello/src/main.rs
# A toolchain of the user's own is where it was, whatever HOME is here.
user_home=$(getent passwd "$(id -u)" | cut -d: -f6)
[ ! -d "$user_home/.rustup" ] || export RUSTUP_HOME="${RUSTUP_HOME:-$user_home/.rustup}"
built=
try() { # PROGRAM WORDS COMMAND...: at strict as it works outside
  local program=$1 words=$2
  shift 2
  command -v "$program" >/dev/null && "$program" --version >/dev/null 2>&1 || "$program" version >/dev/null 2>&1 || return 0
  agent -- "$@"
  assert_contains "$OUT/agent.out" "$words"
  built="$built $program"
}
try make 'cc -o answer' make CC=cc
[ ! -x answer ] || { got=0; ./answer || got=$?; assert_eq 42 "$got" "what make has built"; }
try go 'from go' go run -C words .
try cargo 'from cargo' cargo run -q --offline --manifest-path hello/Cargo.toml
[ ! -d hello/target ] || [ -x hello/target/debug/hello ] || fail "cargo has built nothing"
echo "built with:$built"
[ -n "$built" ] || fail "no compiler was tried"
