#!/usr/bin/env bash
# HTTP/2 when something ends before its time: streams, connections, patience.
set -eu
. "$(dirname "$0")/common.inc"
start_node h1
start_node h2
start_node both
real=$(new_canary)
set_credential TOKEN "$real"
for mode in h1 h2 both; do
  av vault service add --name "over-$mode" --host "$mode.echo.test" --auth-type bearer --token-key TOKEN >/dev/null
done

agent_node <<'JS'
const assert = require('assert');
const c = require('h2_client.js');
const log = (mode) => `${process.env.LOGS}/${mode}.jsonl`;
const show = (r) => JSON.stringify(r);

const checks = {
  async 'a client takes its request back; the server hears of it at once'(host, mode, session) {
    const warm = await c.ask2(session, '/length');
    for (const path of ['/endless?reset', '/silent?reset']) {
      const reset = c.ask2(session, path, {
        onRequest: (request) => c.logged(log(mode), (x) => x.target === path).then(() => request.close(8)),
      });
      const began = Date.now();
      await reset;
      assert(await c.logged(log(mode), (x) => x.event === 'aborted' && x.target === path), `${path} was not aborted`);
      assert(Date.now() - began < 1500, `${path}: aborted after ${Date.now() - began} ms`);
    }
    // An upload that the server does not read, and a client that leaves it.
    const path = '/endless?stuck';
    const stuck = c.ask2(session, path, { body: c.pieces(40 << 20), onRequest: (request) => setTimeout(() => request.close(8), 400) });
    const began = Date.now();
    await stuck;
    assert(await c.logged(log(mode), (x) => x.event === 'aborted' && x.target === path), `${path} was not aborted`);
    assert(Date.now() - began < 2000, `${path}: ${Date.now() - began} ms`);
    const after = await c.ask2(session, '/length');
    assert(after.status === 200, show(after));
    if (mode !== 'h1') assert.strictEqual(after.headers['x-conn'], warm.headers['x-conn'], 'the connection was lost');
  },
  async 'a refused stream is tried again'(host, mode, session) {
    if (mode === 'h1') return;
    let r = await c.ask2(session, '/refused?times=2');
    assert(r.status === 200 && r.body === 'attempt 3', show(r));
    r = await c.ask2(session, '/refused?post', { body: Buffer.from('once') });
    assert(r.status === 200 && r.body === 'attempt 2', show(r));
    r = await c.ask2(session, '/refused?times=99');
    assert(r.status === 502 && JSON.parse(r.body).error === 'upstream_closed', show(r));
  },
  async 'a server that wants HTTP/1.1'(host, mode, session) {
    const r = await c.ask2(session, '/http1');
    if (mode === 'h2') assert(r.status === 502, show(r));
    else assert(r.status === 200 && r.body === 'over 1.1', show(r));
  },
  async 'GOAWAY: what the server has not looked at goes elsewhere'(host, mode, session) {
    if (mode === 'h1') return;
    const before = await c.ask2(session, '/length');
    const held = c.ask2(session, '/sse?n=4&ms=100');
    await c.logged(log(mode), (x) => x.target === '/sse?n=4&ms=100');
    const r = await c.ask2(session, '/goaway');
    assert(r.status === 200 && r.body === 'attempt 2', show(r));
    assert.notStrictEqual(r.headers['x-conn'], before.headers['x-conn']);
    const old = await held;
    assert(old.status === 200 && !old.error && old.headers['x-conn'] === before.headers['x-conn'], show(old));
  },
  async 'a server that has closed an idle connection'(host, mode, session) {
    for (let i = 0; i < 5; i += 1) {
      const r = await c.ask2(session, '/bye');
      assert(r.status === 200 && r.body === 'bye', `${i}: ${show(r)}`);
      await c.sleep(60);
    }
  },
  async 'a request that nobody may make is refused while it is still being sent'(host, mode, session) {
    const began = Date.now();
    const r = await c.ask2(session, '/echo', { headers: { ':authority': 'else.test' }, keepOpen: true, body: Buffer.alloc(10) });
    assert(r.status === 421 && Date.now() - began < 1000, show(r));
  },
};
(async () => {
  for (const mode of ['h1', 'h2', 'both']) {
    const session = await c.session(`${mode}.echo.test`);
    for (const [name, check] of Object.entries(checks)) {
      const began = Date.now();
      await c.within(12000, `${mode}: ${name}`, check(`${mode}.echo.test`, mode, session));
      console.log(`${mode}: ${name}: ${Date.now() - began} ms`);
    }
    session.destroy();
  }
})();
JS
cat "$OUT/agent.out"
canary_check "$OUT/agent.out" "$OUT/agent.err"
