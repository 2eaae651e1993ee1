#!/usr/bin/env bash
# scripts/container/Dockerfile, as far as it can be tried where no image can be built: what it copies is in the
# context, no base image floats, it ends as a user who is not root, and what it starts by default starts as that
# user here and passes the health check. Each rule is tried on a Dockerfile that breaks it.
set -eu
. "$(dirname "$0")/common.inc"
cat >"$OUT/check.py" <<'PY'
import fnmatch, json, os, re, shlex, sys

def instructions(text):
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M)
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), rest.strip()

def ignored(path, patterns):
    """.dockerignore, as far as ours uses it: no exceptions; a pattern matches a path and what is below it."""
    parts = path.split("/")
    heads = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    for pattern in patterns:
        anywhere = pattern.startswith("**/")
        for head in heads:
            if fnmatch.fnmatchcase(os.path.basename(head) if anywhere else head, pattern.removeprefix("**/")):
                return True
    return False

def check(text, ignore, root):
    problems, stages, last = [], {}, {}
    patterns = [line.strip() for line in ignore.splitlines() if line.strip() and not line.startswith("#")]
    if any(pattern.startswith("!") for pattern in patterns):
        problems.append("an exception in .dockerignore, which this test cannot read")
    for word, rest in instructions(text):
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            tag = image.rpartition(":")[2] if ":" in image else ""
            if image not in stages and (not tag or tag == "latest" or not re.search(r"\d", tag)):
                problems.append(f"{image}: the base is not a numbered release")
            last = {}
            stages[name or str(len(stages))] = last
        elif word in ("COPY", "ADD"):
            words = shlex.split(rest)
            options = [w for w in words if w.startswith("--")]
            sources = [w for w in words if not w.startswith("--")][:-1]
            if word == "ADD":
                problems.append("ADD takes addresses and unpacks archives: COPY")
            stage = next((o.partition("=")[2] for o in options if o.startswith("--from=")), None)
            if stage is not None:
                if stage not in stages:
                    problems.append(f"copies from {stage}, which is no stage before it")
            else:
                for source in sources:
                    path = os.path.normpath(source)
                    if not os.path.exists(os.path.join(root, path)) or (path != "." and ignored(path, patterns)):
                        problems.append(f"{source} is not in the context")
        else:
            last.setdefault(word, []).append(rest)
    user = last.get("USER", ["root"])[-1]
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
        problems.append(f"the user is {user}: a number that is not root's is wanted, which orchestrators can check")
    for wanted in ("VOLUME", "HEALTHCHECK", "ENTRYPOINT", "CMD"):
        if wanted not in last:
            problems.append(f"no {wanted}")
    if re.search(r"(?i)(password|secret|token)\w*=\S", " ".join(last.get("ENV", []) + last.get("ARG", []))):
        problems.append("a secret in the environment of the image")
    # What building reads must reach the builder.
    for needed in ("CMakeLists.txt", "cmake/cmd.cmake", "src/cmd/main.cc", "scripts/build", "man/agent-vault.1",
                   "packaging/apparmor/agent-vault", "completions/_agent-vault", "LICENSE"):
        if not os.path.exists(os.path.join(root, needed)) or ignored(needed, patterns):
            problems.append(f"{needed} is not in the context")
    for unwanted in (".git/config", "build/agent-vault", "build-asan/x", "dist/x.deb", "tests/support/__pycache__/x.pyc", "a/.env"):
        if not ignored(unwanted, patterns):
            problems.append(f"{unwanted} is in the context")
    return problems, last

if __name__ == "__main__":
    root = sys.argv[1]
    here = os.path.join(root, "scripts/container")
    text = open(os.path.join(here, "Dockerfile"), encoding="utf-8").read()
    ignore = open(os.path.join(here, "Dockerfile.dockerignore"), encoding="utf-8").read()
    problems, last = check(text, ignore, root)
    # The check itself: each of these must be noticed.
    for was, becomes in (("FROM debian:12-slim\n", "FROM debian:latest\n"), ("FROM debian:12-slim\n", "FROM debian\n"),
                         ("\nUSER 65532:65532", "\nUSER root"), ("\nUSER 65532:65532", ""), ("COPY . /source", "COPY sources /source"),
                         ("COPY . /source", "ADD . /source"), ("--from=build ", "--from=elsewhere "), ("\nHEALTHCHECK", "\nLABEL"),
                         ("\nENV ", "\nENV AGENT_VAULT_MASTER_PASSWORD=x ")):
        assert was in text, was
        if not check(text.replace(was, becomes), ignore, root)[0]:
            problems.append(f"this passes: {becomes.strip()!r}")
    for wrong in ("src\n", "*\n", ""):
        if not check(text, wrong, root)[0]:
            problems.append(f"this .dockerignore passes: {wrong!r}")
    print("\n".join(problems), file=sys.stderr)
    print(json.dumps({"command": json.loads(last["ENTRYPOINT"][-1]) + json.loads(last["CMD"][-1]),
                      "user": last["USER"][-1], "volume": last["VOLUME"][-1],
                      "health": json.loads(last["HEALTHCHECK"][-1].partition("CMD ")[2])}))
    sys.exit(1 if problems else 0)
PY
"$AV_PYTHON" "$OUT/check.py" "$AV_ROOT" >"$OUT/image" || fail "scripts/container/Dockerfile"

# What it starts: as the image's user, with a new store in what would be the volume, at ports of this machine's choice.
mapfile -t command < <(json "$OUT/image" '"\n".join(d["command"])')
assert_eq agent-vault "${command[0]}"
assert_eq serve "${command[1]}"
user=$(json "$OUT/image" 'd["user"]')
mkdir "$OUT/data"
as_user=()
if [ "$(id -u)" = 0 ]; then
  need setpriv
  chown "$user" "$OUT/data"
  chmod 755 "$OUT"
  as_user=(setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs)
  # The image has it in /usr/bin; a source tree may be where only its owner gets.
  cp "$AV_BINARY" "$AV_CASE/agent-vault"
  AV_BINARY=$AV_CASE/agent-vault
fi
chmod 700 "$OUT/data"
(cd / && exec env -i PATH="$PATH" AGENT_VAULT_HOME="$OUT/data" "${as_user[@]}" "$AV_BINARY" "${command[@]:1}" --json --any-port) \
  >"$OUT/serve.out" 2>"$OUT/serve.err" &
SERVE=$!
wait_for 20 test -s "$OUT/serve.out"
[ -s "$OUT/data/vault.db" ] || fail "the store is not in the volume"
proxy=$(json "$OUT/serve.out" 'd["proxy"]')
mapfile -d '' -t health < <("$AV_PYTHON" - "$OUT/image" "${proxy##*:}" <<'PY'
import json, sys
for word in json.load(open(sys.argv[1]))["health"]:
    sys.stdout.write(word.replace("14322", sys.argv[2]) + "\0")
PY
)
"${health[@]}" || fail "the health check fails while the server is well"
kill -TERM "$SERVE"
wait "$SERVE"
! "${health[@]}" 2>/dev/null || fail "the health check passes without a server"
