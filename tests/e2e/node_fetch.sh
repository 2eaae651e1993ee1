#!/usr/bin/env bash
# Node's fetch. Node 22.21 and 24 read the proxy from the environment by themselves
# (NODE_USE_ENV_PROXY); before that, programs give undici its EnvHttpProxyAgent.
set -eu
. "$(dirname "$0")/common.inc"
need node
NPM_DIR=${AV_NPM_DIR:-$AV_ROOT/build/npm}
[ -d "$NPM_DIR/node_modules/undici" ] || skip "undici is not installed (scripts/install-deps --npm)"
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"

cat >f.js <<'JS'
const { fetch, setGlobalDispatcher, EnvHttpProxyAgent } = require(process.argv[2] + '/node_modules/undici');
setGlobalDispatcher(new EnvHttpProxyAgent());
(async () => {
  const reply = await fetch('https://echo.test/echo', { method: 'POST', body: 'ping' });
  const seen = await reply.json();
  if (seen.body !== 'ping') throw new Error(JSON.stringify(seen));
  const many = await Promise.all([...Array(20).keys()].map(
    async i => (await fetch('https://echo.test/download?bytes=' + i * 1000)).arrayBuffer()));
  many.forEach((body, i) => { if (body.byteLength !== i * 1000) throw new Error('body ' + i); });
  console.log('fine');
})();
JS
agent -- node f.js "$NPM_DIR"
assert_contains "$OUT/agent.out" fine
assert_eq true "$(received "all('Bearer $real' in dict((n.lower(), v) for n, v in x['headers'])['authorization'] for x in r)")"
canary_check "$AV_CASE/work" "$OUT/agent.out" "$OUT/agent.err"
