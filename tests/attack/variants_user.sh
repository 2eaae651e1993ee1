#!/usr/bin/env bash
# The same ways as variants.sh, for an ordinary user who runs the program: root may do more outside, and less is mapped inside.
# timeout: 240
set -eu
. "$(dirname "$0")/attack.inc"
[ "$(id -u)" = 0 ] || skip "the suite runs as an ordinary user: variants.sh has shown it"
need setpriv
base=$(mktemp -d /srv/av-user-XXXXXX 2>/dev/null || mktemp -d /var/tmp/av-user-XXXXXX)
trap 'rm -rf "$base"' EXIT
user=4711 # nobody has this number: /run/user/4711 is not there either
chmod 711 "$base"
install -d -o $user -g $user -m 700 "$base/case" "$base/case/store" "$base/case/tmp"
install -m 755 "$AV_BINARY" "$base/agent-vault"
as_user() { env -i PATH="$PATH" HOME="$base/case" TMPDIR="$base/case/tmp" AGENT_VAULT_HOME="$base/case/store" LANG=C.UTF-8 \
  setpriv --reuid $user --regid $user --clear-groups "$@"; }
printf user-secret | as_user "$base/agent-vault" vault credential set TOKEN --stdin 2>/dev/null
cp -r "$AV_ROOT/tests/attack/variants" "$base/variants"
chmod -R a+rX "$base/variants"
as_user "$AV_PYTHON" "$base/variants/matrix.py" "$base/agent-vault" "$base/case" "$base/case/store"
