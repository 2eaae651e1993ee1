#!/usr/bin/env python3
"""A small HTTP/1.1 server under TLS that tells how the handshake went: one request per connection, the
answer is {"resumed", "version", "client", "alpn"} as JSON. On start it prints {"port": port}.
Standard library only.
"""

import argparse
import json
import socket
import ssl
import threading


def serve(context, sock):
    try:
        sock.settimeout(20)
        sock = context.wrap_socket(sock, server_side=True)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            part = sock.recv(1)
            if not part:
                return
            head += part
        subject = dict(pair[0] for pair in (sock.getpeercert() or {}).get("subject", ()))
        body = json.dumps({"resumed": sock.session_reused, "version": sock.version(),
                           "client": subject.get("commonName"),
                           "alpn": sock.selected_alpn_protocol()}).encode()
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                     b"Connection: close\r\n\r\n" % len(body) + body)
        sock.unwrap()
    except (OSError, ssl.SSLError):
        pass
    finally:
        sock.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cert", required=True, help="path of NAME.pem and NAME.key")
    parser.add_argument("--client-ca", help="want a client certificate of this authority")
    parser.add_argument("--max-version", choices=["1.2", "1.3"], default="1.3")
    options = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.cert + ".pem", options.cert + ".key")
    context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[options.max_version]
    if options.client_ca:
        context.load_verify_locations(options.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(context, sock), daemon=True).start()


if __name__ == "__main__":
    main()
