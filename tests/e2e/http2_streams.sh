#!/usr/bin/env bash
# Many streams on few connections: what one of them does is nobody else's business.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
start_node h1
start_node both
start_node h2 1 # takes one stream at a time
one=$(new_canary)
two=$(new_canary)
set_credential ONE "$one"
set_credential TWO "$two"
service_file <<'JSON'
{"services": [
  {"name": "one", "host": "both.echo.test", "auth": {"type": "bearer", "token": "ONE"}},
  {"name": "two", "host": "both.echo.test/length", "auth": {"type": "bearer", "token": "TWO"}},
  {"name": "narrow", "host": "h2.echo.test", "auth": {"type": "bearer", "token": "ONE"}},
  {"name": "old", "host": "h1.echo.test", "auth": {"type": "bearer", "token": "ONE"}}
]}
JSON

agent_node <<'JS'
const assert = require('assert');
const c = require('h2_client.js');
const log = (mode) => `${process.env.LOGS}/${mode}.jsonl`;
const done = (what, r) => assert(r.status === 200 && !r.error, `${what}: ${JSON.stringify({ ...r, body: '' })}`);
const bodyless = (r) => JSON.stringify({ ...r, body: '' });

const checks = {
  async 'a hundred at once, on one upstream connection'() {
    const session = await c.session('both.echo.test');
    const all = [...Array(100).keys()].map(() => c.ask2(session, '/hold?n=100'));
    const held = await Promise.all(all);
    held.forEach((r) => done('held', r));
    assert.strictEqual(new Set(held.map((r) => r.headers['x-conn'])).size, 1);
    // Another credential: another connection.
    const other = await c.ask2(session, '/length');
    done('other', other);
    assert.notStrictEqual(other.headers['x-conn'], held[0].headers['x-conn']);
    session.destroy();
  },
  async 'a server that takes one stream at a time'() {
    const session = await c.session('h2.echo.test');
    const all = [...Array(20).keys()].map((i) => c.ask2(session, `/length?n=${i}`));
    (await Promise.all(all)).forEach((r, i) => { done(`narrow ${i}`, r); assert.strictEqual(r.length, i); });
    session.destroy();
  },
  async 'the host is the tunnel\'s'() {
    const session = await c.session('both.echo.test');
    for (const headers of [{ ':authority': 'h1.echo.test' }, { ':authority': 'both.echo.test:444' },
      { ':scheme': 'http' }]) {
      const r = await c.ask2(session, '/echo', { headers });
      assert(r.status === 421 && r.headers['x-agent-vault-proxy-error'] === 'true', bodyless(r));
    }
    done('and goes on', await c.ask2(session, '/echo'));
    session.destroy();
  },
  async 'a slow reader holds its own stream'() {
    for (const host of ['both.echo.test', 'h1.echo.test']) {
      const session = await c.session(host);
      const size = 20 << 20;
      const slow = [];
      const results = [];
      for (let i = 0; i < 5; i += 1) {
        results.push(c.ask2(session, `/big?n=${size}&i=${i}`, { onRequest: (request) => { request.pause(); slow.push(request); } }));
      }
      await c.sleep(300);
      const quick = await c.within(4000, 'beside slow readers', Promise.all(
        [...Array(20).keys()].map(() => c.ask2(session, '/length?n=70000'))));
      quick.forEach((r) => { done('quick', r); assert.strictEqual(r.length, 70000); });
      // Another client, same credential.
      const another = await c.session(host);
      done('another client', await c.within(4000, 'another client', c.ask2(another, '/echo?another')));
      another.destroy();
      slow.forEach((request) => request.resume());
      for (const r of await Promise.all(results)) {
        done('slow', r);
        assert.strictEqual(r.sha, await c.sha(size));
      }
      session.destroy();
    }
  },
  async 'forty slow readers on one connection, all begun before any of them was slow'() {
    const size = 2 << 20;
    const wanted = await c.sha(size);
    const sessions = await Promise.all([...Array(5)].map(() => c.session('both.echo.test')));
    const slow = [];
    const results = [];
    for (let i = 0; i < 40; i += 1) {
      results.push(c.ask2(sessions[i % 4], `/hold?n=41&size=${size}&i=${i}`,
        { onRequest: (request) => { request.pause(); slow.push(request); } }));
    }
    const quick = await c.within(6000, 'beside forty slow readers', c.ask2(sessions[4], `/hold?n=41&size=${size}`));
    done('quick', quick);
    assert.strictEqual(quick.sha, wanted);
    slow.forEach((request) => request.resume());
    for (const r of await Promise.all(results)) {
      done('slow', r);
      assert.strictEqual(r.sha, wanted);
      assert.strictEqual(r.headers['x-conn'], quick.headers['x-conn'], 'they share a connection');
    }
    sessions.forEach((session) => session.destroy());
  },
  async 'uploads that the server does not read hold their own streams'() {
    const session = await c.session('both.echo.test');
    const stuck = [];
    for (let i = 0; i < 6; i += 1) {
      c.ask2(session, `/endless?${i}`, { body: c.pieces(8 << 20), onRequest: (request) => stuck.push(request) });
    }
    await c.sleep(300);
    const r = await c.within(4000, 'beside stuck uploads', c.ask2(session, '/echo', { body: Buffer.alloc(100000) }));
    done('upload', r);
    assert.strictEqual(JSON.parse(r.body).length, 100000);
    stuck.forEach((request) => request.close(8));
    session.destroy();
  },
  async 'bodies whose answer is late hold nobody up'() {
    const session = await c.session('both.echo.test');
    const late = [...Array(12).keys()].map((i) => c.ask2(session, `/silent?${i}`, { body: Buffer.alloc(200000) }));
    for (let i = 0; i < 12; i += 1) {
      assert(await c.logged(log('both'), (x) => x.event === 'request' && x.target === `/silent?${i}`), `silent ${i}`);
    }
    const r = await c.within(4000, 'beside late answers', c.ask2(session, '/echo', { body: Buffer.alloc(900000) }));
    done('upload', r);
    session.destroy();
    await Promise.all(late);
  },
  async 'long transfers'() {
    const size = 50 << 20;
    const wanted = await c.sha(size);
    for (const host of ['both.echo.test', 'h1.echo.test']) {
      const session = await c.session(host);
      const [up, down] = await Promise.all([
        c.ask2(session, '/echo?upload', { body: c.pieces(size) }), c.ask2(session, `/big?n=${size}`)]);
      done('upload', up);
      assert.strictEqual(JSON.parse(up.body).sha, wanted, 'upload');
      done('download', down);
      assert.strictEqual(down.sha, wanted, 'download');
      session.destroy();
    }
  },
  async 'events pass at once'() {
    for (const host of ['both.echo.test', 'h1.echo.test']) {
      const session = await c.session(host);
      const late = [];
      done('sse', await c.ask2(session, '/sse', { onData: (part) => {
        late.push(Number(process.hrtime.bigint() - BigInt(part.toString().split(' ')[1])) / 1e6);
      } }));
      assert(late.length === 8 && late.sort((a, b) => a - b)[4] < 30, late.join());
      session.destroy();
    }
  },
};
(async () => {
  for (const [name, check] of Object.entries(checks)) {
    const began = Date.now();
    await c.within(40000, name, check());
    console.log(`${name}: ${Date.now() - began} ms`);
  }
})();
JS
cat "$OUT/agent.out"
json "$OUT/both.jsonl" "{v: sorted({x['conn'] for x in d if x['event'] == 'request' for n, w in x['headers'] if n == 'authorization' and w == v}) for v in {w for x in d if x['event'] == 'request' for n, w in x['headers'] if n == 'authorization'}}" >"$OUT/conns"
assert_eq "$(printf '%s\n' "Bearer $one" "Bearer $two" | sort)" "$(json "$OUT/conns" "'\n'.join(sorted(d))")"
assert_eq 0 "$(json "$OUT/conns" "len(set(d['Bearer $one']) & set(d['Bearer $two']))")" 'connections of both credentials'
assert_eq 3 "$(audited "len([x for x in r if x.get('error') == 'misdirected_request' and x['decision'] == 'deny'])")"
canary_check "$OUT/agent.out" "$OUT/agent.err" "$OUT/audit.jsonl"
