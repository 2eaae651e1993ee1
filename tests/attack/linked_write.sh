#!/usr/bin/env bash
# At strict the command of an earlier run has put a link to a login where --write, --read or the working directory of the next one lead.
set -eu
. "$(dirname "$0")/attack.inc"
mkdir -p "$HOME/.ssh" "$HOME/project/sub/out"
echo private-key >"$HOME/.ssh/id"
cd "$HOME/project"
planter='mv sub sub.old && mkdir sub && ln -s "$HOME/.ssh" sub/out; ln -s "$HOME/.ssh" here; true'
# What it got is in a file: it may write to its standard output whatever happens.
thief='for file in ~/.ssh/id sub/out/id here/id ./id; do cat "$file" 2>/dev/null && echo "GOT $file"; done; echo x >>~/.ssh/authorized_keys; true'
steal() { # OPTION...: with the link in the way of an option
  "$AV_BINARY" run --isolation strict "$@" -- bash -c "$thief" 2>"$OUT/steal.err" || true
}
assert_eq "" "$(steal --write sub/out)"
"$AV_BINARY" run --isolation strict --write sub/out -- bash -c "$planter" 2>/dev/null
[ -L sub/out ] || fail "the link cannot be planted"
assert_eq "" "$(steal --write sub/out)" "by --write"
assert_contains "$OUT/steal.err" "which is private"
assert_eq "" "$(steal --read sub/out)" "by --read"
assert_eq "" "$(cd here && steal)" "by the working directory"
assert_contains "$OUT/steal.err" "which is private"
[ ! -e "$HOME/.ssh/authorized_keys" ] || fail "something was written"
# The control: what is said by its own name is given.
assert_matches <(steal --read "$HOME/.ssh") 'GOT'
