#!/usr/bin/env bash
# What is injected never enters HPACK's table, where its bytes could be guessed by the size of what
# follows (RFC 7541 section 7.1): the authorization field, a field of another name, the query.
set -eu
. "$(dirname "$0")/common.inc"
need curl
curl -V | grep -q HTTP2 || skip 'this curl cannot speak HTTP/2'
"$SUPPORT/make_certs.sh" "$OUT/certs"
: >"$OUT/raw.jsonl"
"$AV_PYTHON" "$SUPPORT/h2_raw.py" "$OUT/certs" "$OUT/raw.jsonl" >"$OUT/raw.out" 2>"$OUT/raw.err" &
wait_for 30 test -s "$OUT/raw.out"
port=$(json "$OUT/raw.out" 'd["port"]')
RUN_OPTIONS+=(--upstream-ca "$OUT/certs/ca.pem" --resolve "a.echo.test:443:127.0.0.1:$port"
  --resolve "b.echo.test:443:127.0.0.1:$port" --resolve "c.echo.test:443:127.0.0.1:$port")
set_credential TOKEN "$(new_canary)"
service_file <<'JSON'
{"services": [
  {"name": "bearer", "host": "a.echo.test", "auth": {"type": "bearer", "token": "TOKEN"}},
  {"name": "header", "host": "b.echo.test", "auth": {"type": "api-key", "key": "TOKEN", "header": "X-Secret-Header"}},
  {"name": "query", "host": "c.echo.test", "auth": {"type": "api-key", "key": "TOKEN", "query": "key"}}
]}
JSON
for host in a b c; do
  agent -- curl -sS --http2 -A "an agent of $host" -o /dev/null -o /dev/null -o /dev/null \
    -w '%{http_code} %{http_version}\n' "https://$host.echo.test/x" "https://$host.echo.test/x" "https://$host.echo.test/x"
  assert_eq '200 2 200 2 200 2' "$(tr '\n' ' ' <"$OUT/agent.out" | sed 's/ $//')"
done
"$AV_PYTHON" - "$OUT/raw.jsonl" <<'PY'
import json, sys
blocks = [json.loads(line) for line in open(sys.argv[1])]
assert len(blocks) == 9, blocks
AUTHORIZATION, PATH = 23, 4  # RFC 7541 appendix A
for place, host in enumerate("abc"):
    own = blocks[3 * place:3 * place + 3]
    assert len({b["conn"] for b in own}) == 1, "one connection"
    # The peer does see the table in use: fields of the client's come by index from the second time on.
    assert any(kind == "indexed" and index > 61 for kind, index in own[1]["fields"]), own[1]
    for block in own:
        entries = [tuple(f) for f in block["fields"]]
        never = [f for f in entries if f[0] == "never"]
        assert ("never", PATH) in never, entries
        if host == "a":
            assert [f for f in entries if f[1] == AUTHORIZATION] == [("never", AUTHORIZATION)], entries
            assert len(never) == 2, entries
        elif host == "b":
            assert len(never) == 2 and [f for f in never if f[1] != PATH], entries
        else:
            assert len(never) == 1, entries
print("never indexed")
PY
canary_check "$OUT/agent.out" "$OUT/agent.err"
