#!/usr/bin/env python3
"""A relay as one should not be written, for the control of the smuggling test: it passes heads on as
they came, and believes the first Content-Length. Absolute form only. Prints its port; writes what it
thinks that it relayed in the form of the audit log.

    naive_proxy.py --upstream PORT --log FILE
"""

import argparse
import json
import re
import signal
import socket
import threading


class Relay:
    def __init__(self, options):
        self.upstream, self.lock = options.upstream, threading.Lock()
        self.log = open(options.log, "a", encoding="utf-8")

    def serve(self, client):
        server = socket.create_connection(("127.0.0.1", self.upstream))
        threading.Thread(target=self.copy, args=(server, client), daemon=True).start()
        buffer = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = client.recv(65536)
                    if not data:
                        return
                    buffer += data
                head, buffer = buffer.split(b"\r\n\r\n", 1)
                length = re.search(rb"\ncontent-length *:\s*\+?(\d+)", head, re.I)
                size = int(length.group(1)) if length else 0
                while len(buffer) < size:
                    data = client.recv(65536)
                    if not data:
                        return
                    buffer += data
                body, buffer = buffer[:size], buffer[size:]
                method, target = (head.decode("latin-1").split(" ") + [""])[:2]
                path = re.sub("^http://[^/]*", "", target)
                with self.lock:
                    self.log.write(json.dumps({"event": "request", "decision": "allow", "path": path,
                                               "method": method, "bytes_in": size}) + "\n")
                    self.log.flush()
                head = head.replace(target.encode("latin-1"), path.encode("latin-1"), 1)
                head = re.sub(rb"\r\nProxy-Authorization: [^\r]*", b"", head)
                server.sendall(head + b"\r\n\r\n" + body)
        except (OSError, ValueError):
            pass
        finally:
            for sock in (server, client):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    @staticmethod
    def copy(server, client):
        try:
            while data := server.recv(65536):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", type=int, required=True)
    parser.add_argument("--log", required=True)
    relay = Relay(parser.parse_args())
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(listener.getsockname()[1], flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=relay.serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    main()
