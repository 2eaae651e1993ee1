#!/usr/bin/env bash
# An upstream that repeats what it received does not give the agent the credential: in a body, a header,
# a trailer, or cut in two at any place; in any form and content coding that is looked for. Without a
# credential of the service's own the same bodies come as they are.
# timeout: 300
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test second.test
real=$(new_canary 'k+y/=')
bearer_service echo.test TOKEN "$real"

printf '%s' "${#real}" >length
agent_python <<'PY'
import gzip, proxy_client as p
length = int(open("length").read())
out = open("seen.bin", "wb")
def take(path, headers=()):
    reply = p.request("https://echo.test" + path, headers=headers)
    assert reply.status in (200, 404, 502), reply.head
    body = reply.body
    if reply.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    out.write((reply.head + "\n").encode("latin-1") + body + "\n".join(reply.trailers).encode() + b"\n")
    return reply, body
reply, body = take("/echo")
assert b"Bearer" in body, body
take("/echo-gzip", [("Accept-Encoding", "gzip")])
take("/echo-header")
take("/trailers")
take("/bad/unasked-101")
for how in ("length", "chunked", "gzip"):
    for at in range(0, length + 8, 1 if how == "chunked" else 5):
        reply, body = take(f"/split?at={at}&as={how}", [("Accept-Encoding", "gzip")])
        assert body.startswith(b"before Bearer ") and body.endswith(b" after\n"), (how, at, body)
reply, body = take("/status/404")
codings = ("identity", "gzip", "deflate", "raw-deflate", "br", "zstd", "gzip%2C%20br")
forms = ("raw html html-decimal html-hex percent-partly json-partly json-unicode json-in-json x-partly mime pem "
         "mime-in-json base64-percent hex-colon hex-space hex-dash hex-lines hex-mixed utf-16").split()
for form in forms:
    for coding in codings:
        path = f"/reflect?form={form}&coding={coding}"
        reply, body = take(path, [("Accept-Encoding", "gzip, deflate, br, zstd")])
        assert reply.status == 200 and reply.get("X-Form") == form, (path, reply.head)
        assert reply.get("Content-Encoding") is None, reply.head
        assert body.startswith(b"<") and body.endswith(b">\n"), (path, body)
        assert b"redacted" in body or b"****" in body, (path, body)
        # What a reader would make of it: nothing may be left between the masks.
        if coding == "identity":
            print(form, body)
# The control: nothing is injected there, so nothing is masked, and codings pass as they are.
theirs = "Bearer my+own/token=that-I-know"
for form in forms:
    reply = p.request(f"https://second.test/reflect?form={form}", headers=[("Authorization", theirs)])
    assert b"*" not in reply.body and b"redacted" not in reply.body, (form, reply.body)
    if form == "raw":
        assert reply.body == b"<my+own/token=that-I-know>\n", reply.body
    if form == "html":
        assert b"that-I-know" in reply.body
reply = p.request("https://second.test/reflect?form=raw&coding=br", headers=[("Authorization", theirs)])
assert reply.get("Content-Encoding") == "br", reply.head
PY
canary_check seen.bin
# The slow way: every escape undone, every base64 and hex decoded, whatever separates it.
"$AV_PYTHON" - "$CANARIES" seen.bin "$OUT/agent.out" <<'PY'
import base64, html, re, sys, urllib.parse
value = open(sys.argv[1]).read().split()[0]
def readings(text):
    yield text
    for _ in range(3):
        text = html.unescape(urllib.parse.unquote(text, "latin-1"))
        text = re.sub(r"\\(u00|x)([0-9a-fA-F]{2})", lambda m: chr(int(m[2], 16)), text)
        text = text.replace("\\n", "\n").replace("\\/", "/").replace('\\"', '"').replace("\\\\", "\\")
        yield text
for name in sys.argv[2:]:
    whole = open(name, "rb").read().decode("latin-1")
    for reading in readings(whole):
        for text in (reading, reading.replace("\0", "")):
            assert value not in text, name
            assert value[4:] not in text, name
        joined = re.sub(r"\r?\n\s*", "", reading)
        for run in re.findall(r"[A-Za-z0-9+/]{16,}", joined):
            for skip in range(4):
                part = run[skip:]
                assert value.encode() not in base64.b64decode(part[:len(part) // 4 * 4]), run
        for run in re.findall(r"(?:[0-9a-fA-F]{2}[:\s-]*){8,}", reading):
            assert value.encode() not in bytes.fromhex(re.sub(r"[:\s-]", "", run)), run
PY
assert_eq "Bearer $real" "$(received_header authorization 0)"
