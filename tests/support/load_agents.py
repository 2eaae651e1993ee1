#!/usr/bin/env python3
"""Many agents at one proxy at the same time, each over a tunnel of its own and at its own pace.

    load_agents.py --proxy HOST:PORT --ca FILE --tokens FILE --host NAME --seconds S [--pause 0.5]

One line of JSON: requests, failures by kind, requests a second, latencies in milliseconds (p50, p99, max), and the fewest
requests that any agent got through. Mixed: small and larger bodies both ways, a path that is not there, a host that is
refused. Exit code 1 when an answer was not the one that belongs to the question.
"""

import argparse
import asyncio
import collections
import json
import random
import ssl
import sys
import time


async def read_response(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length, chunked = 0, False
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        elif name.lower() == b"transfer-encoding":
            chunked = True
    if not chunked:
        return status, await reader.readexactly(length)
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            return status, body


async def open_tunnel(options, context, token):
    host, port = options.proxy.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"CONNECT {options.host}:443 HTTP/1.1\r\nHost: {options.host}:443\r\nProxy-Authorization: Bearer {token}\r\n\r\n".encode())
    status = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
    if status != b"200":
        raise ConnectionError(f"CONNECT: {status.decode()}")
    loop = asyncio.get_running_loop()
    protocol = writer.transport.get_protocol()
    transport = await loop.start_tls(writer.transport, protocol, context, server_hostname=options.host)
    protocol._replace_writer(writer) if hasattr(protocol, "_replace_writer") else None
    writer._transport = transport
    reader._transport = transport
    return reader, writer


# What is asked, and which statuses are right for it.
def question(number):
    kind = number % 10
    if kind < 6:
        return "GET", f"/echo?n={number}", b"", (200,)
    if kind < 8:
        return "POST", "/echo", b"x" * 8192, (200,)
    return "GET", "/none-such", b"", (404,)


async def agent(options, context, token, index, ends, out):
    random.seed(index)
    await asyncio.sleep(random.random() * options.pause)
    done = 0
    reader = writer = None
    while time.monotonic() < ends:
        try:
            if writer is None:
                reader, writer = await open_tunnel(options, context, token)
            method, target, body, right = question(done + index)
            began = time.monotonic()
            writer.write(f"{method} {target} HTTP/1.1\r\nHost: {options.host}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
            status, _ = await asyncio.wait_for(read_response(reader), 30)
            out["latency"].append((time.monotonic() - began) * 1000)
            if status not in right:
                out["wrong"][f"{target.split('?')[0]}: {status}"] += 1
            done += 1
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ssl.SSLError) as error:
            out["failed"][type(error).__name__] += 1
            if writer is not None:
                writer.close()
            writer = None
            await asyncio.sleep(0.1)
        await asyncio.sleep(random.random() * options.pause * 2)
    out["least"] = min(out["least"], done)
    if writer is not None:
        writer.close()


async def run(options):
    with open(options.tokens, encoding="ascii") as file:
        tokens = file.read().split()
    context = ssl.create_default_context(cafile=options.ca)
    out = {"latency": [], "wrong": collections.Counter(), "failed": collections.Counter(), "least": 1 << 30}
    began = time.monotonic()
    await asyncio.gather(*(agent(options, context, token, index, began + options.seconds, out) for index, token in enumerate(tokens)))
    took = time.monotonic() - began
    latency = sorted(out["latency"]) or [0]
    print(json.dumps({"agents": len(tokens), "requests": len(out["latency"]), "per_second": round(len(out["latency"]) / took, 1),
                      "p50_ms": round(latency[len(latency) // 2], 1), "p99_ms": round(latency[len(latency) * 99 // 100], 1),
                      "max_ms": round(latency[-1], 1), "least": out["least"], "failed": out["failed"], "wrong": out["wrong"]}))
    return 1 if out["wrong"] or not out["latency"] else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proxy", required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--pause", type=float, default=0.5)
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
