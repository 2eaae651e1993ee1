#!/usr/bin/env bash
# Messages of every kind, whichever version of HTTP the client and the server speak.
set -eu
. "$(dirname "$0")/common.inc"
start_node h1
start_node h2
start_node both
for mode in h1 h2 both; do
  value=$(new_canary)
  bearer_service "$mode.echo.test" "TOKEN_${mode^^}" "$value"
  printf '%s' "$value" >"$OUT/$mode.value"
done

agent_node <<'JS'
const assert = require('assert');
const c = require('h2_client.js');

async function messages(name, host, ask) {
  const check = (what, ok, r) => assert(ok, `${name}: ${what}: ${JSON.stringify(r)}`);
  const field = (r, wanted) => JSON.parse(r.body).headers.filter(([n]) => n.toLowerCase() === wanted).map(([, v]) => v);
  let r = await ask('/echo?get', { headers: { authorization: 'Bearer mine', 'x-a': '1', 'accept-encoding': 'br, gzip' } });
  check('GET', r.status === 200 && !r.error, r);
  assert.deepStrictEqual(field(r, 'x-a'), ['1'], name);
  assert.strictEqual(field(r, 'authorization').length, 1, name);
  assert(!r.body.includes('Bearer mine'), name);
  r = await ask('/length?n=7', { method: 'HEAD' });
  check('HEAD', r.status === 200 && !r.error && r.headers['content-length'] === '7' && r.length === 0, r);
  for (const [what, headers] of [['with', { 'content-length': '11' }], ['without', {}]]) {
    r = await ask('/echo', { method: 'POST', body: Buffer.from('hello world'), headers });
    check(`POST ${what} length`, r.status === 200 && !r.error && JSON.parse(r.body).length === 11, r);
    assert.deepStrictEqual(field(r, 'content-length'), what === 'with' ? ['11'] : [], name);
  }
  r = await ask('/echo', { method: 'POST' });
  check('POST of nothing', r.status === 200 && JSON.parse(r.body).length === 0, r);
  for (const code of [204, 304]) {
    r = await ask(`/status?code=${code}`);
    check(`${code}`, r.status === code && !r.error && r.length === 0, r);
  }
  r = await ask('/redirect');
  check('redirect', r.status === 302 && r.headers.location === '/echo?redirected', r);
  r = await ask('/hints');
  check('early hints', r.status === 200 && r.body === 'hinted' && r.interim.length === 1
    && r.interim[0][':status'] === 103 && /style/.test(r.interim[0].link), r);
  r = await ask('/echo?continue', { method: 'POST', headers: { expect: '100-continue' }, body: Buffer.from('expected') });
  check('100-continue', r.status === 200 && JSON.parse(r.body).length === 8 && !r.error, r);
  r = await ask('/trailers');
  check('response trailers', r.body === 'with trailers' && r.trailers['x-check'] === 'sum' && !r.error, r);
  assert.strictEqual(r.trailers.authorization, undefined, name);
  r = await ask('/echo?trailers', { body: Buffer.from('abc'), trailers: { 'x-sum': 'of it' } });
  check('request trailers', r.status === 200 && JSON.parse(r.body).trailers['x-sum'] === 'of it', r);
  r = await ask('/echo?cookies', { headers: { cookie: ['a=1', 'b=2', 'c=3'] } });
  check('cookie crumbs', field(r, 'cookie').join() === 'a=1; b=2; c=3', r);
  r = await ask('/reflect');
  check('reflection', r.status === 200 && /^you sent Bearer \[redacted/.test(r.body), r);
  const filler = {};
  for (let i = 0; i < 10; i += 1) filler[`x-filler-${i}`] = 'f'.repeat(5900);
  r = await ask('/length?big-head', { headers: filler });
  check('a head of 60 KiB', r.status === 200 && r.body === 'xxxxx', r);
  for (let i = 10; i < 12; i += 1) filler[`x-filler-${i}`] = 'f'.repeat(5900);
  r = await ask('/length?too-big-head', { headers: filler });
  check('a head of 70 KiB', r.status === 431, r);
  r = await ask('/early', { keepOpen: true, body: Buffer.alloc(1000) });
  check('an answer before the body', r.status === 413 && r.body === 'too large', r);
  r = await ask('/early?empty=1', { keepOpen: true, body: Buffer.alloc(1000) });
  check('an empty answer before the body', r.status === 413 && r.length === 0, r);
  for (const query of ['', '?n=5000']) {
    r = await ask(`/cut${query}`);
    check(`a cut body ${query}`, r.status === 200 && r.error && r.length <= 1000, r);
  }
}

(async () => {
  for (const host of ['h1.echo.test', 'h2.echo.test', 'both.echo.test']) {
    const session = await c.session(host);
    await c.within(12000, `h2 ${host}`, messages(`h2 ${host}`, host, (path, o) => c.ask2(session, path, o)));
    session.destroy();
  }
  for (const host of ['h1.echo.test', 'h2.echo.test', 'both.echo.test']) {
    await c.within(12000, `h1 ${host}`, messages(`h1 ${host}`, host, (path, o) => c.ask1(host, path, o)));
  }
  console.log('all answered');
})();
JS
assert_contains "$OUT/agent.out" 'all answered'
for mode in h1 h2 both; do
  # What reached the server: always the credential, and the protocol that the client had if possible.
  json "$OUT/$mode.jsonl" "[x for x in d if x['event'] == 'request']" >"$OUT/requests"
  assert_eq "Bearer $(cat "$OUT/$mode.value")" \
    "$(json "$OUT/requests" "','.join(sorted({v for x in d for n, v in x['headers'] if n.lower() == 'authorization'}))")" "$mode"
  assert_eq true "$(json "$OUT/requests" "all(any(n.lower() == 'authorization' for n, v in x['headers']) for x in d)")"
  assert_contains "$OUT/$mode.jsonl" '"event":"continue"'
done
assert_eq '1.1' "$(json "$OUT/h1.jsonl" "','.join(sorted({x['protocol'] for x in d if 'protocol' in x}))")"
assert_eq '2.0' "$(json "$OUT/h2.jsonl" "','.join(sorted({x['protocol'] for x in d if 'protocol' in x}))")"
assert_eq '1.1,2.0' "$(json "$OUT/both.jsonl" "','.join(sorted({x['protocol'] for x in d if 'protocol' in x}))")"
# On record: who, where, with what, and what came of it.
assert_eq true "$(audited "all(x['credentials'] == ['TOKEN_' + x['host'].split('.')[0].upper()] for x in r if x['event'] == 'request' and x['status'] == 200)")"
assert_eq 12 "$(audited "len([x for x in r if x.get('error') == 'upstream_truncated' and x['path'] == '/cut'])")"
assert_eq 6 "$(audited "len([x for x in r if x.get('error') == 'head_too_large'])")"
canary_check "$OUT/agent.out" "$OUT/agent.err" "$OUT/audit.jsonl"
