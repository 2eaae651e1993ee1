#!/usr/bin/env bash
# A user in the group of a disk reads the store off it, below its directory. The disk is a file here, and the device one of a group that
# nobody has.
set -eu
. "$(dirname "$0")/attack.inc"
[ "$(id -u)" = 0 ] || skip "needs root, to make a disk"
need losetup setpriv
user=4711
image=$AV_CASE/image
head -c 1048576 /dev/zero >"$image"
printf 'stored-on-disk' | dd of="$image" conv=notrunc 2>/dev/null
device=$(losetup --find --show "$image" 2>/dev/null) || skip "no loop devices here"
base=$(mktemp -d /srv/av-disk-XXXXXX 2>/dev/null || mktemp -d /var/tmp/av-disk-XXXXXX)
before=$(stat -c '%u:%g %a' "$device")
trap 'losetup -d "$device"; chown ${before% *} "$device"; chmod ${before#* } "$device"; rm -rf "$base"' EXIT
chown 0:$user "$device"
chmod 660 "$device"
chmod 711 "$base"
install -d -o $user -g $user -m 700 "$base/home"
install -m 755 "$AV_BINARY" "$base/agent-vault"
as_user() { env -i PATH="$PATH" HOME="$base/home" setpriv --reuid $user --regid $user --clear-groups "$@"; }
cd "$base/home"
read_disk='head -c 14 "$1" 2>/dev/null'
assert_eq stored-on-disk "$(as_user sh -c "$read_disk" sh "$device")" "outside: the attack is real"
assert_eq stored-on-disk "$(as_user "$base/agent-vault" run --isolation off -- sh -c "$read_disk" sh "$device" 2>/dev/null)"
for level in landlock store network strict; do
  assert_eq "" "$(as_user "$base/agent-vault" run --isolation $level -- sh -c "$read_disk" sh "$device" 2>/dev/null || true)" "at $level"
done
