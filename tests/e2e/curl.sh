#!/usr/bin/env bash
# curl, with nothing configured, gets faithful HTTP/1.1: methods, bodies, interim responses, every kind
# of framing, redirects that are not followed; and nothing of ours is added.
set -eu
. "$(dirname "$0")/common.inc"
need curl
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"

cat >c.sh <<'SH'
set -eu
curl() { command curl --http1.1 "$@"; }
curl -sS -o get.json -H 'X-One: 1' -H 'x-two: 2' -H 'X-One: 3' 'https://echo.test/echo?q=a%20b'
curl -sS -o post.json -d 'hello=world' https://echo.test/echo
curl -sS -o put.json -T get.json https://echo.test/upload
curl -sS -I -o head.txt https://echo.test/download?bytes=1000
curl -sS -D 204.txt -o 204.body https://echo.test/status/204
curl -sS -D 304.txt -o 304.body https://echo.test/status/304
curl -sS -D 404.txt -o 404.body https://echo.test/status/404
curl -sS -o chunked.bin https://echo.test/chunked
curl -sS --compressed -o gzip.json https://echo.test/echo-gzip
curl -sS -i -o trailers.txt https://echo.test/trailers
curl -sS -o close.txt https://echo.test/close-delimited
curl -sS -o 100.json -H 'Expect: 100-continue' -d 'x' https://echo.test/100
curl -sS -D redirect.txt -o /dev/null https://echo.test/redirect
curl -sS -D hints.txt -o hints.body https://echo.test/early-hints
curl -sS -D cookies.txt -o /dev/null https://echo.test/cookies
curl -sS -o plain.json http://echo.test/echo
SH
agent -- sh c.sh

assert_eq GET "$(json get.json 'd["method"]')"
assert_eq '/echo?q=a%20b' "$(json get.json 'd["target"]')"
assert_eq 'X-One:1 x-two:2 X-One:3' "$(json get.json '" ".join(n + ":" + v for n, v in d["headers"] if "x-" in n.lower())')" "fields, their order and spelling"
for field in via forwarded x-forwarded-for proxy-authorization proxy-connection connection; do
  assert_eq 0 "$(json get.json "sum(n.lower() == '$field' for n, v in d['headers'])")" "$field at the upstream"
done
assert_eq hello=world "$(json post.json 'd["body"]')"
assert_eq "$(sha256sum <get.json | cut -d' ' -f1)" "$(json put.json 'd["sha256"]')"
assert_contains head.txt 'Content-Length: 1000'
assert_contains 204.txt 204
assert_contains 304.txt 304
for name in 204.body 304.body; do
  [ ! -s "$name" ] || fail "$name has bytes"
done
assert_contains 404.txt 404
assert_absent 404.txt X-Agent-Vault-Proxy-Error
assert_eq 70659 "$(wc -c <chunked.bin)"
assert_eq GET "$(json gzip.json 'd["method"]')"
assert_contains trailers.txt 'X-Checksum: abc'
assert_eq 'until the end' "$(cat close.txt)"
assert_eq '1 true' "$(json 100.json '"%d %s" % (d["bytes"], str(d["expected"]).lower())')"
assert_contains redirect.txt 'Location: https://elsewhere.test/there'
assert_contains hints.body 'after the hints'
assert_contains hints.txt 'HTTP/1.1 103'
assert_contains cookies.txt 'Set-Cookie: a=1'
assert_contains cookies.txt 'Set-Cookie: b=2'
assert_absent cookies.txt 'Alt-Svc'
assert_eq GET "$(json plain.json 'd["method"]')"

assert_eq true "$(received "all(['Authorization', 'Bearer $real'] in x['headers'] for x in r if x['tls'])")" "every https request was authenticated"
assert_eq false "$(received "any('$real' in str(x) for x in r if not x['tls'])")" "the credential went out in cleartext"
canary_check "$AV_CASE/work" "$OUT/agent.out" "$OUT/agent.err"
