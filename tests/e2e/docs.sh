#!/usr/bin/env bash
# The completions in the tree are those that the program prints; links between the documents lead
# somewhere; and what the README says to type works: its blocks marked "sh test" run in order in one shell.
set -eu
. "$(dirname "$0")/common.inc"
for pair in bash:agent-vault.bash zsh:_agent-vault fish:agent-vault.fish; do
  file=$AV_ROOT/completions/${pair#*:}
  av completion "${pair%%:*}" >"$OUT/completion"
  cmp -s "$OUT/completion" "$file" ||
    fail "completions/${pair#*:} is out of date: agent-vault completion ${pair%%:*} >completions/${pair#*:}"
done

"$AV_PYTHON" - <<'PY' || fail "broken links"
import glob, os, re, sys
root = os.environ["AV_ROOT"]
bad = 0
for path in glob.glob(os.path.join(root, "*.md")):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", open(path, encoding="utf-8").read()):
        if not target.startswith("https://") and not os.path.exists(os.path.join(root, target)):
            print(f"{os.path.basename(path)}: {target} does not exist")
            bad = 1
sys.exit(bad)
PY

awk '/^```sh test$/ {on = 1; next} /^```$/ {on = 0} on' "$AV_ROOT/README.md" >"$OUT/readme.sh"
[ -s "$OUT/readme.sh" ] || fail "the README has no block to run"
mkdir -p "$OUT/bin"
ln -s "$AV_BINARY" "$OUT/bin/agent-vault"
# As a reader has it: no AGENT_VAULT_HOME, the store below HOME.
env -u AGENT_VAULT_HOME PATH="$OUT/bin:$PATH" bash -eu -o pipefail "$OUT/readme.sh" >"$OUT/readme.out" 2>"$OUT/readme.err" || {
  cat "$OUT/readme.out" "$OUT/readme.err"
  fail "a block of the README failed"
}
[ -s "$HOME/.local/share/agent-vault/vault.db" ] || fail "the README's store is not where it says"
