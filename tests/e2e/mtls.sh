#!/usr/bin/env bash
# A service whose server wants a client certificate: certificate and key are credentials, the agent
# has neither; roots of a service are for that service only.
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/egress.inc"
CERTS=$OUT/certs
"$SUPPORT/make_certs.sh" "$CERTS"
openssl ecparam -name prime256v1 -genkey -noout -out "$OUT/client.key"
openssl req -new -key "$OUT/client.key" -subj '/CN=the-client' -out "$OUT/client.csr" 2>/dev/null
openssl x509 -req -in "$OUT/client.csr" -CA "$CERTS/ca.pem" -CAkey "$CERTS/ca.key" -CAcreateserial -days 30 \
  -out "$OUT/client.pem" 2>/dev/null
start_tls_server mtls --cert "$CERTS/server" --client-ca "$CERTS/ca.pem"
RUN_OPTIONS+=(--resolve "echo.test:443:127.0.0.1:$TLS_PORT" --resolve "second.test:443:127.0.0.1:$TLS_PORT")
av vault credential set CLIENT_CERT --from-file "$OUT/client.pem" >/dev/null 2>&1
av vault credential set CLIENT_KEY --from-file "$OUT/client.key" >/dev/null 2>&1
{
  printf '[[services]]\nname = "mtls"\nhost = "echo.test"\nauth = { type = "passthrough" }\n'
  printf 'tls = { certificate = "CLIENT_CERT", key = "CLIENT_KEY", ca = """\n'
  cat "$CERTS/ca.pem"
  printf '""" }\n'
} | service_file

get -- https://echo.test/ https://echo.test/
assert_eq 2 "$(grep -c '"client": "the-client"' "$OUT/agent.out")" "answers that saw the certificate"
assert_contains "$OUT/agent.out" '"resumed": true'
# The root came with the service: another host does not have it.
get -- https://second.test/
assert_contains "$OUT/agent.out" "502 upstream_certificate_untrusted"
get --upstream-ca "$CERTS/ca.pem" -- https://second.test/
assert_absent "$OUT/agent.out" the-client
assert_absent "$OUT/agent.out" "200 "

# Set to something else, it is named and not quoted; the change takes effect at once.
printf 'this-is-no-key-%s' "$(new_canary)" | av vault credential set CLIENT_KEY --stdin >/dev/null 2>&1
get -- https://echo.test/
assert_contains "$OUT/agent.out" "502 client_certificate_invalid"
assert_contains "$OUT/agent.out" CLIENT_KEY
canary_check "$OUT/agent.out" "$OUT/agent.err"
