#!/usr/bin/env bash
# Unique values in every credential; everything that agents, logs and disks can show is searched for
# them, raw and encoded.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test basic.echo.test query.echo.test custom.echo.test api.telegram.org
one=$(new_canary)
two=$(new_canary 'p/+=')
old=$(new_canary old-)
set_credential ONE "$old"
set_credential ONE "$one"
set_credential TWO "$two"
service_file <<'JSON'
{"services": [
  {"name": "s-bearer", "host": "echo.test", "auth": {"type": "bearer", "token": "ONE"}, "env": {"ONE_TOKEN": "ONE"}},
  {"name": "s-basic", "host": "basic.echo.test", "auth": {"type": "basic", "username": "ONE", "password": "TWO"}},
  {"name": "s-query", "host": "query.echo.test", "auth": {"type": "api-key", "key": "ONE", "query": "k"}},
  {"name": "s-custom", "host": "custom.echo.test", "auth": {"type": "custom", "headers": {"X-A": "{{ ONE }} {{ TWO }}"}}},
  {"name": "s-path", "host": "api.telegram.org", "auth": {"type": "passthrough"},
   "substitutions": [{"key": "ONE", "placeholder": "__bot__"}]}
]}
JSON
cat >work.sh <<'SH'
env -0 >env.bin
set -x
for host in echo basic.echo query.echo custom.echo; do
  curl -v -sS https://$host.test/echo
  curl -v -sS https://$host.test/echo-gzip --compressed
  curl -v -sS https://$host.test/echo-header
  curl -v -sS https://$host.test/bad/two-lengths
  curl -v -sS https://$host.test/stall-head?ms=1
done
curl -v -sS https://api.telegram.org/bot__bot__/getMe
curl -v -sS https://nowhere.invalid/
sleep 0.3
touch ready
until [ -e go ]; do sleep 0.02; done
SH
start_run -- sh work.sh
wait_for 40 test -e ready
for pid in "$RUN_PID" $(pgrep -f 'sh work.sh'); do
  cat "/proc/$pid/environ" >>environs.bin 2>/dev/null || true
  cat "/proc/$pid/cmdline" >>cmdlines.bin 2>/dev/null || true
done
cp "$AGENT_VAULT_HOME"/vault.db* . # with the run still writing: the WAL as it is
touch go
wait "$RUN_PID"
av log --json >log.json 2>"$OUT/log.err"
av vault credential list --json >list.json
av vault credential history ONE --json >history.json
av vault service list --json >services.json
assert_eq true "$(received "any('$one' in str(x) for x in r)")" "the upstream saw them"
assert_contains "$OUT/run.out" '"method"'
canary_check "$AV_CASE/work" "$AGENT_VAULT_HOME" "$HOME" "$TMPDIR" "$OUT/run.out" "$OUT/run.err" "$OUT/log.err"
