#!/usr/bin/env bash
# Policy lives in the store and in config.toml: neither may be written, nor made where there was none.
set -eu
. "$(dirname "$0")/attack.inc"
attack_case <<'SH'
echo x >"$STORE/planted" && echo GOT store
mkdir -p "$STORE/config" && echo '[run]' >"$STORE/config/config.toml" && echo GOT config
SH
