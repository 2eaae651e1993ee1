#!/usr/bin/env bash
# The npm package @onecli-sh/sdk, unchanged, against serve: a container's arguments as NanoClaw makes
# them (environment, authority), with which a request gets its credential; agents; the skill; and
# requests that a callback allows and denies.
# timeout: 170
set -eu
. "$(dirname "$0")/common.inc"
npm_package @onecli-sh/sdk
start_upstream
play echo.test
value=$(new_canary)
password="correct horse $(random_value)"
bearer_service echo.test TOKEN "$value"
av rule add approve 'echo.test/v1/payments/*' >/dev/null 2>&1
printf '%s' "$password" | av user add ann@example.com --owner --password-stdin >/dev/null 2>&1
"$AV_BINARY" serve --json --any-port "${RUN_OPTIONS[@]}" >"$OUT/serve.out" 2>"$OUT/serve.err" &
SERVE=$!
wait_for 30 test -s "$OUT/serve.out"
API=$(json "$OUT/serve.out" 'd["api"]')
printf '{"email":"ann@example.com","password":"%s"}' "$password" >"$OUT/login.json"
curl -sS -m 20 -H 'Content-Type: application/json' --data @"$OUT/login.json" "$API/v1/auth/login" >"$OUT/login"

cat >"$OUT/sdk.cjs" <<'JS'
const { OneCLI } = require('@onecli-sh/sdk');
const { execFile } = require('child_process');
const fs = require('fs');
const assert = require('assert');
const curl = (env, ...args) => new Promise((done) => execFile('curl', ['-sS', '-m', '60', ...args],
  { env: { PATH: process.env.PATH, ...env } }, (error, out, err) => done(error ? `error ${err}` : out)));
(async () => {
  const one = new OneCLI({ apiKey: process.env.USER_TOKEN, url: process.env.API });
  const made = await one.createAgent({ name: 'Nano Claw', identifier: 'nano-claw' });
  assert.equal(made.identifier, 'nano-claw');
  assert.equal((await one.ensureAgent({ name: 'Nano Claw', identifier: 'nano-claw' })).created, false);
  assert.match(await one.getGatewaySkill(), /proxy|vault/i);
  const args = ['run'];
  assert.equal(await one.applyContainerConfig(args, { agent: 'nano-claw', addHostMapping: false }), true);
  // What a container would be started with: -e NAME=VALUE, -v FROM:TO:ro.
  const env = {}, files = {};
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '-e') { const [n, ...v] = args[i + 1].split('='); env[n] = v.join('='); }
    if (args[i] === '-v') { const [from, to] = args[i + 1].split(':'); files[to] = from; }
  }
  for (const n of Object.keys(env)) { if (files[env[n]]) env[n] = files[env[n]]; }
  assert.ok(env.HTTPS_PROXY, JSON.stringify(env));
  env.HTTPS_PROXY = env.HTTPS_PROXY.replace('host.docker.internal', '127.0.0.1');
  env.https_proxy = env.HTTPS_PROXY;
  const answer = await curl(env, 'https://echo.test/headers');
  assert.ok(answer.includes('/headers'), answer);
  const seen = [];
  const stop = one.configureManualApproval(async (request) => {
    seen.push(request);
    return request.url.includes('/yes') ? 'approve' : 'deny';
  });
  const yes = await curl(env, '-X', 'POST', '-d', '{"amount":3}', 'https://echo.test/v1/payments/yes');
  const no = await curl(env, '-X', 'POST', '-d', '{"amount":9}', 'https://echo.test/v1/payments/no');
  if (typeof stop === 'function') stop(); else if (stop && stop.stop) stop.stop();
  assert.ok(yes.includes('/v1/payments/yes') && !yes.includes('approval_denied'), yes);
  assert.ok(no.includes('approval_denied'), no);
  assert.equal(seen.length, 2);
  assert.equal(seen[0].method, 'POST');
  assert.ok(seen[0].bodyPreview.includes('amount'), JSON.stringify(seen[0]));
  fs.writeFileSync(process.env.OUT + '/container', JSON.stringify({ args, env, answer, yes, no, seen }));
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
JS
USER_TOKEN=$(json "$OUT/login" 'd["token"]') API=$API OUT=$OUT NODE_PATH=$NPM_DIR/node_modules \
  node "$OUT/sdk.cjs" >"$OUT/node" 2>&1 || fail "the SDK: $(head -c 2500 "$OUT/node"); $(tail -c 300 "$OUT/serve.err")"
assert_eq "Bearer $value" "$(received_header authorization)" "what the upstream saw of the container"
assert_eq 0 "$(received "sum(x['target'].endswith('/no') for x in r)")" "denied requests that got through"
canary_check "$OUT/container" "$OUT/node" "$OUT/serve.err" "$AGENT_VAULT_HOME/audit"
kill -TERM "$SERVE"
wait "$SERVE"
