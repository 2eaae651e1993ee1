#!/usr/bin/env bash
# Every way of tests/attack/variants/attacks.py at every level: what a level promises to keep from a command fails there, and works at
# the levels below, so that it is the level that does it. The matrix is what SECURITY.md shows (scripts/attack-matrix).
# timeout: 240
set -eu
. "$(dirname "$0")/attack.inc"
# A home in /tmp is none that anybody has.
if [ "$(id -u)" = 0 ] && AV_VICTIMS=$(mktemp -d /srv/av-variants-XXXXXX 2>/dev/null); then
  export AV_VICTIMS
  trap 'rm -rf "$AV_VICTIMS"' EXIT
fi
# What SECURITY.md says is what is found. (It may have rows that cannot be tried on this machine.)
"$AV_PYTHON" "$AV_ROOT/tests/attack/variants/matrix.py" "$AV_BINARY" "$AV_CASE" "$STORE" --check "$AV_ROOT/SECURITY.md"
