#!/usr/bin/env python3
"""What a hostile command tries against its user and its broker, one function for each way. Prints the name of each that worked, one in a
line. Usage: attacks.py FACTS NAME...; `attacks.py --list` says for each from which level on it must fail, whether at landlock, and what it is about."""

import ctypes
import json
import os
import platform
import signal
import socket
import struct
import subprocess
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
NR = {"x86_64": {"ptrace": 101, "keyctl": 250, "process_vm_readv": 310, "kcmp": 312, "bpf": 321, "userfaultfd": 323, "perf_event_open": 298,
                 "name_to_handle_at": 303, "unshare": 272, "setns": 308, "mount": 165},
      "aarch64": {"ptrace": 117, "keyctl": 219, "process_vm_readv": 270, "kcmp": 272, "bpf": 280, "userfaultfd": 282, "perf_event_open": 241,
                  "name_to_handle_at": 264, "unshare": 97, "setns": 268, "mount": 40}}[platform.machine()]
NR.update({"pidfd_open": 434, "pidfd_getfd": 438, "io_uring_setup": 425, "open_tree": 428, "clone3": 435, "process_madvise": 440})
ATTACKS = {}
F = {}


def attack(level, about):
    def add(function):
        ATTACKS[function.__name__] = (level, about, function)
        return function
    return add


def call(name, *arguments):
    result = libc.syscall(NR[name], *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def read(path, size=1 << 16):
    with open(path, "rb") as f:
        return f.read(size)


def has_secret(data):
    return F["secret"].encode() in data


def store(name=""):
    return os.path.join(F["store"], name)


# -- the store and the broker

@attack("store", "reads the store's database")
def store_database():
    return read(store("vault.db")).startswith(b"SQLite")


@attack("store", "reads the key file")
def store_key():
    return bool(read(store("key")))


@attack("store", "lists the store")
def store_list():
    return bool(os.listdir(store()))


@attack("store", "writes beside the store")
def store_write():
    open(store("planted"), "w").close()
    return True


@attack("store", "makes a hard link to the key file")
def store_hard_link():
    os.link(store("key"), "stolen-key")
    try:
        return bool(read("stolen-key"))
    finally:
        os.unlink("stolen-key")


@attack("store", "moves the store away")
def store_rename():
    os.rename(store("key"), store("key.moved"))
    os.rename(store("key.moved"), store("key"))
    return True


@attack("store", "reads the store through the root directory of another process")
def store_by_proc_root():
    return any(try_quietly(lambda p=p: read(f"/proc/{p}/root{store('key')}")) for p in os.listdir("/proc") if p.isdigit())


@attack("store", "reads the store through the working directory of another process")
def store_by_proc_cwd():
    way = os.path.relpath(store("key"), F["cwd"])
    return bool(read(f"/proc/{F['pid']}/cwd/{way}"))


@attack("off", "asks our own program for the value")
def own_program_get():
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AGENT_VAULT")}
    clean["AGENT_VAULT_HOME"] = store()
    done = subprocess.run([F["binary"], "vault", "credential", "get", "TOKEN"], env=clean, capture_output=True, stdin=subprocess.DEVNULL)
    return done.returncode == 0 and bool(done.stdout.strip())


@attack("off", "has our own program change policy")
def own_program_policy():
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AGENT_VAULT")}
    clean["AGENT_VAULT_HOME"] = store()
    done = subprocess.run([F["binary"], "vault", "settings", "--unmatched", "passthrough"], env=clean, capture_output=True, stdin=subprocess.DEVNULL)
    return done.returncode == 0


# -- other processes

@attack("store", "sees other processes of the user")
def sees_processes():
    return os.path.exists(f"/proc/{F['victim']}/cmdline") and b"python" in read(f"/proc/{F['victim']}/cmdline")


@attack("store", "reads the environment of another process")
def proc_environ():
    return has_secret(read(f"/proc/{F['victim']}/environ"))


@attack("store", "the same by the file of its thread")
def proc_task_environ():
    return has_secret(read(f"/proc/{F['victim']}/task/{F['victim']}/environ"))


@attack("store", "reads the memory of another process")
def proc_mem():
    with open(f"/proc/{F['victim']}/mem", "rb", buffering=0) as f:
        f.seek(F["victim_address"])
        return has_secret(f.read(64))


@attack("store", "reads what another process has mapped where")
def proc_maps():
    return bool(read(f"/proc/{F['victim']}/maps"))


@attack("store", "opens a file by another process's descriptor")
def proc_fd():
    return has_secret(read(f"/proc/{F['victim']}/fd/77"))


@attack("store", "attaches to another process as a debugger")
def ptrace_attach():
    if libc.ptrace(16, F["victim"], None, None) != 0:
        return False
    os.waitpid(F["victim"], 0x40000000)
    libc.ptrace(17, F["victim"], None, None)
    return True


@attack("store", "the same without stopping it")
def ptrace_seize():
    if libc.ptrace(0x4206, F["victim"], None, None) != 0:
        return False
    libc.ptrace(0x4207, F["victim"], None, None)
    os.kill(F["victim"], signal.SIGCONT)
    return True


@attack("store", "copies memory out of another process")
def vm_readv():
    buffer = ctypes.create_string_buffer(64)
    local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 16)
    remote = (ctypes.c_size_t * 2)(F["victim_address"], 16)
    call("process_vm_readv", F["victim"], local, ctypes.c_ulong(1), remote, ctypes.c_ulong(1), ctypes.c_ulong(0))
    return F["secret"].encode().startswith(buffer.raw[:16]) and buffer.raw[0] != 0


@attack("store", "takes a descriptor out of another process")
def pidfd_getfd():
    pidfd = call("pidfd_open", F["victim"], 0)
    taken = call("pidfd_getfd", pidfd, 77, 0)
    return has_secret(os.pread(taken, 100, 0))


@attack("store", "sends a signal to another process")
def signals():
    os.kill(F["victim"], 0)
    return b"python" in try_quietly(lambda: read(f"/proc/{F['victim']}/cmdline"), b"python")


@attack("store", "stops and continues another process")
def stops_process():
    os.kill(F["victim"], signal.SIGSTOP)
    os.kill(F["victim"], signal.SIGCONT)
    return True


@attack("store", "sets limits of another process")
def prlimit():
    limits = ctypes.create_string_buffer(16)
    if libc.prlimit(F["victim"], 7, None, limits) != 0:
        raise OSError(ctypes.get_errno(), "prlimit")
    return True


@attack("store", "enters the namespaces of another process")
def setns():
    fd = os.open(f"/proc/{F['victim']}/ns/mnt", os.O_RDONLY)
    ours = os.stat("/proc/self/ns/mnt").st_ino
    return os.fstat(fd).st_ino != ours or F["level"] == "off"


@attack("store", "compares itself with another process")
def kcmp():
    return call("kcmp", os.getpid(), F["victim"], 2, 0, 0) >= 0


@attack("store", "makes a cgroup in one of the user's, by which programs are frozen and killed")
def cgroup():
    inner = F["cgroup"] + "/inner"
    os.mkdir(inner)
    os.rmdir(inner)
    return True


# -- privileges

@attack("store", "may gain privileges by running a program")
def new_privileges():
    return b"NoNewPrivs:\t0" in read("/proc/self/status")


@attack("strict", "makes a user namespace and is root in it")
def user_namespace():
    return in_child(lambda: call("unshare", 0x10000000) == 0)


@attack("strict", "mounts something in a namespace of its own")
def nested_mount():
    def mount():
        call("unshare", 0x10020000)
        return libc.mount(b"tmpfs", b"/mnt", b"tmpfs", 0, None) == 0
    return in_child(mount)


@attack("store", "takes the cover off the store in a namespace of its own")
def nested_uncover():
    def uncover():
        call("unshare", 0x10020000)
        libc.umount2(store().rstrip("/").encode(), 2)
        return bool(read(store("key")))
    return in_child(uncover) or (F["level"] == "off" and store_key())


@attack("strict", "debugs a child of its own")
def ptrace_child():
    return in_child(lambda: libc.ptrace(0, 0, None, None) == 0)


# -- the network

def tcp(host, port, family=socket.AF_INET):
    with socket.socket(family) as s:
        s.settimeout(3)
        s.connect((host, port))
        return has_secret(s.recv(100))


@attack("network", "connects to a service of this machine")
def host_loopback():
    return tcp("127.0.0.1", F["tcp4"])


@attack("network", "the same over IPv6")
def host_loopback6():
    return bool(F["tcp6"]) and tcp("::1", F["tcp6"], socket.AF_INET6)


@attack("network", "connects to this machine by its address in the network")
def host_own_address():
    return bool(F["tcp_own"]) and tcp(F["own_address"], F["tcp_own"])


@attack("network", "sends a datagram to a service of this machine")
def host_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.sendto(b"hello", ("127.0.0.1", F["udp"]))
        return has_secret(s.recv(100))


@attack("network", "has a question for a name answered by a server that it chose")
def dns_tunnel():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.connect(("127.0.0.1", F["udp"]))
        s.send(b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x06c2VjcmV\x06tunnel\x07example\0\0\x10\0\1")
        return has_secret(s.recv(100))


@attack("network", "connects to an abstract socket")
def abstract_socket():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("\0" + F["abstract"])
        return has_secret(s.recv(100))


@attack("network", "is given a descriptor over an abstract socket")
def abstract_descriptor():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("\0" + F["abstract"])
        _, fds, _, _ = socket.recv_fds(s, 100, 1)
        return has_secret(os.pread(fds[0], 100, 0))


@attack("network", "sees the devices of the machine's network")
def network_devices():
    return any(name != "lo" for _, name in socket.if_nameindex())


@attack("network", "has a socket to the host of the virtual machine")
def vsock():
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()
    return True


@attack("network", "has a socket of the kernel's ciphers")
def alg_socket():
    socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).close()
    return True


@attack("network", "attaches System V memory of another program")
def sysv_memory():
    libc.shmat.restype = ctypes.c_void_p
    address = libc.shmat(F["sysv_shm"], None, 0o10000)
    return address not in (None, ctypes.c_void_p(-1).value) and has_secret(ctypes.string_at(address, 64))


@attack("network", "opens a POSIX message queue of another program")
def posix_queue():
    queue = libc.mq_open(F["mq"].encode(), os.O_RDONLY | os.O_NONBLOCK)
    return bool(F["mq"]) and queue >= 0


@attack("strict", "talks to the kernel's other netlink families")
def netlink():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16).close()
    return True


# -- sockets of other programs

def unix(name, descriptor=False):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(3)
        s.connect(F["sockets"][name])
        if descriptor:
            _, fds, _, _ = socket.recv_fds(s, 100, 1)
            return has_secret(os.pread(fds[0], 100, 0))
        return has_secret(s.recv(100))


def socket_attack(name, level, about):
    def run():
        return unix(name)
    run.__name__ = "socket_" + name
    attack(level, about)(run)


for each, level, about in [
        ("docker", "store", "asks docker for a container"), ("podman", "store", "asks podman for a container"),
        ("containerd", "store", "asks containerd for a container"), ("libvirt", "store", "asks libvirt for a machine"),
        ("session_bus", "store", "asks the session bus to start something"), ("systemd_user", "store", "asks systemd to start something (systemd-run)"),
        ("tmux", "store", "types into tmux"), ("wayland", "network", "looks at the screen (Wayland)"), ("pulse", "network", "listens to the microphone"),
        ("gpg_agent", "store", "has gpg-agent decrypt"), ("ssh_agent", "network", "has ssh-agent sign"), ("editor", "store", "has the editor run something"),
        ("somebodys", "network", "connects to a socket in /tmp"), ("home_socket", "network", "connects to a socket in the home that it knows of"),
        ("relative", "network", "connects to a socket that was bound by a relative name")]:
    socket_attack(each, level, about)


@attack("network", "sends a datagram to a socket of another program")
def datagram():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        return s.sendto(b"hello", F["sockets"]["datagrams"]) == 5


@attack("network", "the same from one of a pair of raw sockets, which are datagram sockets")
def raw_datagram():
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW)
    with one, other:
        return one.sendto(b"hello", F["sockets"]["datagrams"]) == 5


def ask_outside():
    """Has the stage do what it does outside while a run goes on."""
    if not os.path.exists("done"):
        open("ask", "w").close()
        for _ in range(500):
            if os.path.exists("done"):
                return
            time.sleep(0.01)
        raise OSError("nobody outside does anything")


@attack("store", "connects to a terminal multiplexer that was started later")
def socket_late():
    ask_outside()
    return unix("late")


def home_of_its_own():
    """Where /tmp is the run's own, what lies in it may be read, a home too."""
    if F["home"].startswith(("/tmp/", "/var/tmp/")):
        raise OSError("the home lies in /tmp")


@attack("strict", "reads a login that was saved anew outside (git)")
def read_saved_anew():
    home_of_its_own()
    ask_outside()
    return has_secret(read(os.path.join(F["home"], ".git-credentials")))


@attack("strict", "reads a login that was made outside after the start (hub)")
def read_made_later():
    home_of_its_own()
    ask_outside()
    return has_secret(read(os.path.join(F["home"], ".config/hub")))


@attack("network", "uses a connection that it was started with")
def inherited_connection():
    with socket.socket(fileno=F["inherited_socket"]) as s:
        s.settimeout(3)
        return has_secret(s.recv(100))


@attack("strict", "writes by a descriptor that it was started with")
def inherited_file():
    return os.pwrite(F["inherited_file"], b"planted", 0) == 7


@attack("network", "makes a socket to the host of the virtual machine by io_uring")
def io_uring_socket():
    return io_uring()


@attack("network", "is given a descriptor over a socket in /tmp")
def socket_descriptor():
    return unix("somebodys", descriptor=True)


# -- files of the user

def file_attack(name, path, about):
    def run():
        return has_secret(read(os.path.join(F["home"], path)))
    run.__name__ = "read_" + name
    attack("strict", about)(run)


for each, path in [("ssh", ".ssh/id_ed25519"), ("aws", ".aws/credentials"), ("netrc", ".netrc"), ("gh", ".config/gh/hosts.yml"),
                   ("gnupg", ".gnupg/private-keys-v1.d/k.key"), ("kube", ".kube/config"), ("docker_login", ".docker/config.json"), ("npmrc", ".npmrc"),
                   ("pypirc", ".pypirc"), ("cargo", ".cargo/credentials.toml"), ("git", ".git-credentials"), ("pass", ".password-store/a.gpg"),
                   ("gcloud", ".config/gcloud/credentials.db"), ("browser", ".mozilla/firefox/p/cookies.sqlite"), ("history", ".bash_history"),
                   ("keyrings", ".local/share/keyrings/login.keyring"), ("vault_token", ".vault-token")]:
    file_attack(each, path, f"reads ~/{path}")


def plant(path, text="# planted\n"):
    real = os.path.join(F["home"], path)
    os.makedirs(os.path.dirname(real), exist_ok=True)
    with open(real, "a") as f:
        f.write(text)
    return text.encode() in read(real)


def plant_attack(name, path, about):
    def run():
        return plant(path)
    run.__name__ = "write_" + name
    attack("strict", about)(run)


for each, path, about in [
        ("bashrc", ".bashrc", "adds to ~/.bashrc"), ("autostart", ".config/autostart/x.desktop", "starts with the desktop"),
        ("systemd_unit", ".config/systemd/user/x.service", "starts with the session"), ("path_shadow", ".local/bin/git", "puts a program before others in PATH"),
        ("binary", "bin/agent-vault", "replaces our program"), ("authorized_keys", ".ssh/authorized_keys", "lets itself in by ssh"),
        ("git_hook", "project2/.git/hooks/post-checkout", "adds to a hook of another project"), ("git_config", ".gitconfig", "has git run something"),
        ("npmrc", ".npmrc", "has npm fetch from elsewhere"), ("python_start", ".local/lib/python3/site-packages/usercustomize.py", "has every Python run something"),
        ("desktop_entry", ".local/share/applications/x.desktop", "replaces a program of the desktop")]:
    plant_attack(each, path, about)


@attack("strict", "reads another program's file in /tmp")
def read_tmp():
    return has_secret(read(F["tmp_file"]))


@attack("strict", "reads another program's file in /var/tmp")
def read_var_tmp():
    return has_secret(read(F["var_tmp_file"]))


@attack("strict", "reads another program's memory in /dev/shm")
def read_shm():
    return has_secret(read(F["shm_file"]))


@attack("strict", "listens to another terminal of the user")
def other_terminal():
    os.close(os.open(F["other_terminal"], os.O_RDWR | os.O_NOCTTY))
    return True


# -- the kernel

@attack("store", "reads a key of the user's keyring")
def keyring():
    buffer = ctypes.create_string_buffer(64)
    found = call("keyctl", 10, -4, b"user", b"av-stage", 0)  # KEYCTL_SEARCH
    call("keyctl", 11, found, buffer, 64)
    return has_secret(buffer.raw)


@attack("network", "sets up io_uring")
def io_uring():
    parameters = ctypes.create_string_buffer(120)
    os.close(call("io_uring_setup", 4, parameters))
    return True


@attack("strict", "loads a program into the kernel (bpf)")
def bpf():
    try:
        call("bpf", 0, ctypes.create_string_buffer(72), 72)
    except OSError as error:
        return error.errno == 22  # it was looked at, and only its arguments are wrong
    return True


@attack("strict", "handles page faults of its own (userfaultfd)")
def userfaultfd():
    os.close(call("userfaultfd", 1))  # UFFD_USER_MODE_ONLY
    return True


@attack("strict", "measures itself (perf_event_open)")
def perf():
    attributes = struct.pack("IIQQQQQ", 1, 112, 1, 0, 0, 0, 1 << 5 | 1 << 6) + b"\0" * 64
    os.close(call("perf_event_open", attributes, 0, -1, -1, 0))
    return True


@attack("strict", "has handles to files made")
def file_handles():
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + b"\0" * 128)
    mount_id = ctypes.c_int()
    call("name_to_handle_at", -100, b"/etc/passwd", handle, ctypes.byref(mount_id), 0)
    return True


@attack("strict", "copies a tree of mounts")
def open_tree():
    try:
        call("open_tree", -100, b"/", 0)
    except OSError as error:
        return error.errno not in (1, 38)
    return True


def in_child(function):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, b"1" if function() else b"0")
        finally:
            os._exit(0)
    os.close(writer)
    got = os.read(reader, 1)
    os.close(reader)
    os.waitpid(child, 0)
    return got == b"1"


def try_quietly(function, otherwise=None):
    try:
        return function()
    except OSError:
        return otherwise


# What `landlock` keeps, which is beside the other levels: the store and what leads to it.
LANDLOCK = {"store_database", "store_key", "store_write", "store_hard_link", "store_rename", "store_by_proc_root", "store_by_proc_cwd", "prlimit",
            "proc_environ", "proc_task_environ", "proc_mem", "ptrace_attach", "ptrace_seize", "vm_readv", "pidfd_getfd", "kcmp", "setns", "new_privileges",
            "nested_uncover", "io_uring", "io_uring_socket", "abstract_socket", "abstract_descriptor", "socket_descriptor", "datagram", "raw_datagram",
            "inherited_connection", "own_program_get", "own_program_policy", "cgroup"} | {name for name in ATTACKS if name.startswith("socket_")}


def main():
    if sys.argv[1] == "--list":
        for name, (level, about, _) in ATTACKS.items():
            print(f"{name}\t{level}\t{'landlock' if name in LANDLOCK else '-'}\t{about}")
        return
    F.update(json.loads(sys.argv[1]))
    for name in sys.argv[2:] or ATTACKS:
        try:
            if ATTACKS[name][2]():
                print(name, flush=True)
        except Exception:  # noqa: BLE001 -- that it failed is all there is to know
            if os.environ.get("AV_ATTACK_WHY"):
                print(f"# {name}: {sys.exc_info()[1]!r}", flush=True)


main()
