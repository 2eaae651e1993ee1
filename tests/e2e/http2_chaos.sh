#!/usr/bin/env bash
# Clients that do everything at once and leave when they like, against servers of each kind: afterwards
# everything still works, no stream is left at a server, and the broker ends as fast as ever.
set -eu
. "$(dirname "$0")/common.inc"
start_node h1
start_node h2
start_node both 20
real=$(new_canary)
set_credential TOKEN "$real"
for mode in h1 h2 both; do
  av vault service add --name "over-$mode" --host "$mode.echo.test" --auth-type bearer --token-key TOKEN >/dev/null 2>&1
done

SEED=${SOAK_SEED:-$RANDOM} agent_node <<'JS'
const assert = require('assert');
const c = require('h2_client.js');
let state = Number(process.env.SEED) || 1;
console.log(`seed ${state}`);
const random = (n) => { // xorshift: the same for the same seed, apart from timing
  state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
  return (state >>> 0) % n;
};
const modes = ['h1', 'h2', 'both'];
const paths = () => ['/echo', `/big?n=${random(3000000)}`, '/endless', '/silent', '/early', '/cut', '/cut?n=5000',
  '/sse?n=3&ms=30', '/trailers', '/refused?times=1', '/http1', '/hints', '/bye', '/status?code=204'][random(14)];

async function one(session, mode) {
  const path = paths();
  const endless = /endless|silent/.test(path);
  const options = {};
  if (random(2)) {
    options.body = random(2) ? Buffer.alloc(random(100000)) : c.pieces(random(2000000));
    if (random(5) === 0) options.trailers = { 'x-sum': '1' };
    if (random(8) === 0) options.keepOpen = true;
  }
  let what = `${mode} ${path} body ${options.body && (options.body.length || 'streamed')} ${options.keepOpen ? 'kept open' : ''} ${options.trailers ? 'trailers' : ''}`;
  options.onRequest = (request) => {
    if (random(4) === 0) {
      what += ' paused'; request.pause(); setTimeout(() => request.resume(), random(300)); }
    if (endless || options.keepOpen || random(5) === 0) {
      what += ' closed';
      setTimeout(() => request.close([2, 8][random(2)]), random(200));
    }
  };
  await c.within(9000, () => `stuck: ${what}`, c.ask2(session, path, options));
}
async function lane(mode, until) {
  while (Date.now() < until) {
    const session = await c.session(`${mode}.echo.test`);
    const few = [...Array(1 + random(12))].map(() => one(session, mode));
    if (random(4) === 0) await c.sleep(random(150));
    else await Promise.all(few);
    session.destroy();
  }
}
(async () => {
  const until = Date.now() + 5000;
  await Promise.all([...Array(6).keys()].map((i) => lane(modes[i % 3], until)));
  for (const mode of modes) {
    const session = await c.session(`${mode}.echo.test`);
    for (let i = 0; i < 30; i += 1) {
      const r = await c.within(3000, `${mode}: after all`, c.ask2(session, '/echo', { body: Buffer.alloc(50000) }));
      assert(r.status === 200 && JSON.parse(r.body).length === 50000, JSON.stringify(r));
    }
    session.destroy();
  }
  // What the servers were asked has come to an end there, one way or the other.
  const fs = require('fs');
  for (const mode of modes) {
    const open = () => {
      const left = new Map();
      for (const line of fs.readFileSync(`${process.env.LOGS}/${mode}.jsonl`, 'utf8').split('\n').filter(Boolean)) {
        const record = JSON.parse(line);
        if (/endless|silent/.test(record.target)) {
          left.set(record.target, (left.get(record.target) || 0) + (record.event === 'request' ? 1 : record.event === 'aborted' ? -1 : 0));
        }
      }
      return [...left].filter(([, n]) => n > 0);
    };
    for (const end = Date.now() + 4000; open().length !== 0; await c.sleep(50)) {
      assert(Date.now() < end, `${mode}: left at the server: ${JSON.stringify(open())}`);
    }
  }
  console.log('quiet');
})();
JS
cat "$OUT/agent.out"
assert_contains "$OUT/agent.out" quiet
canary_check "$OUT/agent.out" "$OUT/agent.err"
