#!/usr/bin/env bash
# In a user and mount namespace of its own the child is root: it takes the cover off, mounts the
# directory again elsewhere, or looks below the cover through an overlay.
set -eu
. "$(dirname "$0")/attack.inc"
need unshare
unshare -Urm true 2>/dev/null || skip "user namespaces are not available"
attack_case <<'SH'
mkdir -p other upper work
unshare -Urm bash -c 'umount "$STORE" || umount -l "$STORE"; [ -s "$STORE/key" ] && echo GOT by umount'
unshare -Urm bash -c 'mount --bind "$STORE/.." other && [ -s "other/${STORE##*/}/key" ] && echo GOT by bind'
unshare -Urm bash -c 'mount --rbind / other && umount -l "other$STORE"; [ -s "other$STORE/key" ] && echo GOT by rbind'
unshare -Urm bash -c 'mount -o remount,rw,mode=700 "$STORE"; [ -s "$STORE/key" ] && echo GOT by remount'
unshare -Urm bash -c 'mount -t overlay -o "lowerdir=${STORE%/*},upperdir=upper,workdir=work" o other &&
  [ -s "other/${STORE##*/}/key" ] && echo GOT by overlay'
unshare -Urm bash -c 'mount --move "$STORE" other; [ -s "$STORE/key" ] && echo GOT by move'
mv "$STORE" "$STORE.moved" 2>/dev/null && mv "$STORE.moved" "$STORE"
[ -s "$STORE.moved/key" ] && echo GOT by rename
SH
