#!/usr/bin/env bash
# The key kept by a TPM (swtpm), a token (SoftHSM) and a keyring (GNOME Keyring): each opens the store, is asked for its PIN, says
# what is missing when it is not there, and survives kill -9 in the middle of a change.
# timeout: 240
set -eu
. "$(dirname "$0")/common.inc"
need swtpm softhsm2-util pkcs11-tool gnome-keyring-daemon dbus-daemon sqlite3
store=$AGENT_VAULT_HOME
mode() { av key status --json | "$AV_PYTHON" -c 'import json,sys; print(json.load(sys.stdin)["mode"])'; }
descriptor() { sqlite3 "$store/vault.db" 'SELECT descriptor FROM key'; }
get() { av vault credential get KEY; }
device() { # KIND: its directory, under $OUT
  mkdir -p -m 700 "$OUT/$1"
  exec "$AV_PYTHON" "$SUPPORT/device.py" "$1" "$OUT/$1" 2>>"$OUT/device.err"
}
# The same chip, switched on anew: what a killed process has left in it is gone, which the kernel's resource manager would see to.
start_tpm() {
  if [ -n "${TPM_PID:-}" ]; then
    local pid=$TPM_PID
    eval "exec ${TPM[1]}>&-"
    wait "$pid" || true
  fi
  coproc TPM { device tpm; }
  read -r AGENT_VAULT_TPM_TCTI <&"${TPM[0]}"
  export AGENT_VAULT_TPM_TCTI
}
value=$(new_canary)
set_credential KEY "$value"

# -- a TPM, without a PIN
start_tpm
av key protect --with tpm 2>"$OUT/words"
assert_contains "$OUT/words" 'the TPM of this machine'
assert_eq tpm "$(mode)"
[ ! -e "$store/key" ] || fail "the key file is still there"
assert_eq "$value" "$(get)"
av key rotate 2>/dev/null
assert_eq "$value" "$(get)" "after a rotation"
agent -- true
expect_exit 4 env AGENT_VAULT_TPM_TCTI=device:/nonexistent/tpm "$AV_BINARY" vault credential get KEY
assert_error /nonexistent/tpm
if [ ! -e /dev/tpmrm0 ]; then
  expect_exit 4 env -u AGENT_VAULT_TPM_TCTI "$AV_BINARY" vault credential get KEY
  assert_error 'no TPM 2.0'
fi
# Another one: a copy of the store on another machine.
coproc OTHER { mkdir -p "$OUT/other" && exec "$AV_PYTHON" "$SUPPORT/device.py" tpm "$OUT/other"; } 2>/dev/null
read -r other <&"${OTHER[0]}"
expect_exit 4 env AGENT_VAULT_TPM_TCTI="$other" "$AV_BINARY" vault credential get KEY
assert_error 'another TPM'

# -- with a PIN, chosen at the terminal and asked for there
"$AV_PYTHON" "$SUPPORT/with_tty.py" 'expect=new PIN' 'send=2468\n' 'expect=once more' 'send=2468\n' 'expect=and the PIN' -- \
  "$AV_BINARY" key protect --with tpm --pin >"$OUT/tty" 2>&1 || { cat "$OUT/tty"; fail "a new PIN at the terminal"; }
assert_absent "$OUT/tty" 2468
expect_exit 4 get </dev/null
assert_error 'unlock'
expect_exit 4 env AGENT_VAULT_TPM_PIN=1357 "$AV_BINARY" vault credential get KEY
assert_error 'wrong PIN'
assert_eq "$value" "$(AGENT_VAULT_TPM_PIN=2468 get)"
"$AV_PYTHON" "$SUPPORT/with_tty.py" 'expect=PIN of the store' 'send=2468\n' "expect=$value" -- \
  "$AV_BINARY" vault credential get KEY >"$OUT/tty" 2>&1 || { cat "$OUT/tty"; fail "the PIN at the terminal"; }
export AGENT_VAULT_TPM_PIN=2468
agent -- sh -c 'env >env.txt'
assert_absent env.txt AGENT_VAULT_TPM_PIN
av doctor --json >"$OUT/doctor.json" || true
assert_contains "$OUT/doctor.json" 'the TPM of this machine, with a PIN'
# Unlocked, neither the PIN is asked for nor the TPM needed.
av unlock --for 5m 2>/dev/null
assert_eq "$value" "$(env -u AGENT_VAULT_TPM_PIN AGENT_VAULT_TPM_TCTI=device:/nonexistent/tpm "$AV_BINARY" vault credential get KEY </dev/null)"
av lock 2>/dev/null
expect_exit 4 env -u AGENT_VAULT_TPM_PIN "$AV_BINARY" vault credential get KEY </dev/null
descriptor | grep -qF 2468 && fail "the PIN is in the store"

# -- a token
mkdir -p "$OUT/token"
module=$("$AV_PYTHON" "$SUPPORT/device.py" token "$OUT/token")
export SOFTHSM2_CONF=$OUT/token/softhsm2.conf
token=(--with pkcs11 --module "$module" --token work)
expect_exit 2 av key protect --with pkcs11 --token work
assert_error '--module'
expect_exit 2 av key protect --with tpm --key x
assert_error
expect_exit 4 av key protect "${token[@]}" --key rsa </dev/null
assert_error AGENT_VAULT_PKCS11_PIN
expect_exit 4 env AGENT_VAULT_PKCS11_PIN=0000 "$AV_BINARY" key protect "${token[@]}" --key rsa
assert_error 'wrong PIN'
expect_exit 3 env AGENT_VAULT_PKCS11_PIN=1234 "$AV_BINARY" key protect "${token[@]}" --key none
assert_error 'no AES or RSA key'
assert_eq tpm "$(mode)" "after changes that failed"
for key in rsa aes; do
  AGENT_VAULT_PKCS11_PIN=1234 av key protect "${token[@]}" --key $key 2>/dev/null
  assert_eq "$value" "$(AGENT_VAULT_PKCS11_PIN=1234 get)"
  expect_exit 4 get </dev/null
  assert_error 'AGENT_VAULT_PKCS11_PIN'
  expect_exit 4 env AGENT_VAULT_PKCS11_PIN=0000 "$AV_BINARY" vault credential get KEY
  assert_error 'wrong PIN'
done
assert_eq pkcs11 "$(AGENT_VAULT_PKCS11_PIN=1234 mode)"
"$AV_PYTHON" "$SUPPORT/with_tty.py" "expect=PIN of the token 'work'" 'send=1234\n' "expect=$value" -- \
  "$AV_BINARY" vault credential get KEY >"$OUT/tty" 2>&1 || { cat "$OUT/tty"; fail "the PIN of the token at the terminal"; }
# The token is taken out; its library is removed; a row is made to name another library.
mkdir -p "$OUT/empty/tokens"
sed "s#$OUT/token#$OUT/empty#" "$SOFTHSM2_CONF" >"$OUT/empty.conf"
expect_exit 4 env SOFTHSM2_CONF="$OUT/empty.conf" AGENT_VAULT_PKCS11_PIN=1234 "$AV_BINARY" vault credential get KEY
assert_error "no token with the label 'work'"
good=$(descriptor)
try_module() { # CODE MODULE TEXT
  sqlite3 "$store/vault.db" "UPDATE key SET descriptor = json_set(descriptor, '\$.module', '$2')"
  expect_exit "$1" env AGENT_VAULT_PKCS11_PIN=1234 "$AV_BINARY" vault credential get KEY
  assert_error "$3"
  sqlite3 "$store/vault.db" "UPDATE key SET descriptor = '$good'"
}
try_module 4 /nonexistent/module.so 'is not there'
install -m 777 "$module" "$OUT/planted.so"
try_module 4 "$OUT/planted.so" 'not safe to load'
# One that is safe by its place, but which the row did not name when the key was wrapped.
install -m 755 "$module" "$OUT/planted.so"
expect_corrupt() {
  sqlite3 "$store/vault.db" "UPDATE key SET descriptor = json_set(descriptor, '\$.module', '$OUT/planted.so')"
  AGENT_VAULT_PKCS11_PIN=1234 av vault credential get KEY >"$OUT/stdout" 2>"$OUT/stderr" && fail "a changed row opens the store"
  assert_error 'damaged or tampered'
  sqlite3 "$store/vault.db" "UPDATE key SET descriptor = '$good'"
}
expect_corrupt
assert_eq "$value" "$(AGENT_VAULT_PKCS11_PIN=1234 get)" "as it was"

# -- a keyring
expect_exit 4 env -u DBUS_SESSION_BUS_ADDRESS -u XDG_RUNTIME_DIR AGENT_VAULT_PKCS11_PIN=1234 "$AV_BINARY" key protect --with keyring
assert_error 'no session bus'
coproc RING { device keyring; }
read -r DBUS_SESSION_BUS_ADDRESS <&"${RING[0]}"
export DBUS_SESSION_BUS_ADDRESS
AGENT_VAULT_PKCS11_PIN=1234 av key protect --with keyring 2>/dev/null
assert_eq keyring "$(mode)"
assert_eq "$value" "$(get)"
agent -- true
expect_exit 4 env -u DBUS_SESSION_BUS_ADDRESS -u XDG_RUNTIME_DIR "$AV_BINARY" vault credential get KEY
assert_error 'no session bus'

# -- kill -9 at any moment of a change; whatever the row then names opens the store
export AGENT_VAULT_PKCS11_PIN=1234
for round in $(seq 15); do
  case $((round % 4)) in
  0) way=(--with file) ;;
  1) way=(--with tpm) ;;
  2) way=("${token[@]}" --key aes) ;;
  3) way=(--with keyring) ;;
  esac
  "$AV_BINARY" key protect "${way[@]}" >/dev/null 2>&1 &
  victim=$!
  sleep "0.0$((RANDOM % 90 + 10))"
  kill -9 $victim 2>/dev/null || true
  wait $victim 2>/dev/null || true
  start_tpm # the killed one may have opened the store by it
  assert_eq "$value" "$(get)" "round $round, ${way[*]}, then $(mode)"
done
av key protect --with keyring 2>/dev/null
[ ! -e "$store/key" ] || fail "a key file is left over"
[ ! -e "$store/key.new" ] || fail "a new key file is left over"

# Locked, the keyring gives nothing, and nothing is asked where nobody is.
echo lock >&"${RING[1]}"
read -r said <&"${RING[0]}"
assert_eq locked "$said"
expect_exit 4 get </dev/null
assert_error locked
