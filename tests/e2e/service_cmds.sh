#!/usr/bin/env bash
# Services: from flags, presets and files in JSON and TOML; set replaces all; list, show, enable, disable,
# remove, clear; what is printed can be read back.
set -eu
. "$(dirname "$0")/common.inc"
svc() { av vault service "$@"; }
names() { svc list --json >"$OUT/l.json"; json "$OUT/l.json" '" ".join(s["name"] for s in (d if isinstance(d, list) else d["services"]))'; }
svc add --name one --host api.one.test --auth-type bearer --token-key ONE >/dev/null
svc add --name two --host '*.two.test:8443/v1/*' --auth-type api-key --api-key-key TWO --api-key-header X-Key --api-key-prefix 'k ' >/dev/null
svc add --name three --host three.test --auth-type basic --username-key USER --password-key PASS >/dev/null
svc add --name four --host four.test --auth-type passthrough >/dev/null
assert_eq 'one two three four' "$(names)"
svc show two --json >"$OUT/two.json"
assert_eq '*.two.test:8443/v1/*' "$(json "$OUT/two.json" 'd["host"]')"
assert_eq X-Key "$(json "$OUT/two.json" 'd["auth"]["header"]')"
svc list >"$OUT/list"
assert_contains "$OUT/list" api.one.test
# Adding again replaces, in place.
svc add --name one --host api.one.test --auth-type bearer --token-key OTHER >/dev/null
assert_eq 'one two three four' "$(names)"
svc show one >"$OUT/one.txt"
assert_contains "$OUT/one.txt" OTHER

svc disable two >/dev/null
svc show two --json >"$OUT/two.json"
assert_eq false "$(json "$OUT/two.json" 'd["enabled"]')"
svc enable two >/dev/null
svc remove three >/dev/null
assert_eq 'one two four' "$(names)"
expect_exit 3 av vault service remove three
expect_exit 3 av vault service enable three

cat >"$OUT/s.toml" <<'TOML'
[[services]]
name = "toml-one"
host = "toml.test/x/*"
methods = ["GET", "POST"]
auth = { type = "custom", headers = { "X-A" = "k {{ KEY_A }}" } }

[[services]]
name = "toml-two"
host = "t2.test"
auth = { type = "bearer", token = "KEY_B" }
env = { T2_TOKEN = "KEY_B" }
[[services.substitutions]]
key = "KEY_B"
placeholder = "__key_b__"
in = ["path", "header"]
TOML
svc set -f "$OUT/s.toml" >/dev/null
assert_eq 'toml-one toml-two' "$(names)"
# What is listed can be set again, and gives the same.
svc list --json >"$OUT/first.json"
svc clear --yes >/dev/null
assert_eq '' "$(names)"
svc set -f "$OUT/first.json" >/dev/null
svc list --json >"$OUT/second.json"
cmp "$OUT/first.json" "$OUT/second.json"

bad() { # NAME, file on standard input: refused, and nothing changed
  local code=0
  cat >"$OUT/bad.in"
  av vault service set -f "$OUT/bad.in" >"$OUT/stdout" 2>"$OUT/stderr" || code=$?
  [ $code != 0 ] || fail "$1 was accepted"
  assert_error
  assert_eq 'toml-one toml-two' "$(names)"
}
bad unknown-field <<<'{"services": [{"name": "abc", "host": "a.test", "hots": 1, "auth": {"type": "bearer", "token": "K"}}]}'
assert_contains "$OUT/stderr" hots
bad unknown-auth-field <<<'{"services": [{"name": "abc", "host": "a.test", "auth": {"type": "bearer", "token": "K", "prefix": "x"}}]}'
bad no-auth-type <<<'{"services": [{"name": "abc", "host": "a.test", "auth": {"token": "K"}}]}'
bad bare-star <<<'{"services": [{"name": "abc", "host": "*", "auth": {"type": "passthrough"}}]}'
bad framing-header <<<'{"services": [{"name": "abc", "host": "a.test", "auth": {"type": "api-key", "key": "K", "header": "Content-Length"}}]}'
bad second-of-two <<<'{"services": [{"name": "abc", "host": "a.test", "auth": {"type": "passthrough"}}, {"name": "b"}]}'
bad broken-json <<<'{"services": ['
assert_matches "$OUT/stderr" 'line [12]\b'
bad broken-toml <<<'[[services]
name = 1'
expect_exit 3 av vault service add -f /no/such/file

svc add --preset openai >/dev/null
assert_contains <(svc list) api.openai.com
expect_exit 3 av vault service add --preset opnai
assert_matches "$OUT/stderr" openai
svc catalog --json >"$OUT/catalog.json" 2>/dev/null
n=$(json "$OUT/catalog.json" 'len(d if isinstance(d, list) else d["presets"])')
[ "$n" -ge 20 ] || fail "only $n presets"
# Every preset is valid.
json "$OUT/catalog.json" '"\n".join(p["id"] for p in (d if isinstance(d, list) else d["presets"]))' >"$OUT/ids"
while read -r id; do
  svc add --preset "$id" >/dev/null || fail "preset $id"
done <"$OUT/ids"
