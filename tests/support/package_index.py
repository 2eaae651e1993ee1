#!/usr/bin/env python3
"""A package registry with one package, `av-left`, for npm and for pip, over TLS. Usage: package_index.py CERTS NAME: serves under the
certificate CERTS/NAME.pem and prints {"port": N}. Standard library only."""

import base64
import gzip
import hashlib
import http.server
import io
import json
import ssl
import sys
import tarfile
import zipfile

certs, name = sys.argv[1:3]
BASE = "https://packages.echo.test"


def npm_tarball():
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path, text in (("package/package.json", json.dumps({"name": "av-left", "version": "1.0.0", "main": "index.js"})),
                           ("package/index.js", "module.exports = () => 'left from npm';\n")):
            info = tarfile.TarInfo(path)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(raw.getvalue(), mtime=0)


def wheel():
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as z:
        z.writestr("av_left.py", "TEXT = 'left from pip'\n")
        z.writestr("av_left-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: av-left\nVersion: 1.0\n")
        z.writestr("av_left-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("av_left-1.0.dist-info/RECORD", "")
    return raw.getvalue()


TARBALL, WHEEL = npm_tarball(), wheel()
FILES = {
    "/npm/av-left": ("application/json", json.dumps({"name": "av-left", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {
        "name": "av-left", "version": "1.0.0", "dist": {"tarball": f"{BASE}/npm/av-left-1.0.0.tgz", "integrity":
                                                        "sha512-" + base64.b64encode(hashlib.sha512(TARBALL).digest()).decode()}}}}).encode()),
    "/npm/av-left-1.0.0.tgz": ("application/octet-stream", TARBALL),
    "/simple/av-left/": ("text/html", f'<html><body><a href="/wheels/av_left-1.0-py3-none-any.whl#sha256={hashlib.sha256(WHEEL).hexdigest()}">av_left-1.0-py3-none-any.whl</a></body></html>'.encode()),
    "/wheels/av_left-1.0-py3-none-any.whl": ("application/octet-stream", WHEEL),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: N802 -- the library's name
        kind, body = FILES.get(self.path.split("?")[0], ("text/plain", b""))
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):  # noqa: N802
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{certs}/{name}.pem", f"{certs}/{name}.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(json.dumps({"port": server.server_address[1]}), flush=True)
server.serve_forever()
