#!/usr/bin/env bash
# openssl s_client (which must give a password: the name of the vault) through the proxy: the certificate is for the host, verifies against the bundle, and
# does not verify for another name.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"

cat >s.sh <<'SH'
set -eu
hostport=${HTTPS_PROXY#*@}
user=${HTTPS_PROXY#*://}
user=${user%%:*}
printf 'GET /echo HTTP/1.1\r\nHost: echo.test\r\nConnection: close\r\n\r\n' |
  openssl s_client -proxy "${hostport%/}" -proxy_user "$user" -proxy_pass pass:default \
    -connect echo.test:443 -servername echo.test -verify_hostname echo.test -verify_return_error \
    -CAfile "$SSL_CERT_FILE" -ign_eof >good.txt 2>good.err
if openssl s_client -proxy "${hostport%/}" -proxy_user "$user" -proxy_pass pass:default \
  -connect echo.test:443 -servername echo.test -verify_hostname other.test -verify_return_error \
  -CAfile "$SSL_CERT_FILE" </dev/null >bad.txt 2>&1; then
  echo 'the certificate passed for another name' >&2
  exit 1
fi
SH
agent -- sh s.sh
assert_contains good.txt 'Verify return code: 0 (ok)'
assert_contains good.txt '"method": "GET"'
assert_matches good.txt 'TLSv1\.[23]'
assert_eq "Bearer $real" "$(received_header authorization)"
canary_check "$AV_CASE/work"
