#!/usr/bin/env bash
# scripts/package: what it makes of one build twice is the same, the checksums are right, the program runs where it
# is unpacked, and the bill of materials names what is linked and nothing else.
# timeout: 240
set -eu
. "$(dirname "$0")/common.inc"
need cmake ninja dpkg readelf
tree=$(dirname "$AV_BINARY")
[ -f "$tree/build.ninja" ] || skip "$AV_BINARY is not in a build directory of Ninja"
export SOURCE_DATE_EPOCH=1700000000

"$AV_ROOT/scripts/package" tarball --build "$tree" --output "$OUT/one" >"$OUT/sums"
(umask 077 && TZ=Asia/Tokyo LANG=de_DE.UTF-8 "$AV_ROOT/scripts/package" tarball --build "$tree" --output "$OUT/two" >/dev/null)
diff -r "$OUT/one" "$OUT/two" || fail "packing twice gave different bytes"
cmp "$OUT/sums" "$OUT/one/SHA256SUMS"
(cd "$OUT/one" && sha256sum --check --strict SHA256SUMS >/dev/null)
assert_eq 2 "$(wc -l <"$OUT/one/SHA256SUMS")" "files with a checksum"

archive=$(echo "$OUT"/one/*.tar.gz)
"$AV_PYTHON" - "$archive" <<'PY' || fail "the archive"
import re, sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    members = archive.getmembers()
top = {m.name.split("/")[0] for m in members}
assert len(top) == 1 and re.fullmatch(r"agent-vault-[\d.]+-linux-\w+", *top), top
assert [m.name for m in members] == sorted((m.name for m in members), key=lambda n: n.split("/")), "not sorted"
for m in members:
    assert (m.uid, m.gid, m.uname, m.gname, m.mtime) == (0, 0, "", "", 1700000000), vars(m)
    assert m.isdir() or m.isreg(), f"{m.name} is neither a file nor a directory"
    assert m.mode == (0o755 if m.isdir() or m.name.endswith("/bin/agent-vault") else 0o644), f"{m.name}: {m.mode:o}"
PY
mkdir "$OUT/unpacked"
tar -xzf "$archive" -C "$OUT/unpacked" --strip-components=1
program=$OUT/unpacked/bin/agent-vault
assert_eq "$(av --version)" "$("$program" --version)"
value=$(new_canary)
printf '%s' "$value" | "$program" vault credential set CARRIED --stdin >/dev/null 2>&1
assert_eq "$value" "$("$program" vault credential get CARRIED)"
assert_eq placeholder "$("$program" run -- sh -c 'case $CARRIED in '"$value"') echo value;; *) echo placeholder;; esac' 2>/dev/null)"

# The bill against the program itself.
bill=$(echo "$OUT"/one/*.cdx.json)
assert_eq "$(sha256sum <"$program" | cut -d' ' -f1)" "$(json "$bill" 'd["metadata"]["component"]["hashes"][0]["content"]')"
readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' >"$OUT/needed"
"$AV_PYTHON" - "$bill" "$OUT/needed" "$program" <<'PY' || fail "the bill of materials"
import json, os, re, subprocess, sys
bill = json.load(open(sys.argv[1]))
needed = open(sys.argv[2]).read().split()
assert bill["bomFormat"] == "CycloneDX" and bill["specVersion"] == "1.5" and re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
assert bill["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
parts = {}
for part in bill["components"]:
    assert part["bom-ref"] == part["purl"] and part["purl"].startswith("pkg:deb/")
    parts[part["name"]] = (part["version"], {p["name"]: p["value"] for p in part["properties"]}["agent-vault:linkage"])
assert [d["dependsOn"] for d in bill["dependencies"]] == [[part["bom-ref"] for part in bill["components"]]]
# Each library that the program asks for, from the package that owns it, in the version that is installed.
where = dict(re.findall(r"^\s*(\S+) => (\S+)", subprocess.check_output(["ldd", sys.argv[3]]).decode(), re.M))
dynamic = set()
for name in needed:
    if name.startswith("ld-linux"):
        continue
    for path in (os.path.realpath(where[name]), os.path.realpath(where[name]).removeprefix("/usr")):
        done = subprocess.run(["dpkg", "-S", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if done.returncode == 0:
            dynamic.add(done.stdout.decode().split(":")[0])
assert dynamic <= parts.keys(), dynamic - parts.keys()
for name in dynamic:
    version = subprocess.check_output(["dpkg-query", "-W", "-f", "${Version}\n", name]).decode().split()[0]
    assert parts[name] == (version, "dynamic"), (name, parts[name], version)
# What leaves no name in the program, but is in it.
for pattern, linkage in ((r"libstdc\+\+-\d+-dev", "static"), (r"libboost.*-dev", "header"), ("nlohmann-json3-dev", "header"),
                         ("libcli11-dev", "header"), ("libsqlitecpp-dev", "static")):
    found = [name for name in parts if re.fullmatch(pattern, name)]
    assert found and all(parts[name][1] == linkage for name in found), (pattern, found)
# The tests' libraries and the tools are none of it.
assert not [name for name in parts if re.search("catch2|ninja|cmake|ccache", name)]
PY

# Without a commit or a date, nothing is made that pretends to have one; a changed tree is not packed.
mkdir "$OUT/tree" "$OUT/tree/scripts"
cp "$AV_ROOT/scripts/package" "$OUT/tree/scripts/"
unset SOURCE_DATE_EPOCH
expect_exit 1 "$OUT/tree/scripts/package" tarball
assert_contains "$OUT/stderr" 'package: error: this tree is not a checkout'
git -C "$OUT/tree" init -q
expect_exit 1 "$OUT/tree/scripts/package" tarball
assert_contains "$OUT/stderr" 'package: error: the tree has changes'
[ ! -e "$OUT/tree/dist" ] || fail "something was made"
