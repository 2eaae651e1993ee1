#!/usr/bin/env bash
# The man pages and the program agree: every command and every long option of --help has its place in
# the pages and the pages name no other, every code of the proxy's errors is in agent-vault-errors(7),
# and the pages are well-formed.
set -eu
. "$(dirname "$0")/common.inc"
AV_MAN=$AV_ROOT/man
export AV_MAN
"$AV_PYTHON" - <<'PY' || fail "man pages and program differ"
import glob, os, re, subprocess, sys

binary, man = os.environ["AV_BINARY"], os.environ["AV_MAN"]
problems = []

def read(name):
    with open(os.path.join(man, name), encoding="utf-8") as file:
        return file.read()

def help_of(path):
    done = subprocess.run([binary, *path, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        problems.append(f"{' '.join(path)} --help: exit {done.returncode}")
    return done.stdout.decode()

def commands(path=()):
    """Every command, with its options; walks the groups as a person does."""
    text = help_of(list(path))
    if "COMMAND [OPTIONS]" in text:
        for word in re.findall(r"^  ([a-z][a-z-]*)  ", text, re.M):
            yield from commands((*path, word))
    else:
        # The first column: names at the beginning of an entry, not those in descriptions.
        entries = re.findall(r"^  (?:-\w,)?(--[a-z][a-z-]*)", text, re.M)
        yield " ".join(path), set(entries)

def options_in(source):
    return {"--" + name for name in re.findall(r"\bFl -([a-z][a-z-]*)", source)}

def sections(source):
    """Text below each .Ss, up to the next heading."""
    found = {}
    for part in re.split(r"^(?=\.S[sh] )", source, flags=re.M):
        if part.startswith(".Ss "):
            head, _, body = part.partition("\n")
            found[head[4:].strip()] = body
    return found

top = read("agent-vault.1")
common = {"--help", "--json", "--local", "--vault"}
if not common <= options_in(top):
    problems.append(f"agent-vault.1 lacks {sorted(common - options_in(top))}")
places = {}
for name in ("agent-vault-vault.1", "agent-vault-key.1", "agent-vault-agent.1", "agent-vault-rule.1",
             "agent-vault-audit.1", "agent-vault-approval.1", "agent-vault-proposal.1", "agent-vault-user.1",
             "agent-vault-login.1", "agent-vault-oauth.1", "agent-vault-store.1"):
    places.update(sections(read(name)))
# Options that several commands of a page have, described once.
shared = {"The provider and the client": ("oauth connect", "oauth paste"),
          "The way to the provider": ("oauth connect", "oauth paste", "oauth import", "oauth refresh", "oauth disconnect"),
          "The way to the store": tuple("vault store " + word for word in ("pair", "test", "browse", "read", "unpair"))}
for name, users in shared.items():
    text = places.pop(name)
    for user in users:
        places[user] += text
places["run"] = read("agent-vault-run.1")
places["container-env"] = read("agent-vault-container-env.1")
places["serve"] = read("agent-vault-serve.1")
places["log"] = read("agent-vault-log.1")
places["doctor"] = read("agent-vault-doctor.1")
places["shell-init"] = read("agent-vault-shell-init.1")
places["completion"] = top[top.index(".It Ic completion"):top.index(".It Ic version")]
places["version"] = top[top.index(".It Ic version"):top.index(".Sh COMMON OPTIONS")]

listed = dict(commands())
if len(listed) < 20:
    problems.append(f"only {len(listed)} commands found in --help")
for command, options in listed.items():
    if command not in places:
        problems.append(f"no page describes `{command}`")
        continue
    documented = options_in(places[command])
    for option in sorted(options - documented - common):
        problems.append(f"`{command}`: {option} is not described")
    for option in sorted(documented - options - common):
        problems.append(f"`{command}`: {option} is described and does not exist")
for command in sorted(set(places) - set(listed)):
    problems.append(f"`{command}` is described and does not exist")

codes = set()
sources = [path for place in ("proxy/*.*", "api/*.*", "cmd/login_*.*")
           for path in glob.glob(os.path.join(os.environ["AV_ROOT"], "src", place))]
for path in sources:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for pattern in (r'\bcode = "([a-z_]+)"', r'HeadError\{\s*\d+,\s*"([a-z_]+)"', r'gateway_fault\(\s*"([a-z_]+)"',
                    r'(?:policy_|api_)?fault\(\s*\d+,\s*"([a-z_]+)"', r'login_fault\(\s*\d+,\s*"([a-z_]+)"', r'unavailable\(\s*"([a-z_]+)"', r'\{"(external_store_[a-z_]+)",'):
        codes.update(re.findall(pattern, text))
    codes.update(re.findall(r"audit_tunnel_failure\(\"([a-z_]+)\"", text))
    for call in re.findall(r"note_broken_body\(([^;]*);", text):
        codes.update(re.findall(r'"([a-z_]+)"', call))
errors = read("agent-vault-errors.7")
described = set(re.findall(r"^\.It Sy ([a-z_]+) Pq ", errors, re.M))
if len(codes) < 25:
    problems.append(f"only {len(codes)} error codes found in src/proxy")
for code in sorted(codes - described):
    problems.append(f"agent-vault-errors.7 lacks {code}")
for code in sorted(described - codes):
    problems.append(f"agent-vault-errors.7 has {code}, which neither src/proxy nor src/api does")

print("\n".join(problems))
sys.exit(1 if problems else 0)
PY

if command -v mandoc >/dev/null; then
  mandoc -T lint -W warning "$AV_MAN"/*.[1-8] >"$OUT/lint" || { cat "$OUT/lint"; fail "mandoc -T lint"; }
  [ ! -s "$OUT/lint" ] || { cat "$OUT/lint"; fail "mandoc -T lint"; }
fi
if command -v groff >/dev/null; then
  for page in "$AV_MAN"/*.[1-8]; do
    groff -mandoc -ww -Tutf8 -K utf8 -z "$page" >"$OUT/groff" 2>&1 || fail "groff $page"
    [ ! -s "$OUT/groff" ] || { cat "$OUT/groff"; fail "groff $page"; }
  done
fi
