#!/usr/bin/env bash
# Files of the store that are links to elsewhere: covering the directory does not cover them.
set -eu
. "$(dirname "$0")/attack.inc"
mkdir -m 700 "$HOME/elsewhere"
export ELSEWHERE=$HOME/elsewhere
link_away() { mv "$STORE/$1" "$ELSEWHERE/" && ln -s "$ELSEWHERE/${1##*/}" "$STORE/$1"; }
put_back() { rm "$STORE/$1" && mv "$ELSEWHERE/${1##*/}" "$STORE/$1"; }
mkdir -m 700 -p "$STORE/config"
echo '[run]' >"$STORE/config/config.toml"
for file in key config/config.toml vault.db; do
  link_away $file
  attack_case <<'SH'
for file in "$ELSEWHERE"/*; do
  can_read "$file" && echo "GOT to read $file"
  : >>"$file" && echo "GOT to write $file"
done
SH
  expect_exit 125 av run --isolation store -- true
  assert_error 'symbolic link'
  put_back $file
done
# A link that stays within what is hidden is nobody's business.
mv "$STORE/key" "$STORE/the-key" && ln -s the-key "$STORE/key"
expect_exit 0 av run --isolation store -- true
rm "$STORE/key" && mv "$STORE/the-key" "$STORE/key"
# A directory that is reached by a link is covered, and the user is told what the link is good for.
mv "$STORE" "$ELSEWHERE/store" && ln -s "$ELSEWHERE/store" "$STORE"
attack_case <<'SH'
can_read "$STORE/key" && echo GOT key
can_read "$ELSEWHERE/store/key" && echo GOT key by its real path
mv "$ELSEWHERE" "$ELSEWHERE.old" && echo GOT the directory above && mv "$ELSEWHERE.old" "$ELSEWHERE"
SH
assert_contains "$OUT/store.err" 'is a symbolic link that the command can replace'
