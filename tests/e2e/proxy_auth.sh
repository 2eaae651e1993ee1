#!/usr/bin/env bash
# The proxy serves only who holds the token, in each form that clients send it.
set -eu
. "$(dirname "$0")/common.inc"
start_upstream
play echo.test
bearer_service echo.test TOKEN "$(new_canary)"

agent_python <<'PY'
import proxy_client as p
tok = p.token()
good = {"basic tok:": p.basic(tok), "basic tok:vault": p.basic(tok, "default"),
        "basic any:tok": p.basic("any", tok), "bearer": "Bearer " + tok, "lower case": "bearer " + tok}
for name, value in good.items():
    for url in ("https://echo.test/echo", "http://echo.test/echo"):
        reply = p.request(url, auth=value)
        assert reply.status == 200, (name, url, reply.head)
        assert "proxy-authorization" not in [n.lower() for n, _ in reply.json["headers"]], reply.body
bad = {"none": None, "empty": "", "wrong": p.basic("av_sess_" + "0" * 40), "wrong bearer": "Bearer x",
       "prefix": p.basic(tok[:-1]), "suffix": p.basic(tok + "0"), "not base64": "Basic !!!",
       "digest": 'Digest username="a"', "any:any": p.basic("any", "any"), "empty both": p.basic("", "")}
for name, value in bad.items():
    for url in ("https://echo.test/echo", "http://echo.test/echo"):
        reply = p.request(url, auth=value)
        assert reply.status == 407, (name, url, reply.head)
        assert (reply.get("Proxy-Authenticate") or "").startswith("Basic"), reply.head
        assert reply.code, reply.body
PY
assert_eq 10 "$(received 'len(r)')"
assert_absent "$UPSTREAM_LOG" av_sess_
