#!/usr/bin/env bash
# Root owns the devices of disks: the store is read off the disk below its directory.
set -eu
. "$(dirname "$0")/attack.inc"
[ "$(id -u)" = 0 ] || skip "needs root"
disk=
for each in $(find /dev -maxdepth 2 -type b 2>/dev/null); do
  can_read "$each" && disk=$each && break
done
# Or one that has nothing in it, where this may be made.
if [ -z "$disk" ] && mknod "$AV_CASE/work/disk" b 7 0 2>/dev/null; then
  can_read "$AV_CASE/work/disk" && disk=$AV_CASE/work/disk
fi
[ -n "$disk" ] || skip "no disk can be read here"
export disk
attack_case <<'SH'
head -c 16 "$disk" >bytes 2>/dev/null && [ "$(wc -c <bytes)" = 16 ] && echo GOT "the disk $disk"
SH
