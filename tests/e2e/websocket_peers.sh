#!/usr/bin/env bash
# WebSockets of other people's making at both ends: npm `ws` and Python's `websockets`, with
# permessage-deflate, over HTTP/1.1 and (RFC 8441) from a client of HTTP/2.
set -eu
. "$(dirname "$0")/common.inc"
npm_package ws
"$AV_PYTHON" -c 'import websockets' 2>/dev/null || skip 'python3-websockets is not installed'
"$SUPPORT/make_certs.sh" "$OUT/certs"
: >"$OUT/ws.jsonl"
NODE_PATH=$NPM_DIR/node_modules node "$SUPPORT/ws_peer.js" server "$OUT/ws.jsonl" "$OUT/certs" >"$OUT/ws.out" 2>"$OUT/ws.err" &
"$AV_PYTHON" "$SUPPORT/ws_peer.py" server "$OUT/certs" >"$OUT/py.out" 2>"$OUT/py.err" &
wait_for 30 test -s "$OUT/ws.out"
wait_for 30 test -s "$OUT/py.out"
js=$(json "$OUT/ws.out" 'd["port"]')
py=$(json "$OUT/py.out" 'd["port"]')
RUN_OPTIONS+=(--upstream-ca "$OUT/certs/ca.pem"
  --resolve "js.echo.test:443:127.0.0.1:$js" --resolve "js-free.echo.test:443:127.0.0.1:$js"
  --resolve "py.echo.test:443:127.0.0.1:$py" --resolve "py-free.echo.test:443:127.0.0.1:$py")
real=$(new_canary)
bearer_service js.echo.test TOKEN "$real"
bearer_service py.echo.test TOKEN "$real"
service_file <<'JSON'
{"services": [
  {"name": "js-free", "host": "js-free.echo.test", "auth": {"type": "passthrough"}, "allow_uninspected": true},
  {"name": "py-free", "host": "py-free.echo.test", "auth": {"type": "passthrough"}, "allow_uninspected": true}
]}
JSON

# Python's client: with a credential nothing is compressed and the token is masked; where the owner
# allows it, the extension is the two ends' own business.
for peer in js py; do
  for kind in '' -free; do
    PYTHONPATH=$SUPPORT agent -- "$AV_PYTHON" "$SUPPORT/ws_peer.py" client "wss://$peer$kind.echo.test/python"
    assert_eq 'as asked 4001' "$(json "$OUT/agent.out" 'd["reason"] + " " + str(d["code"])')"
    if [ "$kind" = '' ]; then
      assert_eq '' "$(json "$OUT/agent.out" 'd["extensions"]')"
      assert_matches "$OUT/agent.out" 'token: Bearer .redacted'
    else
      assert_eq permessage-deflate "$(json "$OUT/agent.out" 'd["extensions"]')"
    fi
    canary_check "$OUT/agent.out" "$OUT/agent.err"
  done
done

agent_node <<'JS'
const assert = require('assert');
const crypto = require('crypto');
const WebSocket = require('ws');
const c = require('h2_client.js');

// Over HTTP/1.1, with ws.
async function converse(host, compressed) {
  const ws = new WebSocket(`wss://${host}/javascript`, {
    createConnection: () => sockets.pop(), perMessageDeflate: { threshold: 0 }, maxPayload: 64 << 20,
  });
  const next = () => new Promise((resolve, reject) => { ws.once('message', resolve); ws.once('error', reject); });
  await new Promise((resolve, reject) => { ws.on('open', resolve); ws.on('error', reject); });
  assert.strictEqual(ws.extensions, compressed ? 'permessage-deflate' : '', host);
  for (const data of [Buffer.from('short'), Buffer.alloc(0), crypto.randomBytes(10 << 20)]) {
    const answer = next();
    ws.send(data);
    assert((await answer).equals(data), `${host}: ${data.length}`);
  }
  let answer = next();
  for (let i = 0; i < 10; i += 1) ws.send('f'.repeat(i * 5000), { fin: i === 9, binary: false });
  assert.strictEqual((await answer).length, 225000, host);
  const pong = new Promise((resolve) => ws.once('pong', resolve));
  ws.ping('of mine');
  assert.strictEqual(String(await c.within(3000, 'pong', pong)), 'of mine');
  if (host.startsWith('js')) {
    answer = next();
    ws.send('ping me');
    assert.strictEqual(String(await c.within(3000, 'ping', answer)), 'pong: are you there');
  }
  answer = next();
  ws.send('say-token');
  const token = String(await answer);
  assert(compressed ? !token.includes('redacted') : /redacted/.test(token), token);
  const closed = new Promise((resolve) => ws.on('close', (code, reason) => resolve(`${code} ${reason}`)));
  ws.close(4000, 'mine');
  assert.strictEqual(await c.within(3000, 'close', closed), '4000 mine');
}
const sockets = [];

// Over HTTP/2: frames by hand.
const frame = (opcode, payload) => {
  const data = Buffer.from(payload);
  const key = crypto.randomBytes(4);
  const head = data.length < 126 ? Buffer.from([0x80 | opcode, 0x80 | data.length])
    : Buffer.from([0x80 | opcode, 0xfe, data.length >> 8, data.length & 255]);
  return Buffer.concat([head, key, data.map((b, i) => b ^ key[i & 3])]);
};
async function extended(session, path, headers = {}) {
  const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': path,
    'sec-websocket-version': '13', ...headers });
  const result = { stream, got: Buffer.alloc(0) };
  stream.on('data', (part) => { result.got = Buffer.concat([result.got, part]); });
  stream.on('error', () => {});
  result.closed = new Promise((resolve) => stream.on('close', resolve));
  result.headers = await c.within(3000, path, new Promise((resolve, reject) => {
    stream.on('response', resolve);
    stream.on('close', () => reject(new Error(`${path}: closed by ${stream.rstCode}`)));
  }));
  return result;
}
const until = async (test, what) => {
  for (const end = Date.now() + 3000; !test(); await c.sleep(5)) assert(Date.now() < end, what);
};

(async () => {
  for (const [host, compressed] of [['js.echo.test', false], ['js-free.echo.test', true],
    ['py.echo.test', false], ['py-free.echo.test', true]]) {
    sockets.push(await c.secure(host, ['http/1.1']));
    await converse(host, compressed);
  }
  for (const host of ['js.echo.test', 'py.echo.test', 'js-free.echo.test']) {
    const session = await c.session(host);
    await new Promise((resolve) => (session.remoteSettings.enableConnectProtocol ? resolve() : session.once('remoteSettings', resolve)));
    assert.strictEqual(session.remoteSettings.enableConnectProtocol, true);
    const chosen = Buffer.alloc(16, 7).toString('base64');
    const ws = await extended(session, '/extended', { 'sec-websocket-key': chosen });
    assert.strictEqual(ws.headers[':status'], 200);
    assert.strictEqual(ws.headers['sec-websocket-accept'], undefined);
    ws.stream.write(frame(2, 'over HTTP/2'));
    await until(() => ws.got.includes('over HTTP/2'), 'echo');
    if (host !== 'js-free.echo.test') {
      ws.stream.write(frame(1, 'say-token'));
      await until(() => ws.got.includes('token: Bearer [redacted'), `token: ${ws.got}`);
    }
    // Two at once on the session, beside an ordinary request.
    const second = await extended(session, '/second');
    second.stream.write(frame(2, 'y'.repeat(60000)));
    await until(() => second.got.length >= 60000, 'the second');
    ws.stream.write(frame(8, Buffer.from([0x0f, 0xa0])));
    await until(() => ws.got.includes(Buffer.from([0x88, 2, 0x0f, 0xa0])), 'close frame');
    await c.within(3000, 'end', ws.closed);
    second.stream.close(8);
    if (host === 'js.echo.test') {
      const bad = await extended(session, '/bad');
      assert.strictEqual(bad.headers[':status'], 502);
      await until(() => bad.got.includes('upstream_protocol'), String(bad.got));
      const plain = await extended(session, '/plain');
      assert.strictEqual(plain.headers[':status'], 502);
      const refused = await extended(session, '/refuse');
      assert.strictEqual(refused.headers[':status'], 403);
      const body = session.request({ ':method': 'CONNECT', ':protocol': 'connect-udp', ':path': '/' });
      body.on('error', () => {});
      const status = await new Promise((resolve) => { body.on('response', (h) => resolve(h[':status'])); body.on('close', () => resolve(0)); });
      assert(status === 400 || status === 0, String(status));
    }
    session.destroy();
  }
  console.log('every kind of WebSocket');
})();
JS
assert_contains "$OUT/agent.out" 'every kind of WebSocket'
# A key of the proxy's own for every opening over HTTP/2, whatever the client said; version 13.
keys=$(json "$OUT/ws.jsonl" "[x['headers'] for x in d if x['event'] == 'upgrade' and x['target'] in ('/extended', '/second')]")
printf '%s' "$keys" >"$OUT/keys"
assert_eq true "$(json "$OUT/keys" "len(d) == 4 and len({h['sec-websocket-key'] for h in d}) == 4 and all(len(__import__('base64').b64decode(h['sec-websocket-key'])) == 16 and h['sec-websocket-version'] == '13' and h['sec-websocket-key'] != __import__('base64').b64encode(bytes([7] * 16)).decode() for h in d)")"
assert_eq true "$(json "$OUT/ws.jsonl" "all(x['extensions'] == '' for x in d if x['event'] == 'close' and x['target'] == '/extended')")"
assert_eq 1 "$(audited "len([x for x in r if x.get('error') == 'upstream_protocol' and x['path'] == '/bad'])")"
canary_check "$OUT/agent.out" "$OUT/agent.err" "$OUT/audit.jsonl"
