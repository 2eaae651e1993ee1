#!/usr/bin/env bash
# Vaults: create, list, use, current, rename, delete; `default` stays; the choice of vault follows its
# order of precedence.
set -eu
. "$(dirname "$0")/common.inc"
assert_eq default "$(av vault current)"
expect_exit 0 av vault create work
expect_exit 5 av vault create work
assert_error work
for bad in Work w a--b -a 'a b' "$(printf 'x%.0s' $(seq 70))"; do
  code=0
  av vault create -- "$bad" >"$OUT/stdout" 2>"$OUT/stderr" || code=$?
  [ $code = 1 ] || [ $code = 2 ] || fail "'$bad': exit $code"
  assert_error
done
av vault credential set --vault work TOKEN=at-work >/dev/null
av vault credential set TOKEN=at-default >/dev/null
assert_eq at-work "$(av vault credential get TOKEN --vault work)"
assert_eq at-default "$(av vault credential get TOKEN)"
av vault use work >/dev/null
assert_eq work "$(av vault current)"
assert_eq at-work "$(av vault credential get TOKEN)"
assert_eq at-default "$(AGENT_VAULT_VAULT=default av vault credential get TOKEN)"
# The project's file beats the saved choice and loses to the variable.
printf '{"vault": "default"}' >agent-vault.json
assert_eq at-default "$(av vault credential get TOKEN)"
assert_eq at-work "$(AGENT_VAULT_VAULT=work av vault credential get TOKEN)"
rm agent-vault.json
expect_exit 0 av vault rename work office
assert_eq at-work "$(av vault credential get TOKEN --vault office)"
expect_exit 3 av vault credential get TOKEN --vault work
assert_error work
expect_exit 3 av vault use nowhere
av vault list >"$OUT/list"
assert_contains "$OUT/list" office
assert_contains "$OUT/list" default
code=0
av vault rename default other >"$OUT/stdout" 2>"$OUT/stderr" || code=$?
[ $code != 0 ] || fail "default was renamed"
code=0
av vault delete default --yes >"$OUT/stdout" 2>"$OUT/stderr" || code=$?
[ $code != 0 ] || fail "default was deleted"
# Deleting asks, and without a terminal it needs --yes.
code=0
av vault delete office >"$OUT/stdout" 2>"$OUT/stderr" </dev/null || code=$?
[ $code != 0 ] || fail "deleted without being asked"
assert_eq at-work "$(av vault credential get TOKEN --vault office)"
expect_exit 0 av vault delete office --yes
expect_exit 3 av vault credential get TOKEN --vault office
assert_eq default "$(av vault current)" "after the current vault was deleted"
