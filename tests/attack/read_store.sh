#!/usr/bin/env bash
# The plain way: open the key file and the database.
set -eu
. "$(dirname "$0")/attack.inc"
attack_case <<'SH'
[ -s "$STORE/key" ] && cat "$STORE/key" >/dev/null && echo GOT key
[ -s "$STORE/vault.db" ] && cat "$STORE/vault.db" >/dev/null && echo GOT database
ls "$STORE" | grep -q . && echo GOT listing
SH
