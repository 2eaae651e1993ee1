"""ws_peer.py server CERTS | client URL: Python's `websockets` with permessage-deflate at either end. As a
server it prints {"port": N} and echoes; as a client it does everything once and prints what it saw."""

import asyncio
import json
import os
import ssl
import sys

import websockets

LIMIT = 64 << 20


async def serve(certs):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{certs}/server.pem", f"{certs}/server.key")

    async def handle(ws, *_):
        async for message in ws:
            if message == "say-token":
                await ws.send("token: " + ws.request_headers.get("Authorization", "none"))
            elif message == "extensions":
                await ws.send("extensions: " + ",".join(x.name for x in ws.extensions))
            elif message == "end 4001":
                await ws.close(4001, "as asked")
            else:
                await ws.send(message)

    async with websockets.serve(handle, "127.0.0.1", 0, ssl=context, max_size=LIMIT) as server:
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        await asyncio.Future()


async def converse(url):
    import proxy_client
    host = url.split("/")[2]
    raw = proxy_client.connect(host + ":443")
    raw.setblocking(False)
    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    async with websockets.connect(url, sock=raw, ssl=context, server_hostname=host, max_size=LIMIT) as ws:
        names = ",".join(x.name for x in ws.extensions)
        await ws.send("hello")
        assert await ws.recv() == "hello"
        big = os.urandom(10 << 20)
        await ws.send(big)
        assert await ws.recv() == big, "10 MB"
        text = "text " * 500000
        await ws.send([text[:10], text[10:70000], text[70000:]])  # fragments
        assert await ws.recv() == text, "fragments"
        await asyncio.wait_for(await ws.ping(b"here"), 5)
        await ws.send("say-token")
        token = await ws.recv()
        await ws.send("end 4001")
        try:
            await ws.recv()
        except websockets.ConnectionClosed as closed:
            print(json.dumps({"extensions": names, "token": token, "code": closed.rcvd.code,
                              "reason": closed.rcvd.reason}))


asyncio.run(serve(sys.argv[2]) if sys.argv[1] == "server" else converse(sys.argv[2]))
