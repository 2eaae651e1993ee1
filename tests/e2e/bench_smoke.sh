#!/usr/bin/env bash
# The load generator of the benchmarks sends what it says through the proxy, counts it, and gives no
# figures when an answer, a length or a certificate is not as expected. No time is asserted.
set -eu
. "$(dirname "$0")/common.inc"
generator=$(dirname "$AV_BINARY")/av_bench
[ -x "$generator" ] || skip "av_bench is not built (scripts/bench builds it)"
start_upstream
play echo.test
secret=$(new_canary)
bearer_service echo.test TOKEN "$secret"

cat >g.sh <<SH
set -eu
route="--target echo.test:443 --connect env --ca \$SSL_CERT_FILE"
"$generator" load \$route --path /status/200 --connections 3 --requests 12 >load.json
"$generator" load \$route --path /status/200 --connections 2 --requests 4 \
  --new-connection-per-request >tunnels.json
refused() {
  name=\$1
  shift
  if "$generator" "\$@" >"\$name.json" 2>"\$name.txt"; then
    echo "\$name should have failed"
    exit 1
  fi
  test ! -s "\$name.json"
}
refused status load \$route --path /status/500
refused length load \$route --path /status/200 --length 123456
refused authority load --target echo.test:443 --connect env --ca "$CERTS/other-ca.pem" --path /status/200
HTTPS_PROXY=http://127.0.0.1:\${HTTPS_PROXY##*:} refused token load \$route --path /status/200
SH
agent -- sh g.sh

assert_eq 12 "$(json load.json 'd["requests"]')"
assert_eq 4 "$(json tunnels.json 'd["requests"]')"
assert_eq true "$(json load.json '0 < d["p50_us"] <= d["p99_us"] <= d["max_us"]')"
assert_contains status.txt "unexpected response: HTTP/1.1 500"
assert_contains length.txt "instead of 123456"
assert_contains authority.txt "TLS handshake"
assert_contains token.txt "CONNECT was answered with: HTTP/1.1 407"
# Three of its own before the 12, one for each of the 2 slots before the 4, one with status 500, one
# with the wrong length; each with the credential.
assert_eq 23 "$(received 'len(r)')"
assert_eq 23 "$(received "sum(['authorization', 'Bearer $secret'] in [[n.lower(), v] for n, v in x['headers']] for x in r)")"
