#!/usr/bin/env bash
# Started inside the store, the child would stand below the cover.
set -eu
. "$(dirname "$0")/attack.inc"
cd "$STORE"
attack_case <<'SH'
[ -s key ] && echo GOT by the working directory
[ -s ../"${STORE##*/}"/key ] && echo GOT by its parent
SH
assert_contains "$OUT/store.err" 'hidden from the command'
