#!/usr/bin/env bash
# The command of an earlier run has left a link to the key where a variable names a bundle: the broker,
# which can read it, makes the bundle of the next run.
set -eu
. "$(dirname "$0")/attack.inc"
av run --isolation store -- ln -s "$STORE/key" "$HOME/roots.pem" 2>/dev/null
export AV_PYTHON ROOTS="$HOME/roots.pem" COPY="$OUT/key-copy"
cp "$STORE/key" "$COPY"
for variable in SSL_CERT_FILE NIX_SSL_CERT_FILE CURL_CA_BUNDLE REQUESTS_CA_BUNDLE GIT_SSL_CAINFO \
  NODE_EXTRA_CA_CERTS; do
  attack_case env "$variable=$ROOTS" <<'SH'
has_key() { $AV_PYTHON -c 'import sys; k, f = (open(n, "rb").read() for n in sys.argv[1:]); sys.exit(k.strip() not in f)' "$COPY" "$1" 2>/dev/null; }
for file in "$SSL_CERT_FILE" "$NODE_EXTRA_CA_CERTS" "$ROOTS"; do
  has_key "$file" && echo "GOT key by $file"
done
grep -q 'BEGIN CERTIFICATE' "$SSL_CERT_FILE" && echo bundle
SH
  assert_contains "$OUT/store.out" bundle
  assert_contains "$OUT/store.err" "$variable names a file without a certificate"
  assert_absent "$OUT/off.out" "GOT key by ${TMPDIR}"
done
