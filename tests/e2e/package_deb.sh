#!/usr/bin/env bash
# The Debian package: what it says of itself, installed into a root of its own with dpkg, used there, removed and
# purged. What stays is the store. With and without the AppArmor profile, which older releases cannot read.
# timeout: 240
set -eu
. "$(dirname "$0")/common.inc"
need cpack dpkg dpkg-deb dpkg-shlibdeps
[ "$(id -u)" = 0 ] || skip "dpkg needs root"
tree=$(dirname "$AV_BINARY")
[ -f "$tree/CPackConfig.cmake" ] || skip "$AV_BINARY is not in a build directory"

make_package() { # DIRECTORY APPARMOR: sets DEB
  (cd "$tree" && SOURCE_DATE_EPOCH=1700000000 cpack -G DEB -B "$1" -D CPACK_AV_APPARMOR="$2") \
    >"$OUT/cpack" 2>&1 || { cat "$OUT/cpack"; fail "cpack"; }
  DEB=$(echo "$1"/*.deb)
  [ -f "$DEB" ] || fail "cpack made no package"
}
field() { dpkg-deb -f "$DEB" "$1"; }
listed() { find "$ROOT" -mindepth 1 \( -path "$ROOT/var/lib/dpkg" -o -path "$ROOT/proc" \) -prune -o -print | sort; }

make_package "$OUT/with" ON
assert_eq agent-vault "$(field Package)"
assert_eq "$(av --version)" "agent-vault $(field Version | sed 's/-[0-9]*$//')"
field Depends >"$OUT/depends"
# What the linker asks for, and nothing less: dpkg-shlibdeps has computed it.
for library in libssl libc6 libsqlite3 libnghttp2; do
  assert_contains "$OUT/depends" "$library"
done
assert_absent "$OUT/depends" 'libstdc++'
assert_eq /etc/apparmor.d/agent-vault "$(dpkg-deb -I "$DEB" conffiles)"
dpkg-deb -c "$DEB" | awk '$2 != "root/root"' >"$OUT/owners"
[ ! -s "$OUT/owners" ] || fail "somebody else's files: $(cat "$OUT/owners")"
dpkg-deb -c "$DEB" | awk '$1 ~ /[sS]|^.....w|^........w/' >"$OUT/modes"
[ ! -s "$OUT/modes" ] || fail "set-user-ID or writable by all: $(cat "$OUT/modes")"
if command -v lintian >/dev/null; then
  lintian --allow-root --fail-on error,warning "$DEB" >"$OUT/lintian" 2>&1 || { cat "$OUT/lintian"; fail "lintian"; }
fi
with=$DEB
# Packing once more gives the same bytes.
make_package "$OUT/again" ON
cmp "$with" "$DEB" || fail "packing the same tree gave another package"
make_package "$OUT/without" OFF
without=$DEB
assert_eq '' "$(dpkg-deb -c "$without" | grep -F /etc/ || true)"

ROOT=$OUT/root
# A root as small as dpkg takes one; its scripts run outside, with DPKG_ROOT.
mkdir -p "$ROOT"/var/lib/dpkg/{info,updates} "$ROOT/etc" "$ROOT/home/me"
: >"$ROOT/var/lib/dpkg/status"
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$ROOT/etc/passwd"
printf 'root:x:0:\n' >"$ROOT/etc/group"
printf 'root:*:19000::::::\n' >"$ROOT/etc/shadow"
printf 'root:*::\n' >"$ROOT/etc/gshadow"
in_root() {
  dpkg --root="$ROOT" --log="$OUT/dpkg.log" --force-script-chrootless --force-depends "$@" >"$OUT/dpkg" 2>&1 ||
    { cat "$OUT/dpkg"; fail "dpkg $*"; }
}
program=$ROOT/usr/bin/agent-vault
me() { env -u AGENT_VAULT_HOME HOME="$ROOT/home/me" "$program" "$@"; }

for package in "$with" "$without"; do
  rm -rf "$ROOT/home/me" && mkdir "$ROOT/home/me"
  listed >"$OUT/before"
  in_root --install "$package"
  assert_eq "install ok installed" "$(dpkg-query --admindir="$ROOT/var/lib/dpkg" -W -f '${Status}' agent-vault)"
  # Used: a credential goes in and comes out, a run gets its placeholder, the page reads.
  assert_eq "$(av --version)" "$(me --version)"
  value=$(new_canary)
  printf '%s' "$value" | me vault credential set PACKAGED_KEY --stdin >/dev/null 2>&1
  assert_eq "$value" "$(me vault credential get PACKAGED_KEY)"
  if command -v man >/dev/null; then
    man -l "$ROOT/usr/share/man/man1/agent-vault.1.gz" >"$OUT/page" 2>/dev/null || fail "man"
    assert_contains "$OUT/page" 'give agents access to APIs'
  fi
  # Its user is there, nothing is enabled and nothing was started.
  if command -v systemd-sysusers >/dev/null; then
    assert_matches "$ROOT/etc/passwd" '^agent-vault:.*:/var/lib/agent-vault:/usr/sbin/nologin$'
  fi
  assert_eq '' "$(find "$ROOT/etc/systemd" -name '*agent-vault*' 2>/dev/null || true)"
  [ ! -e "$ROOT/var/lib/agent-vault" ] || fail "the package made a store"

  # A second time is an upgrade; a profile that its owner changed stays as it is.
  if [ "$package" = "$with" ]; then
    echo '# mine' >>"$ROOT/etc/apparmor.d/agent-vault"
    in_root --force-confold --install "$package"
    assert_contains "$ROOT/etc/apparmor.d/agent-vault" '# mine'
    in_root --remove agent-vault
    assert_contains "$ROOT/etc/apparmor.d/agent-vault" '# mine'
  fi

  # The service's store outlives the package, and its user with it.
  mkdir -p "$ROOT/var/lib/agent-vault" "$ROOT/etc/systemd/system/multi-user.target.wants"
  echo sealed >"$ROOT/var/lib/agent-vault/vault.db"
  ln -s /usr/lib/systemd/system/agent-vault.service "$ROOT/etc/systemd/system/multi-user.target.wants/"
  in_root --purge agent-vault
  assert_contains "$OUT/dpkg" 'the store in /var/lib/agent-vault'
  assert_eq sealed "$(cat "$ROOT/var/lib/agent-vault/vault.db")"
  ! command -v systemd-sysusers >/dev/null || assert_contains "$ROOT/etc/passwd" 'agent-vault:'
  [ -s "$ROOT/home/me/.local/share/agent-vault/vault.db" ] || fail "purging took a person's store"

  # Without one, nothing is left but people's own.
  rm -rf "$ROOT/var/lib/agent-vault"
  in_root --install "$package"
  in_root --purge agent-vault
  listed | grep -v -e "^$ROOT/home/me/" -e "^$ROOT/etc/[a-z]*-$" -e "^$ROOT/etc/.pwd.lock$" \
    -e "^$ROOT/etc/systemd\(/system\(/multi-user.target.wants\)\?\)\?$" >"$OUT/after"
  diff "$OUT/before" "$OUT/after" || fail "purging left something"
  assert_absent "$ROOT/etc/passwd" agent-vault
  rm -rf "$ROOT/etc/systemd" "$ROOT"/etc/*- "$ROOT/etc/.pwd.lock"
done
