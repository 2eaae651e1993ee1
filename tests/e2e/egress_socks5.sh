#!/usr/bin/env bash
# SOCKS5: with names for the proxy (socks5h), with names looked up and checked here (socks5), with a
# user and a password.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
. "$(dirname "$0")/egress.inc"
VALUE=$(new_canary)
bearer_service echo.test TOKEN "$VALUE"
start_proxy socks --socks --auth corp:pass-word-1 --forbid second.test --map "localhost:80=127.0.0.1:$HTTP_PORT"
export ALL_PROXY=socks5h://corp:pass-word-1@127.0.0.1:$PROXY_PORT
get -- https://echo.test/echo http://echo.test/echo https://second.test/ https://nowhere.test/
assert_eq 2 "$(grep -c '^200 ' "$OUT/agent.out")" "answers through the proxy"
assert_eq 2 "$(grep -c '^502 egress_proxy_refused' "$OUT/agent.out")" "refusals of the proxy"
assert_eq '[3]' "$(proxied 'list(set(x["address"] for x in r))')" "names, not addresses"
assert_eq "Bearer $VALUE" "$(received_header authorization 0)"
agent -- env
assert_absent "$OUT/agent.out" pass-word-1

ALL_PROXY=socks5h://corp:wrong@127.0.0.1:$PROXY_PORT get -- https://echo.test/echo
assert_contains "$OUT/agent.out" "502 egress_proxy_auth"
ALL_PROXY=socks5h://127.0.0.1:$PROXY_PORT get -- https://echo.test/echo
assert_contains "$OUT/agent.out" "502 egress_proxy_auth"

# socks5 asks the name servers here, which know no echo.test; literals are judged in either case.
ALL_PROXY=socks5://corp:pass-word-1@127.0.0.1:$PROXY_PORT get -- https://echo.test/echo http://10.0.0.1/
assert_contains "$OUT/agent.out" "502 dns_failed"
assert_contains "$OUT/agent.out" "403 address_not_allowed"
assert_eq 4 "$(proxied 'len(r)')" "requests at the proxy"
