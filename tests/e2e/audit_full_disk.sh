#!/usr/bin/env bash
# When the log cannot be written, a request that would use a credential fails closed with a code of its
# own; when there is room again the same run goes on.
set -eu
. "$(dirname "$0")/common.inc"
flags=-Urm
[ "$(id -u)" = 0 ] && flags=-m
unshare $flags true 2>/dev/null || skip "mount namespaces are not available"
start_upstream
play echo.test
real=$(new_canary)

cat >agent.sh <<'SH'
curl -sS -o 1.json -w '%{http_code}' https://echo.test/echo >1.code
touch ready
until [ -e full ]; do sleep 0.02; done
# The file's last block may still have room for a record or two.
for i in $(seq 60); do
  curl -sS -o 2.json -w '%{http_code}' https://echo.test/echo/$(head -c 300 /dev/zero | tr '\0' x) >2.code
  grep -q '^5' 2.code && break
done
touch refused
until [ -e room ]; do sleep 0.02; done
curl -sS -o 3.json -w '%{http_code}' https://echo.test/echo >3.code
SH
cat >"$OUT/outer.sh" <<'SH'
set -eu
store=$1
shift
mount -t tmpfs -o size=2m,mode=700 none "$store"
printf %s "$REAL" | "$AV_BINARY" vault credential set TOKEN --stdin >/dev/null 2>&1
"$AV_BINARY" vault service add --name echo-test --host echo.test --auth-type bearer --token-key TOKEN >/dev/null 2>&1
"$AV_BINARY" run "$@" -- sh agent.sh &
pid=$!
until [ -e ready ]; do sleep 0.02; done
dd if=/dev/zero of="$store/filler" bs=4k 2>/dev/null || true
touch full
until [ -e refused ]; do sleep 0.02; done
rm "$store/filler"
touch room
wait $pid
# What could not be written is not half there, and the chain goes on.
"$AV_BINARY" audit verify
"$AV_BINARY" vault create after-it 2>/dev/null
"$AV_BINARY" audit verify
SH
mkdir -m 700 "$AGENT_VAULT_HOME"
REAL=$real unshare $flags sh "$OUT/outer.sh" "$AGENT_VAULT_HOME" "${RUN_OPTIONS[@]}" >"$OUT/outer.log" 2>&1 ||
  { cat "$OUT/outer.log"; fail "outer"; }
assert_eq 200 "$(cat 1.code)"
assert_matches 2.code '^50[03]$'
json 2.json 'd["error"]'
assert_eq 200 "$(cat 3.code)"
