#!/usr/bin/env bash
# On machines that lack what a level is made of: a level that was asked for is an error that names what is missing and what to do; where
# none was asked for, the run takes the best that is left and says what that does not keep. Nothing is claimed that is not there.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
[ -x /usr/bin/python3 ] || skip "no /usr/bin/python3 that reads a filter"
secret=$(new_canary)
set_credential TOKEN "$secret"
lacking() { # RULE... -- COMMAND...
  /usr/bin/python3 "$SUPPORT/mask_calls.py" "$@"
}
steal='cat "$STORE/key" >/dev/null 2>&1 && echo GOT; true'
export STORE=$AGENT_VAULT_HOME
NO_NAMESPACES='clone:0&0x10000000=EPERM'
NO_LANDLOCK=landlock_create_ruleset=ENOSYS

# The control: with everything there, nothing is lacking.
expect_exit 0 lacking unshare=EPERM -- "$AV_BINARY" run -- sh -c "$steal"
assert_eq "" "$(cat "$OUT/stdout")"
assert_absent "$OUT/stderr" "no isolation"

# -- no user namespaces: what was asked for is refused, what was not is replaced by Landlock, and that is said
for level in store network strict; do
  expect_exit 125 lacking $NO_NAMESPACES -- "$AV_BINARY" run --isolation $level -- echo ran
  assert_error "create a user namespace"
  assert_contains "$OUT/stderr" "hint:"
done
expect_exit 0 lacking $NO_NAMESPACES -- "$AV_BINARY" run -- sh -c "$steal"
assert_eq "" "$(cat "$OUT/stdout")" "the key by landlock"
assert_contains "$OUT/stderr" 'no isolation `store`'
assert_contains "$OUT/stderr" 'going on with `landlock`'
# Asked for, it needs no words.
expect_exit 0 lacking $NO_NAMESPACES -- "$AV_BINARY" run --isolation landlock -- sh -c "$steal"
assert_eq "" "$(cat "$OUT/stdout")"
assert_absent "$OUT/stderr" "isolation"

# -- nor Landlock: nothing is left, and the run says so
expect_exit 0 lacking $NO_NAMESPACES $NO_LANDLOCK -- "$AV_BINARY" run -- sh -c "$steal"
assert_eq GOT "$(cat "$OUT/stdout")" "the control: the attack works where nothing is left"
assert_contains "$OUT/stderr" "the command can read the store and its key file"
expect_exit 125 lacking $NO_LANDLOCK -- "$AV_BINARY" run --isolation landlock -- echo ran
assert_error "no Landlock"

# -- Landlock alone is missing: the mounts hold without it, and doctor says that it is missing
expect_exit 0 lacking $NO_LANDLOCK -- "$AV_BINARY" run --isolation strict -- sh -c "$steal; touch \"\$HOME/planted\" 2>/dev/null && echo WROTE; true"
assert_eq "" "$(cat "$OUT/stdout")"
state() { json "$OUT/stdout" "next(c['state'] for c in d['checks'] if c['check'] == '$1')"; }
lacking $NO_LANDLOCK -- "$AV_BINARY" doctor --json >"$OUT/stdout" 2>/dev/null || true
assert_eq warning "$(state landlock)"
assert_eq ok "$(state "isolation strict")"
assert_eq warning "$(state "isolation landlock")"

# -- what each namespace is for
expect_exit 0 lacking 'clone:0&0x40000000=EPERM' -- "$AV_BINARY" run --isolation store -- true
expect_exit 125 lacking 'clone:0&0x40000000=EPERM' -- "$AV_BINARY" run --isolation network -- echo ran
assert_error "namespace"
expect_exit 125 lacking mount=EPERM -- "$AV_BINARY" run --isolation store -- echo ran
assert_error
expect_exit 0 lacking mount=EPERM -- "$AV_BINARY" run -- sh -c "$steal"
assert_eq "" "$(cat "$OUT/stdout")"
assert_contains "$OUT/stderr" 'going on with `landlock`'

# -- no filters of system calls: no level goes without
for level in landlock store network strict; do
  expect_exit 125 lacking seccomp=ENOSYS prctl:0==22=EINVAL -- "$AV_BINARY" run --isolation $level -- echo ran
  assert_error "filter system calls"
  assert_contains "$OUT/stderr" "seccomp"
  assert_absent "$OUT/stdout" ran
done

# -- a kernel older than strict
expect_exit 125 lacking mount_setattr=ENOSYS -- "$AV_BINARY" run --isolation strict -- echo ran
assert_error "5.12"
expect_exit 0 lacking mount_setattr=ENOSYS -- "$AV_BINARY" run --isolation network -- true

# -- no IPv6
expect_exit 0 lacking socket:0==10=EAFNOSUPPORT -- "$AV_BINARY" run --isolation strict -- true

# -- what passes is no reason to go on with less
expect_exit 125 lacking 'clone:0&0x10000000=ENOSPC' -- "$AV_BINARY" run -- echo ran
assert_error
assert_absent "$OUT/stdout" ran

# -- the profile for AppArmor names this very program, and nobody gets one for a program that others can replace
install -d -m 755 "$AV_CASE/bin"
install -m 755 "$AV_BINARY" "$AV_CASE/bin/agent-vault"
expect_exit 0 "$AV_CASE/bin/agent-vault" doctor --apparmor-profile
assert_contains "$OUT/stdout" "\"$AV_CASE/bin/agent-vault\" flags=(unconfined)"
assert_contains "$OUT/stdout" "userns,"
chmod 777 "$AV_CASE/bin"
expect_exit 4 "$AV_CASE/bin/agent-vault" doctor --apparmor-profile
assert_error
canary_check "$OUT/stdout" "$OUT/stderr"
