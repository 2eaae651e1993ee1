#!/usr/bin/env python3
"""Attacks of an agent on the proxy of its environment, one function for each; run as the agent.

    row_attacks.py NAME PLACEHOLDER

What the attack was after shows at the upstream, or in what this prints: attack_rows.sh judges.
"""

import sys

import proxy_client as p


def send(target, host, headers=(), body=b"", method="GET"):
    head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: {p.own_auth()}\r\n"
    head += "".join(f"{n}: {v}\r\n" for n, v in headers)
    if body:
        head += f"Content-Length: {len(body)}\r\n"
    reply = p.raw(head.encode("latin-1") + b"\r\n" + body)
    if reply is not None:
        print(reply.head, reply.body.decode("latin-1"), *reply.trailers, sep="\n")
    return reply


def reflection(_):
    send("http://echo.test/echo", "echo.test")
    send("http://echo.test/echo-header", "echo.test")


def binding(placeholder):
    for header in ("Authorization", "X-Api-Key", "Cookie"):
        send("http://second.test/echo", "second.test", [(header, placeholder)])
        send("http://second.test/echo", "second.test", [(header, "Bearer " + placeholder)])


def identity(_):
    send("http://echo.test/echo", "second.test")


def placement(placeholder):
    send(f"http://echo.test/echo?note={placeholder}", "echo.test")
    send("http://echo.test/echo?record=1", "echo.test", body=f"my key: {placeholder}".encode(), method="POST")


def path(_):
    for target in ("/public/../admin", "/public/./../admin", "/public/%2e%2e/admin", "/public/%2E./admin",
                   "/public/..%2fadmin", "/public/..%2Fadmin", "/public//../../admin", "/public/..\\admin",
                   "/public/..%5cadmin", "/public/..;/admin", "/public/%252e%252e/admin", "/public/x/../../admin"):
        send("http://path.echo.test" + target, "path.echo.test")


def host(_):
    for name in ("second.test\0.wild.test", "second.test%00.wild.test", "second.test#.wild.test",
                 "second.test?.wild.test"):
        send(f"http://{name}/echo", name)


def redirect(_):
    reply = send("http://echo.test/redirect?to=http://second.test/echo", "echo.test")
    if reply is not None and reply.get("Location"):
        send(reply.get("Location"), "second.test")


def field(_):
    send("http://echo.test/echo", "echo.test")


def upgrade(_):
    send("http://echo.test/echo", "echo.test", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
                                                 ("HTTP2-Settings", "AAMAAABkAAQAAP__")])


def tunnel(_):
    # Neither TLS nor HTTP by its first byte; to a lenient server, an empty line and a request.
    try:
        with p.connect("echo.test:80") as sock:
            sock.sendall(b"\r\n" + p.compose("GET", "/echo", "echo.test"))
            print("tunnel", p.read_reply(sock).head)
    except (p.Refused, EOFError, OSError) as error:
        print("tunnel", error)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
