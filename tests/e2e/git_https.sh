#!/usr/bin/env bash
# git clones and pushes over https with the github preset; the client needs no login.
set -eu
. "$(dirname "$0")/common.inc"
need git
git --exec-path >/dev/null
[ -x "$(git --exec-path)/git-http-backend" ] || skip "git http-backend is not installed"

real=$(new_canary ghp_)
printf '%s' "$real" >"$OUT/github.token"
start_upstream --expect-github-token-file "$OUT/github.token"
play github.com api.github.com
set_credential GITHUB_TOKEN "$real"
av vault service add --preset github >/dev/null

export GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0
cat >g.sh <<'SH'
set -eu
git clone -q https://github.com/owner/repo.git
cd repo
head -c 300000 /dev/urandom >big
git add big
git -c user.name=a -c user.email=a@a commit -q -m second
git push -q origin main
cd ..
git clone -q https://github.com/owner/repo.git again
SH
agent -- sh g.sh

assert_contains repo/README 'hello from the fake'
cmp repo/big again/big
expected=$(printf 'x-access-token:%s' "$real" | base64 -w0)
assert_eq true "$(received "all(['Authorization', 'Basic $expected'] in x['headers'] for x in r)")" "every request was authenticated"
assert_eq true "$(received "any('git-receive-pack' in x['target'] for x in r)")" "something was pushed"
canary_check "$HOME" "$AV_CASE/work" "$OUT/agent.out" "$OUT/agent.err"
