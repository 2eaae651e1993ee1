#!/usr/bin/env bash
# The plain way: open the key file and the database.
set -eu
. "$(dirname "$0")/attack.inc"
attack_case <<'SH'
can_read "$STORE/key" && echo GOT key
can_read "$STORE/vault.db" && echo GOT database
SH
# At landlock the names of the files can be seen.
KEPT="store network strict"
attack_case <<'SH'
ls "$STORE" | grep -q . && echo GOT listing
SH
