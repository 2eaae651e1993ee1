#!/usr/bin/env bash
# Every variable that tools read is there, points at the proxy or at a CA bundle that holds the run's
# own root as well as the system's, and the user's NO_PROXY is kept.
set -eu
. "$(dirname "$0")/common.inc"
set_credential OPENAI_API_KEY "$(new_canary)"
set_credential ANTHROPIC_API_KEY "$(new_canary)"
set_credential GITHUB_TOKEN "$(new_canary)"
for preset in openai anthropic github; do
  av vault service add --preset $preset >/dev/null
done
export NO_PROXY=intranet.example,10.1.0.0/16 no_proxy=intranet.example,10.1.0.0/16 JAVA_TOOL_OPTIONS=-Dmine=1
agent -- sh -c 'env -0 >env.bin; cp "$SSL_CERT_FILE" bundle.pem; stat -c "%a" "$SSL_CERT_FILE" >mode.txt'
tr '\0' '\n' <env.bin >env.txt
value() { sed -n "s/^$1=//p" env.txt; }

proxy=$(value HTTPS_PROXY)
case $proxy in
http://av_sess_*@127.0.0.1:*) ;;
*) fail "HTTPS_PROXY is '$proxy'" ;;
esac
for name in HTTP_PROXY ALL_PROXY https_proxy http_proxy all_proxy AGENT_VAULT_PROXY; do
  case $(value $name) in
  http://*@127.0.0.1:*) ;;
  *) fail "$name is '$(value $name)'" ;;
  esac
done
for name in NO_PROXY no_proxy; do
  case ,$(value $name), in
  *,intranet.example,10.1.0.0/16,*) ;;
  *) fail "$name lost the user's entries: '$(value $name)'" ;;
  esac
  case ,$(value $name), in
  *,localhost,*) ;;
  *) fail "$name has no localhost: '$(value $name)'" ;;
  esac
done
bundle=$(value SSL_CERT_FILE)
for name in NODE_EXTRA_CA_CERTS REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO DENO_CERT AWS_CA_BUNDLE \
  PIP_CERT CARGO_HTTP_CAINFO npm_config_cafile GRPC_DEFAULT_SSL_ROOTS_FILE_PATH NIX_SSL_CERT_FILE \
  CODEX_CA_CERTIFICATE; do
  [ -n "$(value $name)" ] || fail "$name is not set"
done
if [ -s /etc/ssl/certs/ca-certificates.crt ]; then
  system=$(grep -c BEGIN /etc/ssl/certs/ca-certificates.crt)
  [ "$(grep -c 'BEGIN CERTIFICATE' bundle.pem)" -gt "$system" ] || fail "the bundle lacks the system's roots"
fi
[ -n "$bundle" ] || fail "SSL_CERT_FILE is not set"
assert_contains env.txt JAVA_TOOL_OPTIONS=
assert_contains <(value JAVA_TOOL_OPTIONS) -Dmine=1
assert_contains <(value JAVA_TOOL_OPTIONS) javax.net.ssl.trustStore
assert_eq 1 "$(value NODE_USE_ENV_PROXY)"
assert_eq default "$(value AGENT_VAULT_VAULT)"
assert_matches <(value AGENT_VAULT_TOKEN) '^av_sess_[0-9A-Za-z_-]{30,}$'
assert_matches <(value AGENT_VAULT_ADDR) '^http://127\.0\.0\.1:[0-9]+/?$'
assert_matches <(value OPENAI_API_KEY) '^sk-.{20,}$'
assert_matches <(value ANTHROPIC_API_KEY) '^sk-ant-.{20,}$'
assert_matches <(value GITHUB_TOKEN) '^(ghp_|github_pat_).{16,}$'
assert_eq "$(sort env.txt | cut -d= -f1 | grep -c .)" "$(sort -u env.txt | cut -d= -f1 | sort -u | grep -c .)" "variables that occur once"
canary_check env.bin

# New placeholders in every run.
first=$(value OPENAI_API_KEY)
agent -- sh -c 'printf %s "$OPENAI_API_KEY" >second.txt'
[ "$first" != "$(cat second.txt)" ] || fail "the same placeholder in two runs"
