#!/usr/bin/env bash
# The same directory is mounted a second time, where no path of ours points.
set -eu
. "$(dirname "$0")/attack.inc"
need unshare
unshare -rm true 2>/dev/null || skip "user namespaces are not available"
mkdir -p twin
export TWIN=$PWD/twin
attack_case unshare -rm bash -c 'mount --bind "$STORE/.." "$TWIN" && exec "$@"' _ <<'SH'
can_read "$TWIN/${STORE##*/}/key" && echo GOT by the second mount
SH
