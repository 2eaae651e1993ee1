#!/usr/bin/env bash
# `cmake --install`: everything that belongs to the program is where its readers look, and nothing is outside of
# the prefix. Every page of man/ and every document of the top directory is there, whoever added it.
set -eu
. "$(dirname "$0")/common.inc"
need cmake
tree=$(dirname "$AV_BINARY")
[ -f "$tree/cmake_install.cmake" ] || skip "$AV_BINARY is not in a build directory"
# The 100 MB of its debug information are not what is tested.
DESTDIR=$OUT/root cmake --install "$tree" --prefix /opt/av --strip >"$OUT/install" 2>&1 || { cat "$OUT/install"; fail "cmake --install"; }
prefix=$OUT/root/opt/av
assert_eq /opt "$(cd "$OUT/root" && find . -mindepth 1 -maxdepth 1 | sed 's/^\.//')" "directories at the root"

[ -x "$prefix/bin/agent-vault" ] || fail "no program"
assert_eq "$(av --version)" "$("$prefix/bin/agent-vault" --version)"
for page in "$AV_ROOT"/man/*.[157]; do
  cmp "$page" "$prefix/share/man/man${page##*.}/$(basename "$page")" || fail "man page $page"
done
assert_eq "$(find "$AV_ROOT/man" -type f | wc -l)" "$(find "$prefix/share/man" -type f | wc -l)" "man pages"
cmp "$AV_ROOT/completions/agent-vault.bash" "$prefix/share/bash-completion/completions/agent-vault"
cmp "$AV_ROOT/completions/_agent-vault" "$prefix/share/zsh/site-functions/_agent-vault"
cmp "$AV_ROOT/completions/agent-vault.fish" "$prefix/share/fish/vendor_completions.d/agent-vault.fish"
for document in "$AV_ROOT"/*.md "$AV_ROOT/LICENSE"; do
  cmp "$document" "$prefix/share/doc/agent-vault/$(basename "$document")" || fail "document $document"
done
for unit in agent-vault.service agent-vault-api.socket agent-vault-proxy.socket; do
  [ -s "$prefix/lib/systemd/user/$unit" ] && [ -s "$prefix/lib/systemd/system/$unit" ] || fail "unit $unit"
done
[ -s "$prefix/lib/sysusers.d/agent-vault.conf" ] || fail "sysusers.d"

# The profile in the tree is what the program prints for /usr/bin, but for its comments.
profile=$prefix/share/agent-vault/apparmor.d/agent-vault
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
  mkdir -p "$OUT/bin"
  # A profile is printed only for a program that nobody else can replace: as if it were installed.
  unshare -m sh -ec 'cp "$1" "$2/agent-vault" && mount --bind "$2" /usr/bin &&
    /usr/bin/agent-vault doctor --apparmor-profile' - "$prefix/bin/agent-vault" "$OUT/bin" >"$OUT/printed"
  grep -v '^#' "$profile" >"$OUT/shipped"
  diff "$OUT/shipped" "$OUT/printed" || fail "the profile in the tree is not the one that doctor prints"
else
  assert_contains "$profile" 'profile agent-vault "/usr/bin/agent-vault" flags=(unconfined) {'
fi
