"""What scripts/bench measures: nginx as the upstream and, in front of it, HAProxy, mitmproxy and
agent-vault, all on loopback, each started here and ended with the bench."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WITH_CREDENTIAL, WITHOUT = "echo.test", "second.test"  # names in tests/support/make_certs.sh
TOKEN = "sk-bench-0123456789abcdefghijklmnopqrstuvwxyzAB"
BODY = "".join(f'{{"index": {i:04d}, "text": "one kibibyte"}}\n' for i in range(26))[:1024]

NGINX = """
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 8192;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  default_type text/plain;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path {dir}/nginx-body;
  proxy_temp_path {dir}/nginx-proxy;
  fastcgi_temp_path {dir}/nginx-fastcgi;
  uwsgi_temp_path {dir}/nginx-uwsgi;
  scgi_temp_path {dir}/nginx-scgi;
  server {{
    listen 127.0.0.1:{port} ssl backlog=1024;
    ssl_certificate {certs}/server.pem;
    ssl_certificate_key {certs}/server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    location = /1k {{ alias {dir}/1k; }}
    location = /big {{ alias {dir}/big; }}
    location /sse/ {{
      proxy_pass http://127.0.0.1:{sse};
      proxy_http_version 1.1;
      proxy_buffering off;
    }}
  }}
  open_file_cache max=16 inactive=1h;
  open_file_cache_valid 1h;
}}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 4000
  ssl-default-bind-options ssl-min-ver TLSv1.2
  ssl-default-server-options ssl-min-ver TLSv1.2
defaults
  mode http
  option http-no-delay
  http-reuse always
  timeout connect 10s
  timeout client 1h
  timeout server 1h
frontend front
  bind 127.0.0.1:{port} ssl crt {dir}/haproxy.pem
  http-request set-header Authorization "Bearer {token}"
  default_backend back
backend back
  server nginx 127.0.0.1:{nginx} ssl verify required ca-file {certs}/ca.pem sni str({host}) verifyhost {host}
"""

MITMPROXY = """
def server_connect(data):
    data.server.address = ("127.0.0.1", {nginx})

def request(flow):
    flow.request.headers["authorization"] = "Bearer {token}"

def responseheaders(flow):
    if flow.response.headers.get("content-type") == "text/event-stream":
        flow.response.stream = True
"""


class BenchError(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process, name):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"{name} ended with status {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise BenchError(f"{name} does not listen on port {port}")


class Subject:
    """A server that av_bench can be pointed at."""

    def __init__(self, name, process, arguments, ca, env=None):
        self.name, self.process, self.ca = name, process, ca
        self.arguments, self.env = arguments, env or {}

    @property
    def pid(self):
        return self.process.pid

    def route(self, host=WITH_CREDENTIAL):
        return ["--target", f"{host}:443", "--ca", self.ca, *self.arguments]

    def resident_mib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
        raise BenchError(f"{self.name}: no VmRSS")


class Stage:
    """A directory and the processes that live in it; a context manager that leaves nothing."""

    def __init__(self, directory, binary, generator, big_bytes):
        self.dir, self.binary, self.generator, self.big_bytes = directory, binary, generator, big_bytes
        self.certs = os.path.join(directory, "certs")
        self.processes, self.subjects = [], {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.stdin:
                process.stdin.close()
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def spawn(self, name, command, **options):
        with open(self.path(name + ".log"), "ab") as log:
            process = subprocess.Popen(command, stderr=log, cwd=self.dir,
                                       **{"stdin": subprocess.DEVNULL, "stdout": log, **options})
        self.processes.append(process)
        return process

    def start_upstream(self):
        subprocess.run([os.path.join(ROOT, "tests/support/make_certs.sh"), self.certs], check=True)
        self.write("1k", BODY)
        self.write_big()
        source = self.spawn("sse-source", [self.generator, "sse-source"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
        sse = json.loads(source.stdout.readline())["port"]
        self.nginx_port = free_port()
        config = self.write("nginx.conf", NGINX.format(dir=self.dir, certs=self.certs, sse=sse,
                                                       port=self.nginx_port))
        process = self.spawn("nginx", [find("nginx"), "-c", config, "-p", self.dir])
        wait_for_port(self.nginx_port, process, "nginx")
        self.add(Subject("nginx", process, ["--address", f"127.0.0.1:{self.nginx_port}"],
                         f"{self.certs}/ca.pem"))

    def write_big(self):
        """Lines of text, the same mebibyte again and again: what the search for values sees is
        neither empty nor different from run to run."""
        lines, number = [], 1
        while sum(map(len, lines)) < 1 << 20:
            for _ in range(1000):
                number = number * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
                lines.append(f'{{"id": "{number:016x}", "text": "the quick brown fox", "score": '
                             f'{number % 1000}, "path": "/usr/share/doc/{number >> 40:x}"}}\n')
        tile = "".join(lines).encode()[:1 << 20]
        with open(self.path("big"), "wb") as file:
            for _ in range(self.big_bytes >> 20):
                file.write(tile)

    def start_haproxy(self):
        with open(self.path("haproxy.pem"), "wb") as out:
            for part in ("server.pem", "server.key"):
                with open(os.path.join(self.certs, part), "rb") as file:
                    out.write(file.read())
        port = free_port()
        config = self.write("haproxy.cfg", HAPROXY.format(
            dir=self.dir, certs=self.certs, nginx=self.nginx_port, port=port, token=TOKEN,
            host=WITH_CREDENTIAL))
        process = self.spawn("haproxy", [find("haproxy"), "-db", "-f", config])
        wait_for_port(port, process, "haproxy")
        self.add(Subject("haproxy", process, ["--address", f"127.0.0.1:{port}"],
                         f"{self.certs}/ca.pem"))

    def start_mitmproxy(self):
        port = free_port()
        addon = self.write("addon.py", MITMPROXY.format(nginx=self.nginx_port, token=TOKEN))
        process = self.spawn("mitmproxy", [
            find("mitmdump"), "--quiet", "--listen-host", "127.0.0.1", "--listen-port", str(port),
            "--scripts", addon, "--set", f"confdir={self.path('mitmproxy')}",
            "--set", f"ssl_verify_upstream_trusted_ca={self.certs}/ca.pem",
            "--set", "stream_large_bodies=64k", "--set", "flow_detail=0"])
        wait_for_port(port, process, "mitmproxy")
        self.add(Subject("mitmproxy", process, ["--connect", f"http://127.0.0.1:{port}"],
                         self.path("mitmproxy/mitmproxy-ca-cert.pem")))

    def vault_environment(self, home):
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {**keep, "AGENT_VAULT_HOME": home, "HOME": self.dir, "USER": getpass.getuser()}

    def make_vault(self, home, services=1):
        """A vault with one credential and a service for the upstream, among `services`."""
        env = self.vault_environment(home)
        set_token = [self.binary, "vault", "credential", "set", "TOKEN", "--stdin"]
        subprocess.run(set_token, env=env, input=TOKEN.encode(), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        auth = {"type": "bearer", "token": "TOKEN"}
        listed = [{"name": f"service{i}", "host": f"host{i}.example.com", "auth": auth}
                  for i in range(services - 1)]
        listed.append({"name": "bench", "host": WITH_CREDENTIAL, "auth": auth})
        path = self.write(os.path.basename(home) + ".json", json.dumps({"services": listed}))
        done = subprocess.run([self.binary, "vault", "service", "add", "-f", path], env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise BenchError("agent-vault vault service add: " + done.stdout.decode()[-500:])

    def run_command(self, *command):
        resolve = []
        for host in (WITH_CREDENTIAL, WITHOUT):
            resolve += ["--resolve", f"{host}:443:127.0.0.1:{self.nginx_port}"]
        return [self.binary, "run", "--upstream-ca", f"{self.certs}/ca.pem", *resolve, "--",
                *command]

    def start_agent_vault(self, name="agent-vault", services=1):
        """`run` with a child that tells how to use the proxy and then waits."""
        home = self.path(name + "-home")
        self.make_vault(home, services)
        child = 'echo "$HTTPS_PROXY"; cat "$SSL_CERT_FILE"; echo END; exec cat'
        process = self.spawn(name, self.run_command("sh", "-c", child), stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, env=self.vault_environment(home))
        proxy = process.stdout.readline().decode().strip()
        ca = []
        for line in process.stdout:
            if line == b"END\n":
                break
            ca.append(line.decode())
        if not proxy or not ca:
            raise BenchError(f"{name}: run did not start, see {self.path(name + '.log')}")
        self.add(Subject(name, process, ["--connect", "env"], self.write(name + ".pem", "".join(ca)),
                         {"HTTPS_PROXY": proxy}))

    def add(self, subject):
        self.subjects[subject.name] = subject

    def generate(self, subject, *arguments, **options):
        """One run of av_bench against a subject; its figures. An error ends the bench."""
        host = options.pop("host", WITH_CREDENTIAL)
        mode, *rest = arguments
        command = [self.generator, mode, *(subject.route(host) if subject else []), *map(str, rest)]
        env = {**os.environ, **(subject.env if subject else {})}
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False)
        if done.returncode:
            who = f" against {subject.name}" if subject else ""
            raise BenchError(f"{mode}{who}: {done.stderr.decode().strip()}")
        return json.loads(done.stdout)

    def hold(self, subject, connections):
        """Resident memory of a subject with this many open connections."""
        command = [self.generator, "hold", *subject.route(), "--path", "/1k", "--length", "1024",
                   "--connections", str(connections)]
        with subprocess.Popen(command, env={**os.environ, **subject.env}, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            line = process.stdout.readline()
            resident = subject.resident_mib()
            _, errors = process.communicate()
        if process.returncode or not line:
            raise BenchError(f"hold against {subject.name}: {errors.decode().strip()}")
        return resident


def find(program):
    # Servers are not in everybody's PATH.
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise BenchError(f"{program} is not installed: scripts/install-deps --bench")
    return path
