#!/usr/bin/env bash
# What stands in for 1Password and Bitwarden in the other cases is held against what their makers publish: the Connect SDK of npm reads from
# the stand-in of Connect, and Bitwarden's program says to our arguments what the stand-in of it says.
# timeout: 180
set -eu
. "$(dirname "$0")/common.inc"
npm_package @1password/connect
npm_package @bitwarden/cli

# -- Bitwarden's program: each command line that the source of the store has, in a directory where nobody is logged in
bw=$NPM_DIR/node_modules/.bin/bw
mkdir -p real fake
"$bw" --version >"$OUT/version" 2>/dev/null
said() { # REAL|FAKE WORD...: one line of JSON, without the note about a new file
  local who=$1
  shift
  case $who in
  real) BITWARDENCLI_APPDATA_DIR=$PWD/real "$bw" "$@" --response --nointeraction 2>/dev/null || true ;;
  fake) BITWARDENCLI_APPDATA_DIR=$PWD/fake "$SUPPORT/fake_bw" "$@" --response --nointeraction 2>/dev/null || true ;;
  esac | "$AV_PYTHON" -c 'import json, sys
found = [json.loads(line) for line in sys.stdin if line.startswith("{")]
print(json.dumps(found[-1], sort_keys=True) if found else "nothing")'
}
compare() {
  local real
  real=$(said real "$@")
  assert_eq "$real" "$(said fake "$@")" "bw $*"
  assert_absent <(echo "$real") nothing
}
compare status
compare get item 01234567-89ab-cdef-0123-456789abcdef
compare get item 'Open AI'
compare list items --url=https://github.com
compare list items --search=github
compare list items
# A word that it does not know is told apart: the comparison is not one of two programs that take anything.
assert_eq nothing "$(said real list items --no-such-option=x)" "the real one refuses what it does not know"

# -- the Connect SDK
vault=aaaaaaaaaaaaaaaaaaaaaaaaaa
item=bbbbbbbbbbbbbbbbbbbbbbbbbb
cat >data.json <<JSON
{"vaults": [{"id": "$vault", "name": "Work", "items": [{"id": "$item", "title": "OpenAI key", "category": "LOGIN",
  "fields": [{"id": "password", "label": "password", "type": "CONCEALED", "purpose": "PASSWORD", "value": "value-by-the-sdk"}]}]}]}
JSON
"$AV_PYTHON" "$SUPPORT/fake_op_connect.py" --data data.json --token connect-token-0123456789 --log connect.jsonl >"$OUT/connect.out" 2>"$OUT/connect.err" &
wait_for 30 test -s "$OUT/connect.out"
port=$(awk '/^READY/ { print $2 }' "$OUT/connect.out")
cat >sdk.js <<'JS'
const { OnePasswordConnect } = require("@1password/connect");
(async () => {
  const [url, token, vaultId, itemId] = process.argv.slice(2);
  const connect = OnePasswordConnect({ serverURL: url, token, keepAlive: true });
  const vaults = await connect.listVaults();
  const vault = await connect.getVaultByTitle("Work");
  const byTitle = await connect.getItemByTitle(vaultId, "OpenAI key");
  const byId = await connect.getItemById(vaultId, itemId);
  const value = (item) => item.fields.find((field) => field.id === "password").value;
  console.log([vaults.length, vault.id === vaultId, value(byTitle), value(byId)].join(" "));
  try {
    await OnePasswordConnect({ serverURL: url, token: "wrong", keepAlive: true }).listVaults();
    console.log("a wrong token is taken");
  } catch (error) {
    console.log("refused " + (error.status || (error.httpStatus ?? error.response?.status)));
  }
})();
JS
NODE_PATH=$NPM_DIR/node_modules node sdk.js "http://127.0.0.1:$port" connect-token-0123456789 $vault $item >"$OUT/sdk"
assert_eq "1 true value-by-the-sdk value-by-the-sdk" "$(head -1 "$OUT/sdk")" "what the SDK reads: $(cat "$OUT/sdk" connect.jsonl)"
assert_eq "refused 401" "$(sed -n 2p "$OUT/sdk")"
