#!/usr/bin/env bash
# The audit trail after somebody has been at its files: each way to doctor what real runs wrote, done with
# ordinary tools, is found; what is as it was is not. Killed runs, older copies, pruning, a full disk, and
# many processes that begin at once.
# timeout: 150
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"
for i in 1 2; do
  agent -- sh -c 'for i in 1 2 3; do curl -sS https://echo.test/echo/$i >/dev/null; done'
done
audit=$AGENT_VAULT_HOME/audit
av audit verify >verify.txt
assert_matches verify.txt '^nothing amiss: [0-9]+ files with [0-9]+ records since 20.*; head [0-9]+:[0-9a-f]{64}$'
av audit head --json >head.json
head=$(json head.json 'd["head"]')
key=$(json head.json 'd["public_key"]')
av audit verify --head "$head" --public-key "$key" >/dev/null
assert_eq true "$(av audit verify --json >v.json && json v.json 'd["ok"] and d["head"] == "'"$head"'"')"
expect_exit 2 av audit verify --head nonsense
cp -a "$audit" "$OUT/older"

# -- one after the other, each from the same start
run_log=$(basename "$(find "$audit" -name '*-run_*.jsonl' | sort | head -n 1)")
other_log=$(basename "$(find "$audit" -name '*-run_*.jsonl' | sort | tail -n 1)")
[ "$(wc -l <"$audit/$run_log")" -ge 8 ] || fail "the run's log has too few lines"
doctored() { # WHAT TEXT COMMAND...: in the audit directory; verify must then exit 1 and say TEXT
  local what=$1 text=$2
  shift 2
  rm -rf "$audit"
  cp -a "$OUT/older" "$audit"
  (cd "$audit" && "$@")
  cmp -s <(cd "$audit" && find . -type f -exec sha256sum {} + | sort && find . -not -type f) \
    <(cd "$OUT/older" && find . -type f -exec sha256sum {} + | sort && find . -not -type f) && fail "$what changed nothing"
  expect_exit 1 av audit verify
  grep -qF -e "$text" "$OUT/stdout" || { cat "$OUT/stdout"; fail "$what: no '$text'"; }
  assert_contains "$OUT/stderr" "the audit log is not what was written"
  canary_check "$OUT/stdout" "$OUT/stderr"
}
swap_files() { mv "$run_log" x && mv "$other_log" "$run_log" && mv x "$other_log"; }
swap_lines() { sed -i '3{h;d};4{G}' "$run_log"; }
cut_root() { sed -i '$d' root.chain; }
doctored "a byte edited" "$run_log:3" sed -i '3s/request/requesT/' "$run_log"
doctored "a hash edited" "$run_log:3" sed -i '3s/"hash":"[0-9a-f]/"hash":"x/' "$run_log"
doctored "a row deleted" "$run_log:3" sed -i 3d "$run_log"
doctored "rows swapped" "$run_log:3" swap_lines
doctored "a row inserted" "$run_log:4" sed -i '3p' "$run_log"
doctored "the tail cut" "the end was cut off" sed -i '$d' "$run_log"
doctored "the tail cut in a row" "$run_log" truncate -s -20 "$run_log"
doctored "everything cut" "the end was cut off" truncate -s 0 "$run_log"
doctored "a row added" "$run_log" sh -c "echo '{\"time\":\"x\"}' >>$run_log"
doctored "a file deleted" "$run_log: is gone" rm "$run_log"
doctored "a file added" "no line of the chain names" cp "$run_log" 20260101T000000.000Z-run_1.jsonl
doctored "a file renamed" "$run_log: is gone" mv "$run_log" 20260101T000000.000Z-run_1.jsonl
doctored "files swapped" "$run_log:1" swap_files
# Whatever does not belong there is told, by a name that cannot pose, and stops nothing.
link_journal() { mv "$run_log" "$OUT/linked-to" && ln -s "$OUT/linked-to" "$run_log"; }
odd_name() { cp "$run_log" "$(printf 'a\033[2Jb\n.jsonl')"; }
hide() { cp "$run_log" .hidden; }
sub() { mkdir more && cp "$run_log" more/; }
dangle() { ln -s /nowhere link; }
link_root() { mv root.chain "$OUT/root" && ln -s "$OUT/root" root.chain; }
doctored "a journal put behind a link" "$run_log: is a symbolic link" link_journal
doctored "an odd name" 'a\x1b[2Jb\x0a.jsonl: is a file whose name' odd_name
doctored "a hidden file" ".hidden: is a file whose name" hide
doctored "a directory" "more: is a directory" sub
doctored "a link" "link: is a symbolic link" dangle
doctored "the root behind a link" "root.chain: is a symbolic link" link_root
doctored "the root edited" "root.chain:2" sed -i '2s/open/oven/' root.chain
doctored "a row of the root deleted" "root.chain:3" sed -i 3d root.chain
doctored "the root cut" "the end of the chain was cut off" cut_root
doctored "the root deleted" "root.chain: is gone" rm root.chain
doctored "the head deleted" "root.head: is gone" rm root.head
doctored "root and head deleted" "root.chain: is gone" rm root.chain root.head
doctored "the root emptied" "root.chain" truncate -s 0 root.chain
empty_all() { # with the head that was there before the first line
  rm ./*.jsonl && truncate -s 0 root.chain
  printf '{"n":0,"hash":"%s","sig":"%0128d"}%19s\n' "$(printf root.chain | sha256sum | cut -d' ' -f1)" 0 '' >root.head
}
doctored "everything emptied" "root.chain: is empty" empty_all

# Hashes have no key: anybody can make them right again. What is signed is not theirs.
cat >"$OUT/rehash.py" <<'PY'
import hashlib, re, sys
path, what, instead = sys.argv[1:]
last = hashlib.sha256(path.rsplit("/", 1)[-1].encode()).digest()
out = b""
for line in open(path, "rb").read().replace(what.encode(), instead.encode()).splitlines():
    text = line[:line.rindex(b',"hash":')]
    last = hashlib.sha256(last + text).digest()
    out += text + b',"hash":"' + last.hex().encode() + b'"}\n'
open(path, "wb").write(out)
PY
doctored "edited and hashed anew" "are not those that line" \
  "$AV_PYTHON" "$OUT/rehash.py" "$audit/$run_log" /echo/2 /echo/9

# A log of another store, whole and signed, in place of ours.
AGENT_VAULT_HOME=$OUT/foreign av vault create foreign 2>/dev/null
take_foreign() { rm -f ./* && cp "$OUT/foreign/audit/"* .; }
doctored "a foreign log" "which is not the key that is asked for" take_foreign

# -- an older copy of everything: only what was kept elsewhere tells
rm -rf "$audit" && cp -a "$OUT/older" "$audit"
av vault create another 2>/dev/null
newer=$(av audit head --json | "$AV_PYTHON" -c 'import json,sys; print(json.load(sys.stdin)["head"])')
av audit verify --head "$head" >/dev/null
av audit verify --head "$newer" >/dev/null
rm -rf "$audit" && cp -a "$OUT/older" "$audit"
av audit verify >/dev/null
expect_exit 1 av audit verify --head "$newer"
assert_contains "$OUT/stdout" "does not reach the head that was kept"

# -- without the store, on another machine: the key that was noted is enough
cp -a "$audit" "$OUT/elsewhere-audit"
mkdir -p "$OUT/elsewhere" && mv "$OUT/elsewhere-audit" "$OUT/elsewhere/audit"
AGENT_VAULT_HOME=$OUT/elsewhere av audit verify --public-key "$key" --head "$head" >/dev/null
[ ! -e "$OUT/elsewhere/vault.db" ] || fail "verify made a store"
sed -i '2s/open/oven/' "$OUT/elsewhere/audit/root.chain"
expect_exit 1 env AGENT_VAULT_HOME="$OUT/elsewhere" "$AV_BINARY" audit verify --public-key "$key"

# -- what was found before goes on being found when runs have written since
rm -rf "$audit" && cp -a "$OUT/older" "$audit"
(cd "$audit" && cut_root)
agent -- curl -sS https://echo.test/echo
expect_exit 1 av audit verify
assert_contains "$OUT/stdout" "the chain had been cut"
rm -rf "$audit" && cp -a "$OUT/older" "$audit"

# -- while a run writes, and after kill -9
cat >many.sh <<'SH'
for i in $(seq 400); do curl -sS "https://echo.test/echo/$i/$(head -c 400 /dev/zero | tr '\0' x)" -o /dev/null; [ "$i" = 30 ] && touch some; done
touch all
sleep 60
SH
start_run -- sh many.sh
wait_for 30 test -e some
for i in 1 2 3 4 5; do av audit verify >verify.txt 2>&1 || { cat verify.txt; fail "verify during a run"; }; done
sleep 1.2 # a mark is made within a second
kill -9 "$RUN_PID"
wait "$RUN_PID" 2>/dev/null || true
av audit verify >verify.txt || { cat verify.txt; fail "verify after kill -9"; }
killed=$(basename "$(find "$audit" -name '*-run_*.jsonl' | sort | tail -n 1)")
grep -q "\"mark\",\"file\":\"$killed\"" "$audit/root.chain" || fail "no mark for the run that was killed"
cp -a "$audit" "$OUT/after-kill"
"$AV_PYTHON" - "$audit/$killed" <<'PY'
import sys
data = open(sys.argv[1], "rb").read().rstrip(b"\0")
open(sys.argv[1], "wb").write(b"".join(data.splitlines(True)[:20]))
PY
expect_exit 1 av audit verify
assert_contains "$OUT/stdout" "$killed:21: the end was cut off"
rm -rf "$audit" && cp -a "$OUT/after-kill" "$audit"
# The next process signs where it ended. Until then a record can be added, with a right hash.
cat >"$OUT/forge.py" <<'PY'
import hashlib, sys
data = open(sys.argv[1], "rb").read()
whole = data.rstrip(b"\0")
last = whole.splitlines()[-1]
text, digest = last[:last.rindex(b',"hash":')], bytes.fromhex(last[-66:-2].decode())
forged = text + b',"hash":"' + hashlib.sha256(digest + text).hexdigest().encode() + b'"}\n'
open(sys.argv[1], "wb").write(whole + forged + data[len(whole) + len(forged):])
PY
"$AV_PYTHON" "$OUT/forge.py" "$audit/$killed"
av audit verify >/dev/null
rm -rf "$audit" && cp -a "$OUT/after-kill" "$audit"
av vault create after-kill 2>/dev/null
assert_eq 1 "$(grep -c "\"dead\",\"file\":\"$killed\"" "$audit/root.chain")" "ends of the killed run"
av audit verify >/dev/null
"$AV_PYTHON" "$OUT/forge.py" "$audit/$killed"
expect_exit 1 av audit verify
assert_contains "$OUT/stdout" "lines were added behind the end"
rm -rf "$audit" && cp -a "$OUT/after-kill" "$audit"

# -- pruning
expect_exit 2 av audit prune -y
mkdir -p "$AGENT_VAULT_HOME/config"
printf '[audit]\nkeep = "0s"\n' >"$AGENT_VAULT_HOME/config/config.toml"
before=$(find "$audit" -name '*.jsonl' | wc -l)
av audit prune --dry-run 2>prune.txt
assert_contains prune.txt "would remove $before files"
assert_eq "$before" "$(find "$audit" -name '*.jsonl' | wc -l)" "files after a dry run"
sed -i '3s/request/requesT/' "$audit/$run_log"
expect_exit 1 av audit prune -y
assert_contains "$OUT/stderr" "$run_log:3"
[ -e "$audit/$run_log" ] || fail "prune removed what was doctored"
cp "$OUT/older/$run_log" "$audit/$run_log"
av audit prune -y 2>/dev/null
av audit verify >verify.txt || { cat verify.txt; fail "verify after prune"; }
assert_contains verify.txt "pruned"
av audit verify --head "$head" >/dev/null
agent -- curl -sS https://echo.test/echo # [audit] in the file is no obstacle to run
cp "$OUT/older/$run_log" "$audit/" # as if it had been killed before the files were gone
av audit verify >/dev/null 2>verify.txt
assert_contains verify.txt "was to be removed"
av audit prune --before 1d -y 2>/dev/null
[ ! -e "$audit/$run_log" ] || fail "prune did not finish what was begun"
# Inside a run nobody prunes.
expect_exit 4 env AGENT_VAULT_RUN=run_x "$AV_BINARY" audit prune -y
av log --event command.refused --json >refused.json
assert_contains refused.json '"detail":"audit prune"'

# -- many at once
for i in $(seq 8); do
  (for k in $(seq 6); do av vault create "v-$i-$k" 2>/dev/null || exit 1; done) &
  pids[i]=$!
done
for i in $(seq 8); do wait "${pids[i]}" || fail "a process of several failed"; done
av audit verify --json >v.json || { cat v.json; fail "verify after many at once"; }
assert_eq 48 "$(av log --event vault.create -n 0 --json | grep -c '"vault":"v-')"
assert_eq true "$("$AV_PYTHON" - "$audit/root.chain" <<'PY'
import json, sys
entries = [json.loads(line) for line in open(sys.argv[1])]
opened = [e["file"] for e in entries if e["type"] == "open"]
print(str(len(opened) == len(set(opened)) and [e["n"] for e in entries] == list(range(1, len(entries) + 1))).lower())
PY
)" "the chain of many at once"
canary_check "$AGENT_VAULT_HOME" verify.txt v.json

# A pipe in the chain's place is not waited for.
rm -rf "$AGENT_VAULT_HOME/audit"
mkdir -m 700 "$AGENT_VAULT_HOME/audit"
mkfifo "$AGENT_VAULT_HOME/audit/root.chain"
expect_exit 1 timeout 20 "$AV_BINARY" audit verify
assert_contains "$OUT/stdout" 'root.chain: is no file'
