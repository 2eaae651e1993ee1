#!/usr/bin/env bash
# The npm package oidc-provider as the tests run it, driven by curl alone: code with PKCE (public, confidential, registered
# just now), refresh with rotation, the device flow, client credentials; and that what it should refuse is refused.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/oauth.inc"
need node curl openssl
start_oidc_provider --certs
assert_eq https://oidc.idp.test "$OIDC_ISSUER"

oidc() { # CURL-OPTION... PATH: status in STATUS, body in $OUT/body, head in $OUT/head
  local path=${*: -1}
  STATUS=$(curl -sS -m 20 --noproxy '*' --cacert "$CA" --connect-to "oidc.idp.test:443:127.0.0.1:$OIDC_PORT" -o "$OUT/body" -D "$OUT/head" -w '%{http_code}' \
    "${@:1:$#-1}" "https://oidc.idp.test$path")
}
works() { # STATUS: the answer was that
  [ "$STATUS" = "$1" ] || fail "$STATUS instead of $1: $(head -c 400 "$OUT/body")"
}
refused() { # ERROR
  works 400
  assert_eq "$1" "$(json "$OUT/body" 'd["error"]')"
}
member() { json "$OUT/body" "d['$1']"; }
usable() { # ACCESS_TOKEN [CLIENT]: a live token of that client
  oidc -H "Authorization: Bearer $1" /test/whoami
  works 200
  [ $# = 1 ] || assert_eq "$2" "$(member client_id)"
}
challenge() {
  VERIFIER=$(openssl rand -hex 32)
  CHALLENGE=$(printf '%s' "$VERIFIER" | openssl dgst -sha256 -binary | openssl base64 -A | tr '+/' '-_' | tr -d =)
}
REDIRECT=http://127.0.0.1:4711/callback
authorize() { # CLIENT [MORE]: CODE, by redirects alone and a cookie jar
  challenge
  rm -f "$OUT/jar"
  local next="/auth?response_type=code&client_id=$1&redirect_uri=$REDIRECT&scope=openid%20email%20offline_access%20read&prompt=consent&state=s&code_challenge=$CHALLENGE&code_challenge_method=S256${2:-}"
  local hops=0
  while [ $hops -lt 10 ]; do
    oidc -b "$OUT/jar" -c "$OUT/jar" "$next"
    case $STATUS in 30[23]) ;; *) fail "authorize: $STATUS $(head -c 400 "$OUT/body")" ;; esac
    next=$(sed -n 's/^[Ll]ocation: *\([^\r]*\).*/\1/p' "$OUT/head")
    case $next in
      "$REDIRECT"*) break ;;
      https://oidc.idp.test/*) next=${next#https://oidc.idp.test} ;;
    esac
    hops=$((hops + 1))
  done
  case $next in *state=s*) ;; *) fail "no state in $next" ;; esac
  case $next in *iss=https%3A%2F%2Foidc.idp.test*) ;; *) fail "no iss in $next" ;; esac
  case $next in *code=*) ;; *) fail "no code in $next" ;; esac
  CODE=$(printf '%s' "$next" | sed 's/.*[?&]code=\([^&]*\).*/\1/')
}
code_form=(--data-urlencode grant_type=authorization_code --data-urlencode "redirect_uri=$REDIRECT")

oidc /.well-known/openid-configuration
works 200
assert_eq https://oidc.idp.test/token "$(member token_endpoint)"
assert_eq '["S256"]' "$(member code_challenge_methods_supported)"
oidc /.well-known/oauth-authorization-server
works 200
oidc /test/secrets
confidential=$(member confidential) post=$(member post) service=$(member service)

# public: PKCE; the wrong verifier and a second use are refused
authorize public
oidc "${code_form[@]}" -d client_id=public -d "code=$CODE" -d "code_verifier=${VERIFIER}x" /token
refused invalid_grant
authorize public
oidc "${code_form[@]}" -d client_id=public -d "code=$CODE" -d "code_verifier=$VERIFIER" /token
works 200
access=$(member access_token) first=$(member refresh_token)
assert_eq 60 "$(member expires_in)"
assert_eq 3 "$(json "$OUT/body" 'len(d["id_token"].split("."))')"
usable "$access" public
oidc -H "Authorization: Bearer $access" /me
assert_eq ann@example.com "$(member email)"
oidc -H 'Authorization: Bearer nothing' /test/whoami
works 401

# refresh: rotated; the old one again ends the grant
oidc -d grant_type=refresh_token -d client_id=public -d "refresh_token=$first" /token
works 200
second=$(member refresh_token) access=$(member access_token)
[ "$first" != "$second" ] || fail "the refresh token was not rotated"
usable "$access" public
oidc -d grant_type=refresh_token -d client_id=public -d "refresh_token=$first" /token
refused invalid_grant
oidc -d grant_type=refresh_token -d client_id=public -d "refresh_token=$second" /token
refused invalid_grant
oidc -H "Authorization: Bearer $access" /test/whoami
works 401

# a code twice
authorize public
oidc "${code_form[@]}" -d client_id=public -d "code=$CODE" -d "code_verifier=$VERIFIER" /token
works 200
oidc "${code_form[@]}" -d client_id=public -d "code=$CODE" -d "code_verifier=$VERIFIER" /token
refused invalid_grant

# confidential: Basic with what RFC 6749 section 2.3.1 wants encoded, and in the form
encoded() { "$AV_PYTHON" -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1], safe=""))' "$1"; }
authorize confidential
oidc "${code_form[@]}" -u "confidential:$(encoded "$confidential")" -d "code=$CODE" -d "code_verifier=$VERIFIER" /token
works 200
usable "$(member access_token)" confidential
authorize confidential
oidc "${code_form[@]}" -u "confidential:$confidential" -d "code=$CODE" -d "code_verifier=$VERIFIER" /token
[ "$STATUS" != 200 ] || fail "a secret that was not form-encoded was taken"
authorize post
oidc "${code_form[@]}" -d client_id=post --data-urlencode "client_secret=$post" -d "code=$CODE" -d "code_verifier=$VERIFIER" /token
works 200
usable "$(member access_token)" post
authorize post
oidc "${code_form[@]}" -d client_id=post -d client_secret=wrong -d "code=$CODE" -d "code_verifier=$VERIFIER" /token
works 401

# for a resource (RFC 8707)
authorize public '&resource=https://mcp.test/mcp'
oidc "${code_form[@]}" -d client_id=public -d "code=$CODE" -d "code_verifier=$VERIFIER" -d resource=https://mcp.test/mcp /token
works 200
usable "$(member access_token)" public
assert_eq https://mcp.test/mcp "$(member aud)"

# client credentials
oidc -d grant_type=client_credentials -d scope=read -u "service:$(encoded "$service")" -d resource=https://mcp.test/mcp /token
works 200
usable "$(member access_token)" service
oidc -d grant_type=client_credentials -u service:wrong /token
works 401

# device flow; the user's side through its two forms
oidc -d client_id=device -d 'scope=openid offline_access read' /device/auth
works 200
device=$(member device_code) complete=$(member verification_uri_complete)
device_token() { oidc -d grant_type=urn:ietf:params:oauth:grant-type:device_code -d client_id=device -d "device_code=$device" /token; }
device_token
refused authorization_pending
browse --forms 3 "$complete" || fail "the device pages: $(cat "$OUT/browsed")"
assert_eq Done "$(json "$OUT/browsed" 'd["title"]')"
device_token
works 200
member refresh_token >/dev/null
usable "$(member access_token)" device
device_token
refused invalid_grant

# dynamic registration, and the client that it made
oidc -H 'Content-Type: application/json' -d '{"client_name":"Made now","application_type":"native","token_endpoint_auth_method":"none","redirect_uris":["http://127.0.0.1/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"]}' /reg
works 201
made=$(member client_id)
authorize "$made"
oidc "${code_form[@]}" -d "client_id=$made" -d "code=$CODE" -d "code_verifier=$VERIFIER" /token
works 200
access=$(member access_token)
usable "$access" "$made"

# revocation
oidc -d "client_id=$made" -d "token=$access" /token/revocation
works 200
oidc -H "Authorization: Bearer $access" /test/whoami
works 401

# The browser without a window goes the same way.
challenge
browse --stop-at "$REDIRECT" "https://oidc.idp.test/auth?response_type=code&client_id=public&redirect_uri=$REDIRECT&scope=openid&state=b&code_challenge=$CHALLENGE&code_challenge_method=S256"
assert_contains "$OUT/browsed" 'code='
assert_absent "$OUT/oidc.jsonl" "$access"
