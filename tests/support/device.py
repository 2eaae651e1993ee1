#!/usr/bin/env python3
"""Things that keep keys, made for one test: none of them touches what the machine has.

    device.py tpm DIRECTORY        a TPM 2.0 in software (swtpm); prints the words for tpm2-tss to find it
    device.py keyring DIRECTORY    a session bus and an unlocked keyring on it; prints the bus's address.
                                   A line `lock` on standard input locks it, and is answered by `locked`
    device.py token DIRECTORY      a token of SoftHSM, labelled `work`, PIN 1234, with the keys `rsa`, `aes`
                                   and, which may leave it, `loose`; prints the library, and ends

The first two serve until their standard input ends. Exit code 77: a package is missing, and which.
"""

import os
import shutil
import socket
import subprocess
import sys
import time

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>"""
PATIENCE = 30
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
           "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so")


def need(program, package):
    if not shutil.which(program):
        print(f"{package} is not installed", file=sys.stderr)
        raise SystemExit(77)


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def start_tpm(directory):
    """swtpm takes no port 0, and its control channel must be the port after: try until both are free."""
    for _ in range(50):
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
        process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={directory}",
             "--server", f"type=tcp,port={port},disconnect", "--ctrl", f"type=tcp,port={port + 1}",
             "--flags", "not-need-init,startup-clear"], stdin=subprocess.DEVNULL)
        while process.poll() is None:
            # The control channel: a connection to the other one would be the only one.
            if answers(port + 1):
                return process, port
            time.sleep(0.02)
    raise SystemExit("device.py: no two free ports")


def tpm(directory):
    need("swtpm", "swtpm")
    process, port = start_tpm(directory)
    print(f"swtpm:host=127.0.0.1,port={port}", flush=True)
    sys.stdin.read()
    process.kill()
    process.wait()  # its state is free for the next


def keyring(directory):
    need("dbus-daemon", "dbus")
    need("gnome-keyring-daemon", "gnome-keyring")
    path = os.path.join(directory, "bus")
    config = os.path.join(directory, "bus.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(BUS.format(path=path))
    bus = subprocess.Popen(["dbus-daemon", "--config-file=" + config, "--nofork", "--print-address"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    address = bus.stdout.readline().strip()
    environment = dict(os.environ, DBUS_SESSION_BUS_ADDRESS=address, HOME=directory,
                       XDG_RUNTIME_DIR=directory, XDG_DATA_HOME=os.path.join(directory, "data"))
    ring = subprocess.Popen(["gnome-keyring-daemon", "--unlock", "--components=secrets", "--foreground"],
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment)
    ring.stdin.write(b"password of the keyring")
    ring.stdin.close()

    def call(method, *arguments):
        return subprocess.run(
            ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.secrets",
             "/org/freedesktop/secrets", "org.freedesktop.Secret.Service." + method, *arguments],
            env=environment, capture_output=True, text=True, check=False).stdout

    deadline = time.monotonic() + PATIENCE
    while "collection/login" not in call("ReadAlias", "string:default"):
        if ring.poll() is not None or time.monotonic() > deadline:
            ring.kill()
            bus.kill()
            raise SystemExit("device.py: the keyring does not start")
        time.sleep(0.02)
    print(address, flush=True)
    for line in sys.stdin:
        if line.strip() == "lock":
            call("Lock", "array:objpath:/org/freedesktop/secrets/collection/login")
            print("locked", flush=True)
    ring.kill()
    bus.kill()


def token(directory):
    need("softhsm2-util", "softhsm2")
    need("pkcs11-tool", "opensc")
    module = next((path for path in MODULES if os.path.exists(path)), None)
    if module is None:
        print("softhsm2 has no library", file=sys.stderr)
        raise SystemExit(77)
    tokens = os.path.join(directory, "tokens")
    os.makedirs(tokens, exist_ok=True)
    config = os.path.join(directory, "softhsm2.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = config

    def run(*command):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    run("softhsm2-util", "--init-token", "--free", "--label", "work", "--pin", "1234", "--so-pin", "12345678")
    make = ("pkcs11-tool", "--module", module, "--token-label", "work", "--login", "--pin", "1234")
    # Not --keypairgen: SoftHSM needs anything up to a minute for it.
    pair = os.path.join(directory, "rsa.pem")
    run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", pair)
    run("softhsm2-util", "--import", pair, "--token", "work", "--label", "rsa", "--id", "01", "--pin", "1234")
    os.remove(pair)
    run(*make, "--keygen", "--key-type", "aes:32", "--label", "aes", "--id", "02", "--sensitive")
    run(*make, "--keygen", "--key-type", "aes:32", "--label", "loose", "--id", "03", "--extractable")
    print(module, flush=True)


if __name__ == "__main__":
    {"tpm": tpm, "keyring": keyring, "token": token}[sys.argv[1]](sys.argv[2])
