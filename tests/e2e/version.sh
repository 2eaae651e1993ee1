#!/usr/bin/env bash
# `version`: the libraries are those that this process has loaded, the commit is the tree's; neither needs a home
# or makes a store.
set -eu
. "$(dirname "$0")/common.inc"
av --version --json >"$OUT/facts"
assert_eq "$(av --version)" "agent-vault $(json "$OUT/facts" 'd["version"]')"
av version --json | cmp - "$OUT/facts"
env -i "$AV_BINARY" version >"$OUT/table" || fail "version needs an environment"
assert_contains "$OUT/table" "$(json "$OUT/facts" 'd["compiler"]')"
[ ! -e "$AGENT_VAULT_HOME" ] || fail "version made a store"
assert_matches <(json "$OUT/facts" 'd["commit"] or "0"') '^[0-9a-f]+(-modified)?$'
assert_eq "$(uname -m)" "$(json "$OUT/facts" 'd["architecture"]')"

# Others that load the same libraries agree.
loaded() { json "$OUT/facts" "d['libraries']['$1']"; }
if command -v sqlite3 >/dev/null; then
  assert_eq "$(sqlite3 --version | cut -d' ' -f1)" "$(loaded SQLite)"
fi
if command -v openssl >/dev/null; then
  assert_eq "$(openssl version | sed 's/.*Library: OpenSSL \([^ ]*\).*/\1/; s/^OpenSSL \([^ ]*\).*/\1/')" "$(loaded OpenSSL)"
fi
assert_eq "$("$AV_PYTHON" -c 'import zlib; print(zlib.ZLIB_RUNTIME_VERSION)')" "$(loaded zlib)"

# Where the commit comes from: the repository, whether it was changed; what is given; or nothing.
need cmake git
mkdir -p "$OUT/tree"
cd "$OUT/tree"
commit_of() { # [OPTION]
  cmake -DSOURCE="$OUT/tree" -DOUTPUT="$OUT/commit.cc" "$@" -P "$AV_ROOT/cmake/commit.cmake" >"$OUT/cmake" 2>&1 || return
  sed -n 's/.*return "\(.*\)".*/\1/p' "$OUT/commit.cc"
}
assert_eq '' "$(commit_of)"
assert_eq 0123abc "$(commit_of -DCOMMIT=0123abc)"
! commit_of '-DCOMMIT=x"; evil()' || fail "a commit that is none was taken"
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q . && echo one >file && git add file && git commit -qm one
assert_eq "$(git rev-parse HEAD)" "$(commit_of)"
echo two >file
assert_eq "$(git rev-parse HEAD)-modified" "$(commit_of)"
