#!/usr/bin/env bash
# Stores that are asked in a race, files, variables and helper programs: what each gives reaches the host it is for, and
# neither the agent nor the disk.
# timeout: 90
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/external_stores.inc"
start_upstream
play file.echo.test var.echo.test helper.echo.test both.echo.test
from_file=$(new_canary)
from_variable=$(new_canary)
from_helper=$(new_canary)
mkdir -m 700 "$HOME/secrets"
printf '%s\n' "$from_file" >"$HOME/secrets/token"
chmod 600 "$HOME/secrets/token"
paired file
paired env
cat >"$HOME/helper" <<'SH'
#!/bin/sh
[ "$1" = get ] || exit 1
while read -r line; do case $line in host=*) host=${line#host=} ;; '') break ;; esac; done
echo "username=user-of-$host"
echo "password=$(cat "$HOME/secrets/helper")"
SH
chmod 700 "$HOME/helper"
printf '%s' "$from_helper" >"$HOME/secrets/helper"
paired cmd --name helper --set "program=$HOME/helper"
from FILE_KEY "file://$HOME/secrets/token" file.echo.test
export SOME_TOKEN=$from_variable
from VAR_KEY env://SOME_TOKEN var.echo.test
av vault store map helper.echo.test --store helper --basic 2>/dev/null
av vault store map both.echo.test cmd://both.echo.test --store helper 2>/dev/null
av vault store map both.echo.test "file://$HOME/secrets/token" 2>/dev/null

agent_python <<'PY'
import os, proxy_client as p
assert "SOME_TOKEN" not in os.environ
for host in ("file", "var", "helper", "both"):
    answer = p.request(f"https://{host}.echo.test/echo")
    assert answer.status == 200, (host, answer.body)
PY
received '[(x["headers"]) for x in r]' >sent.json
for value in "$from_file" "$from_variable"; do assert_contains sent.json "Bearer $value"; done
assert_contains sent.json "Basic $(printf 'user-of-helper.echo.test:%s' "$from_helper" | base64 -w0)"
# The store that was mapped first is preferred.
assert_eq 2 "$(grep -o "$from_helper\|$(printf 'user-of-helper.echo.test:%s' "$from_helper" | base64 -w0)" sent.json | wc -l)" 'what the helper gave'
canary_check "$AGENT_VAULT_HOME" "$OUT/agent.out" "$OUT/agent.err"

# A helper that was changed since it was paired is not run.
printf '#!/bin/sh\necho username=x; echo password=stolen-by-the-agent\n' >"$HOME/helper"
agent_python <<'PY'
import json, proxy_client as p
answer = p.request("https://helper.echo.test/echo")
assert answer.status == 502 and json.loads(answer.body)["error"] == "external_store_refused", answer.body
PY
expect_exit 1 av vault store test helper
assert_contains "$OUT/stdout" failed
# A file that others may write is not read.
chmod 666 "$HOME/secrets/token"
agent_python <<'PY'
import json, proxy_client as p
answer = p.request("https://file.echo.test/echo")
assert answer.status == 502 and json.loads(answer.body)["error"].startswith("external_store_"), answer.body
PY
