#!/usr/bin/env python3
"""Runs the attacks outside of any run and at every level, and compares. Usage: matrix.py BINARY CASE STORE [--table FILE]
[--check SECURITY.md]"""

import json
import os
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LEVELS = ["off", "landlock", "store", "network", "strict"]
binary, case, store = sys.argv[1:4]
home = os.path.join(os.environ.get("AV_VICTIMS") or case, "victim-home")
work = os.path.join(home, "project")
runtime = os.path.join(case, "runtime")
for path in (work, runtime):
    os.makedirs(path, mode=0o700, exist_ok=True)
environment = {**os.environ, "HOME": home, "XDG_RUNTIME_DIR": runtime, "AGENT_VAULT_HOME": store,
               "SSH_AUTH_SOCK": f"{runtime}/ssh-agent.sock", "VSCODE_IPC_HOOK_CLI": "x"}
facts = os.path.join(case, "facts.json")
stage = subprocess.Popen([sys.executable, os.path.join(HERE, "stage.py"), facts, home], env=environment, stdin=subprocess.PIPE)
while not os.path.exists(facts):
    if stage.poll() is not None:
        sys.exit("FAIL: the stage did not come up")
listed = [line.rstrip("\n").split("\t") for line in subprocess.run(
    [sys.executable, os.path.join(HERE, "attacks.py"), "--list"], capture_output=True, text=True, check=True).stdout.splitlines()]


def attacks_at(level):
    stage_facts = json.load(open(facts))
    connection = socket.create_connection(("127.0.0.1", stage_facts["tcp4"]))
    written = open(os.path.join(home, "inherited.txt"), "r+b")
    inherited = (connection.fileno(), written.fileno())
    told = {**stage_facts, "level": level or "off", "store": store, "binary": binary,
            "inherited_socket": inherited[0], "inherited_file": inherited[1]}
    for name in ("ask", "done"):
        if os.path.exists(os.path.join(work, name)):
            os.unlink(os.path.join(work, name))
    command = [sys.executable, "-u", "attacks.py", json.dumps(told)]
    if level:
        command = [binary, "run", "--isolation", level, "--"] + command
    done = subprocess.run(command, env=environment, cwd=work, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, pass_fds=inherited)
    connection.close()
    written.close()
    worked = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    if os.environ.get("AV_ATTACK_WHY"):
        sys.stderr.write(f"== {level}\n{done.stdout}{done.stderr}")
    if done.returncode != 0:
        sys.exit(f"FAIL: the attacks ended with {done.returncode} at {level}:\n{done.stdout}{done.stderr}")
    return set(worked)


with open(os.path.join(HERE, "attacks.py")) as source, open(os.path.join(work, "attacks.py"), "w") as copy:
    copy.write(source.read())
outside = attacks_at("")
worked = {level: attacks_at(level) for level in LEVELS}
stage.stdin.close()
stage.wait()

failed = []
rows = []
skipped = []
for name, promised, by_landlock, about in listed:
    if name not in outside:
        skipped.append(name)  # this machine has nothing to attack
        continue
    cells = [name in worked[level] for level in LEVELS]
    rows.append((about, cells))
    for level, got in zip(LEVELS, cells):
        kept = by_landlock == "landlock" if level == "landlock" else LEVELS.index(level) >= LEVELS.index(promised)
        if got and kept:
            failed.append(f"{name} works at {level}: {about}")
        # Another kernel may refuse it earlier; where nothing is enforced it must work, or it proves nothing.
        if not got and not kept and level == "off":
            failed.append(f"{name} fails at {level}, so that it proves nothing for {promised}: {about}")
if "--table" in sys.argv:
    with open(sys.argv[sys.argv.index("--table") + 1], "w") as out:
        out.write("| what the command tries | " + " | ".join(LEVELS) + " |\n|---|" + "---|" * len(LEVELS) + "\n")
        for about, cells in rows:
            out.write(f"| {about} | " + " | ".join("works" if got else "fails" for got in cells) + " |\n")
if "--check" in sys.argv:
    with open(sys.argv[sys.argv.index("--check") + 1], encoding="utf-8") as page:
        said = {cells[1].strip(): [cell.strip() for cell in cells[2:2 + len(LEVELS)]] for cells in (line.split(" | ") for line in (
            "x | " + line.strip("|\n ") for line in page if line.count("|") == len(LEVELS) + 2))}
    for about, cells in rows:
        if about not in said or any(got and word != "works" for got, word in zip(cells, said[about])):
            failed.append(f"SECURITY.md does not say so (scripts/attack-matrix): {about}: {cells}, {said.get(about)}")
for line in failed:
    print("FAIL: " + line)
print(f"{len(rows)} attacks at {len(LEVELS)} levels; not to be tried here: {', '.join(skipped) or 'none'}")
sys.exit(1 if failed or len(rows) < 60 else 0)
