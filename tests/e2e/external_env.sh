#!/usr/bin/env bash
# What opens an external store, and what env:// reads, is not in the environment of the command under any name. The control is a
# variable whose value nothing in the vault knows.
# timeout: 60
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/external_stores.inc"
# The pairing's own secret, in a variable of another name and within a text.
cat >"$HOME/helper" <<'EOF'
#!/bin/bash
echo value
EOF
chmod 700 "$HOME/helper"
pairing=$(new_canary)
printf '%s' "$pairing" >"$OUT/pairing"
av vault store pair cmd --set "program=$HOME/helper" --set protocol=value --set-file "secret=$OUT/pairing" \
  --set secret_variable=HELPER_TOKEN 2>"$OUT/pair.err" || fail "$(cat "$OUT/pair.err")"
from=$(new_canary)
mapped=$(new_canary)
export SOURCE_TOKEN=$from MAPPED_TOKEN=$mapped
av vault store pair env 2>/dev/null
av vault credential set FROM_ENV --from env://SOURCE_TOKEN 2>/dev/null
av vault store map env.echo.test env://MAPPED_TOKEN 2>/dev/null
COPY=$pairing WITHIN="x=$pairing;y" HELPER_TOKEN=$pairing FROM_COPY=$from FROM_WITHIN="[$from]" MAPPED_COPY=$mapped OTHER=nothing-of-the-vault-1 \
  av_run -- env >"$OUT/env"
for value in "$pairing" "$from" "$mapped"; do
  assert_absent "$OUT/env" "$value"
done
assert_contains "$OUT/env" OTHER=nothing-of-the-vault-1
assert_matches "$OUT/env" '^WITHIN=x=[^;]+;y$'
assert_absent "$OUT/env" SOURCE_TOKEN=
assert_absent "$OUT/env" MAPPED_TOKEN=
# In the place of a credential's value is its placeholder.
placeholder=$(sed -n 's/^FROM_COPY=//p' "$OUT/env")
[ -n "$placeholder" ] || fail "no placeholder"
assert_contains "$OUT/env" "FROM_WITHIN=[$placeholder]"

# What the programs of a kind read, beside the variables of its settings.
start_store fake_vault
printf 'root-token' >"$OUT/token"
paired vault --set "url=$STORE_URL" --set-file "token=$OUT/token"
BAO_TOKEN=other-token-of-vault VAULT_WRAPPED_TOKEN=yet-another-token VAULT_NAMESPACE=kept av_run -- env >"$OUT/env"
assert_absent "$OUT/env" other-token-of-vault
assert_absent "$OUT/env" yet-another-token
assert_contains "$OUT/env" VAULT_NAMESPACE=kept
