#!/bin/sh
# make_certs.sh DIR: a private test CA and the server certificates that fake_upstream.py presents.
#   ca.pem                the root that tests trust (--upstream-ca)
#   server.{pem,key}      every host that the fake plays
#   expired.{pem,key}     expired.test, ended in 2021
#   wronghost.{pem,key}   presented for wronghost.test, issued to other.test
#   untrusted.{pem,key}   untrusted.test, signed by a CA that nobody trusts
# CERT_HOSTS: further names for server.pem.
set -eu

dir=$1
mkdir -p "$dir"
cd "$dir"
log=$dir/openssl.log
: >"$log"

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

new_ca() {
  new_key "$1.key"
  openssl req -x509 -new -key "$1.key" -subj "/O=agent-vault tests/CN=$2" -days 3650 -out "$1.pem" \
    -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
    2>>"$log"
}

# issue NAME CA SAN [START END]: `openssl ca`, because only that can date a certificate in the past.
issue() {
  name=$1 ca=$2 san=$3
  start=${4:-20240101000000Z} end=${5:-20491231235959Z}
  new_key "$name.key"
  rm -rf "$name.db" && mkdir "$name.db"
  : >"$name.db/index.txt"
  cat >"$name.cnf" <<CNF
[ca]
default_ca = d
[d]
new_certs_dir = $name.db
database = $name.db/index.txt
rand_serial = yes
default_md = sha256
policy = p
x509_extensions = x
unique_subject = no
[p]
organizationName = optional
commonName = supplied
[x]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = $san
CNF
  openssl req -new -key "$name.key" -subj "/O=agent-vault tests/CN=$name" -out "$name.csr" 2>>"$log"
  openssl ca -batch -notext -config "$name.cnf" -cert "$ca.pem" -keyfile "$ca.key" \
    -startdate "$start" -enddate "$end" -in "$name.csr" -out "$name.pem" 2>>"$log"
  rm -rf "$name.db" "$name.cnf" "$name.csr"
}

new_ca ca 'Test root'
new_ca other-ca 'Unknown test root'
more=
for host in ${CERT_HOSTS:-}; do more=$more,DNS:$host; done
issue server ca 'DNS:api.openai.com,DNS:api.anthropic.com,DNS:api.github.com,DNS:github.com,DNS:api.telegram.org,DNS:chatgpt.com,DNS:auth.openai.com,DNS:platform.claude.com,DNS:console.anthropic.com,DNS:mcp-proxy.anthropic.com,DNS:echo.test,DNS:*.echo.test,DNS:second.test,DNS:idp.test,DNS:*.idp.test,DNS:mcp.test,DNS:accounts.google.com,DNS:oauth2.googleapis.com,DNS:www.googleapis.com,DNS:slack.com,IP:127.0.0.1,IP:::1'"$more"
issue expired ca 'DNS:expired.test' 20200101000000Z 20210101000000Z
issue wronghost ca 'DNS:other.test'
issue untrusted other-ca 'DNS:untrusted.test'
