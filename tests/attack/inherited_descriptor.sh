#!/usr/bin/env bash
# A directory that was open before the cover was put on still shows what is below it.
set -eu
. "$(dirname "$0")/attack.inc"
exec 7</ 8<"$STORE" 9<"$STORE/key"
attack_case <<'SH'
can_read "/proc/self/fd/7$STORE/key" && echo GOT by a descriptor of the root
can_read /proc/self/fd/8/key && echo GOT by a descriptor of the store
[ -n "$(head -c 1 <&9 | od -An)" ] && echo GOT by a descriptor of the key
SH
