#!/usr/bin/env bash
# gRPC with grpc-js at both ends: all four kinds of call, statuses in trailers, cancellation, deadlines;
# over TLS, and in clear where the service says so.
set -eu
. "$(dirname "$0")/common.inc"
npm_package @grpc/grpc-js
"$SUPPORT/make_certs.sh" "$OUT/certs"
: >"$OUT/grpc.jsonl"
NODE_PATH=$NPM_DIR/node_modules node "$SUPPORT/grpc_server.js" "$OUT/grpc.jsonl" "$OUT/certs" >"$OUT/grpc.out" 2>"$OUT/grpc.err" &
wait_for 30 test -s "$OUT/grpc.out"
RUN_OPTIONS+=(--upstream-ca "$OUT/certs/ca.pem"
  --resolve "echo.test:443:127.0.0.1:$(json "$OUT/grpc.out" 'd["tls"]')"
  --resolve "clear.echo.test:80:127.0.0.1:$(json "$OUT/grpc.out" 'd["clear"]')"
  --resolve "no.echo.test:80:127.0.0.1:$(json "$OUT/grpc.out" 'd["clear"]')")
secure=$(new_canary)
clear=$(new_canary)
set_credential SECURE "$secure"
set_credential CLEAR "$clear"
service_file <<'JSON'
{"services": [
  {"name": "secure", "host": "echo.test", "auth": {"type": "bearer", "token": "SECURE"}},
  {"name": "clear", "host": "clear.echo.test:80", "allow_http": true, "auth": {"type": "bearer", "token": "CLEAR"}},
  {"name": "not-in-clear", "host": "no.echo.test", "auth": {"type": "bearer", "token": "SECURE"}}
]}
JSON

agent_node --unmatched deny <<'JS'
const assert = require('assert');
const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const { logged, within } = require('h2_client.js');
const service = require('grpc_service.js');
const log = `${process.env.LOGS}/grpc.jsonl`;
const Client = grpc.makeGenericClientConstructor(service, 'Echo');
const options = { 'grpc.max_receive_message_length': 8 << 20 };

const call = (client, name, request, o = {}) => new Promise((resolve) => {
  const result = {};
  const under = client[name](request, o.metadata || new grpc.Metadata(), o, (error, response) => {
    Object.assign(result, { error, response });
  });
  under.on('metadata', (metadata) => { result.initial = metadata.getMap(); });
  under.on('status', (status) => { result.status = status; setImmediate(resolve, result); });
});
const collect = (under) => new Promise((resolve) => {
  const got = [];
  under.on('data', (part) => got.push(part.toString()));
  under.on('error', () => {});
  under.on('status', (status) => resolve({ got, status }));
});

async function everything(client, where) {
  const mine = new grpc.Metadata();
  mine.set('authorization', 'Bearer mine');
  mine.set('x-key-bin', Buffer.from([1, 2, 254]));
  let r = await call(client, 'Unary', Buffer.from('hello'), { metadata: mine });
  assert.strictEqual(String(r.response), 'hello', JSON.stringify(r.error));
  assert.strictEqual(r.initial['x-initial'], 'first');
  assert.strictEqual(r.status.metadata.get('x-last')[0], 'trailer');
  assert(r.status.metadata.get('x-data-bin')[0].equals(Buffer.from([0, 255, 10])));
  const big = Buffer.alloc(1 << 20, 'x');
  r = await call(client, 'Unary', big);
  assert(r.response && r.response.equals(big), JSON.stringify(r.error));

  r = await collect(client.Down(Buffer.from('500')));
  assert(r.status.code === 0 && r.got.length === 500 && r.got[499] === 'message 499', JSON.stringify(r.status));

  r = await new Promise((resolve) => {
    const up = client.Up((error, response) => resolve({ error, response }));
    for (let i = 0; i < 64; i += 1) up.write(Buffer.alloc(65536));
    up.end();
  });
  assert.strictEqual(String(r.response), `64 ${64 * 65536}`, String(r.error));

  // Ping-pong: nothing more is said before the answer is here.
  const both = client.Both();
  for (let i = 0; i < 100; i += 1) {
    const answer = new Promise((resolve) => both.once('data', resolve));
    both.write(Buffer.from(`round ${i}`));
    assert.strictEqual(String(await within(2000, `${where} round ${i}`, answer)), `re: round ${i}`);
  }
  const over = new Promise((resolve) => both.once('status', resolve));
  both.resume();
  both.end();
  assert.strictEqual((await over).code, 0);

  r = await call(client, 'Fail', Buffer.from('x'));
  assert(r.status.code === grpc.status.NOT_FOUND && r.status.details === 'no such thing: 100 %', JSON.stringify(r.status));

  // The client gives up, of its own will and because of a deadline.
  const hang = client.Hang(Buffer.from(`will ${where}`));
  const ended = collect(hang);
  await new Promise((resolve) => hang.once('data', resolve));
  let began = Date.now();
  hang.cancel();
  assert.strictEqual((await ended).status.code, grpc.status.CANCELLED);
  assert(await logged(log, (x) => x.event === 'cancelled' && x.name === `will ${where}`), 'cancel');
  assert(Date.now() - began < 1000, `cancelled after ${Date.now() - began} ms`);
  began = Date.now();
  r = await collect(client.Hang(Buffer.from(`late ${where}`), new grpc.Metadata(), { deadline: Date.now() + 300 }));
  assert.strictEqual(r.status.code, grpc.status.DEADLINE_EXCEEDED);
  assert(await logged(log, (x) => x.event === 'cancelled' && x.name === `late ${where}`), 'deadline');
  assert(Date.now() - began < 1500, `given up after ${Date.now() - began} ms`);

  const many = await Promise.all([...Array(100).keys()].map((i) => call(client, 'Unary', Buffer.from(`call ${i}`))));
  many.forEach((x, i) => assert.strictEqual(String(x.response), `call ${i}`, String(x.error)));
}

(async () => {
  const roots = grpc.credentials.createSsl(fs.readFileSync(process.env.GRPC_DEFAULT_SSL_ROOTS_FILE_PATH));
  const secure = new Client('echo.test:443', roots, options);
  await everything(secure, 'tls');
  const clear = new Client('clear.echo.test:80', grpc.credentials.createInsecure(), options);
  await everything(clear, 'clear');
  // The broker's own refusals are statuses that gRPC knows, at once even in a call that goes on.
  for (const [target, credentials] of [['no.echo.test:80', grpc.credentials.createInsecure()],
    ['second.test:443', roots]]) {
    const other = new Client(target, credentials, options);
    const began = Date.now();
    const both = other.Both();
    const ended = collect(both);
    both.write(Buffer.from('x'));
    const { status } = await within(3000, target, ended);
    assert(status.code !== 0 && Date.now() - began < 1500, `${JSON.stringify(status)} after ${Date.now() - began} ms`);
    console.log(`${target}: ${status.code} ${status.details}`);
    other.close();
  }
  secure.close();
  clear.close();
  console.log('all kinds of call');
})();
JS
cat "$OUT/agent.out"
assert_contains "$OUT/agent.out" 'all kinds of call'
assert_eq "Bearer $clear|Bearer $secure" \
  "$(json "$OUT/grpc.jsonl" "'|'.join(sorted({x['metadata']['authorization'] for x in d if x['event'] == 'call'}, key=lambda v: v != 'Bearer $clear'))")"
assert_eq true "$(json "$OUT/grpc.jsonl" "all('authorization' in x['metadata'] for x in d)")"
# One connection for each credential, however many calls.
assert_eq 2 "$(json "$OUT/grpc.jsonl" "len({x['peer'] for x in d if x['event'] == 'call'})")"
assert_eq true "$(json "$OUT/grpc.jsonl" "any(x['name'] == 'Hang' and x['deadline'] != 'Infinity' for x in d)")"
canary_check "$OUT/agent.out" "$OUT/agent.err"
