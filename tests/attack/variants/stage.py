#!/usr/bin/env python3
"""What a machine has that a command might use against its user: services, other processes, files in the home. Made outside of any run, as
the same user; says where everything is in a JSON file and stays until its standard input ends. Usage: stage.py FACTS HOME"""

import ctypes
import json
import os
import pty
import socket
import subprocess
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
SECRET = "stage-secret-7d1f"
facts, home = sys.argv[1], sys.argv[2]
runtime = os.environ["XDG_RUNTIME_DIR"]
out = {"secret": SECRET, "home": home, "runtime": runtime, "pid": os.getpid(), "cwd": os.getcwd()}


def answer(listener):
    """Says the secret to whoever connects, and hands over a descriptor of a file of the user's where the family can."""
    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                try:
                    if client.family == socket.AF_UNIX:
                        with open(os.path.join(home, "private.txt")) as f:
                            socket.send_fds(client, [SECRET.encode()], [f.fileno()])
                    else:
                        client.sendall(SECRET.encode())
                except OSError:
                    pass
    threading.Thread(target=serve, daemon=True).start()


def unix(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen()
    answer(s)
    return path


def tcp(family, address):
    try:
        s = socket.socket(family)
        s.bind((address, 0))
        s.listen()
    except OSError:
        return 0
    answer(s)
    return s.getsockname()[1]


def write(name, text=SECRET + "\n", mode=0o600):
    path = os.path.join(home, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


out["tcp4"] = tcp(socket.AF_INET, "127.0.0.1")
out["tcp6"] = tcp(socket.AF_INET6, "::1")
try:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        out["own_address"] = probe.getsockname()[0]
except OSError:
    out["own_address"] = ""
out["tcp_own"] = tcp(socket.AF_INET, out["own_address"]) if out["own_address"] else 0

udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
out["udp"] = udp.getsockname()[1]


def echo():
    while True:
        data, sender = udp.recvfrom(2000)
        udp.sendto(SECRET.encode(), sender)


threading.Thread(target=echo, daemon=True).start()

abstract = socket.socket(socket.AF_UNIX)
out["abstract"] = f"av-stage-{os.getpid()}"
abstract.bind("\0" + out["abstract"])
abstract.listen()
answer(abstract)

uid = os.getuid()
tmux = f"/tmp/tmux-{uid}"
out["sockets"] = {
    "docker": unix(f"{runtime}/docker.sock"),
    "podman": unix(f"{runtime}/podman/podman.sock"),
    "session_bus": unix(f"{runtime}/bus"),
    "systemd_user": unix(f"{runtime}/systemd/private"),
    "containerd": unix(f"{runtime}/containerd/containerd.sock"),
    "libvirt": unix(f"{runtime}/libvirt/libvirt-sock"),
    "wayland": unix(f"{runtime}/wayland-0"),
    "pulse": unix(f"{runtime}/pulse/native"),
    "gpg_agent": unix(f"{runtime}/gnupg/S.gpg-agent"),
    "ssh_agent": unix(f"{runtime}/ssh-agent.sock"),
    "editor": unix(f"{runtime}/vscode-ipc-{os.getpid()}.sock"),
    "somebodys": unix(f"/tmp/av-stage-{os.getpid()}/service.sock"),
    "home_socket": unix(os.path.join(home, ".some-daemon/control.sock")),
}
os.makedirs(tmux, mode=0o700, exist_ok=True)
out["sockets"]["tmux"] = unix(f"{tmux}/av-stage-{os.getpid()}")

for name in (".ssh/id_ed25519", ".aws/credentials", ".netrc", ".config/gh/hosts.yml", ".gnupg/private-keys-v1.d/k.key", ".kube/config", ".docker/config.json",
             ".npmrc", ".pypirc", ".cargo/credentials.toml", ".git-credentials", ".password-store/a.gpg", ".config/gcloud/credentials.db", ".mozilla/firefox/p/cookies.sqlite",
             ".bash_history", ".local/share/keyrings/login.keyring", ".vault-token", "private.txt", "inherited.txt"):
    write(name)
write(".bashrc", "# mine\n", 0o644)
write("project2/.git/hooks/post-checkout", "#!/bin/sh\n", 0o755)
write("bin/agent-vault", "#!/bin/sh\n", 0o755)
out["tmp_file"] = f"/tmp/av-stage-{os.getpid()}/scratch.txt"
out["var_tmp_file"] = f"/var/tmp/av-stage-{os.getpid()}.txt"
out["shm_file"] = f"/dev/shm/av-stage-{os.getpid()}"
for path in (out["tmp_file"], out["var_tmp_file"], out["shm_file"]):
    try:
        with open(path, "w") as f:
            f.write(SECRET)
    except OSError:
        pass

# A terminal of the user's in another window.
master, slave = pty.openpty()
out["other_terminal"] = os.ttyname(slave)

# System V and POSIX memory and queues.
libc.shmat.restype = ctypes.c_void_p
shm = libc.shmget(0, 4096, 0o1600)
out["sysv_shm"] = shm
if shm >= 0:
    address = libc.shmat(shm, None, 0)
    ctypes.memmove(address, SECRET.encode(), len(SECRET))
queue = libc.mq_open(f"/av-stage-{os.getpid()}".encode(), os.O_CREAT | os.O_RDWR, 0o600, None) if hasattr(libc, "mq_open") else -1
out["mq"] = f"/av-stage-{os.getpid()}" if queue >= 0 else ""
if queue >= 0:
    libc.mq_send(queue, SECRET.encode(), len(SECRET), 0)

# A key in a keyring that everything of this user has.
KEYCTL_ADD = 248
key = libc.syscall(KEYCTL_ADD, b"user", b"av-stage", SECRET.encode(), len(SECRET), -4)  # KEY_SPEC_USER_KEYRING
out["key"] = key

# Another process of the user, with a secret in its memory, environment and descriptors.
victim = subprocess.Popen([sys.executable, "-c", "import os, sys, time, ctypes\n"
                           "ctypes.CDLL(None).prctl(0x59616d61, -1, 0, 0, 0)\n"  # PR_SET_PTRACER: any
                           "secret = ctypes.create_string_buffer(os.environ['VICTIM_SECRET'].encode())\n"
                           "f = open(sys.argv[1])\n"
                           "os.dup2(f.fileno(), 77)\n"
                           "print(ctypes.addressof(secret), flush=True)\n"
                           "time.sleep(3600)", os.path.join(home, "private.txt")],
                          env={**os.environ, "VICTIM_SECRET": SECRET}, stdout=subprocess.PIPE, text=True)
out["victim"] = victim.pid
out["victim_address"] = int(victim.stdout.readline())

# A server that has bound its socket by a relative name, in its own working directory.
relative = os.path.join(home, ".relative-daemon")
os.makedirs(relative, exist_ok=True)
daemon = subprocess.Popen([sys.executable, "-c", "import socket, sys\n"
                           "s = socket.socket(socket.AF_UNIX)\n"
                           "s.bind('control.sock')\n"
                           "s.listen()\n"
                           "print(flush=True)\n"
                           "while True:\n"
                           "    c, _ = s.accept()\n"
                           "    c.sendall(sys.argv[1].encode())\n"
                           "    c.close()", SECRET], cwd=relative, stdout=subprocess.PIPE, text=True)
daemon.stdout.readline()
out["sockets"]["relative"] = os.path.join(relative, "control.sock")

# A cgroup of the user's, as service managers give one to everybody: it can be frozen, with all that is in it.
out["cgroup"] = ""
for line in open("/proc/self/mounts"):
    point, kind = line.split()[1:3]
    mine = os.path.join(point, f"av-stage-{os.getpid()}")
    if kind in ("cgroup", "cgroup2") and not out["cgroup"]:
        try:
            os.mkdir(mine)
            out["cgroup"] = mine
        except OSError:
            pass

# One that takes datagrams.
datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
out["sockets"]["datagrams"] = f"{runtime}/datagrams.sock"
datagrams.bind(out["sockets"]["datagrams"])

# What happens outside while the command runs, when it asks for it by a file beside it: a login is saved anew, as programs save, one is
# made that was not there, and a terminal multiplexer is started.
project = os.path.join(home, "project")
out["sockets"]["late"] = f"{runtime}/zellij/late.sock"


def later():
    while True:
        asked = os.path.join(project, "ask")
        if not os.path.exists(asked):
            time.sleep(0.01)
            continue
        write(".git-credentials.new")
        os.rename(os.path.join(home, ".git-credentials.new"), os.path.join(home, ".git-credentials"))
        write(".config/hub")
        if not os.path.exists(out["sockets"]["late"]):
            unix(out["sockets"]["late"])
        os.rename(asked, os.path.join(project, "done"))


threading.Thread(target=later, daemon=True).start()

with open(facts + ".new", "w") as f:
    json.dump(out, f)
os.rename(facts + ".new", facts)
sys.stdin.read()
victim.kill()
daemon.kill()
if out["cgroup"]:
    os.rmdir(out["cgroup"])
if shm >= 0:
    libc.shmctl(shm, 0, None)
if key > 0:
    libc.syscall(250, 9, key, -4)  # KEYCTL_UNLINK
if out["mq"]:
    libc.mq_unlink(out["mq"].encode())
for path in (out["var_tmp_file"], out["shm_file"], *out["sockets"].values()):
    try:
        os.unlink(path)
    except OSError:
        pass
