#!/usr/bin/env bash
# Node's https module: CONNECT by http.request, TLS with the roots that the environment names.
set -eu
. "$(dirname "$0")/common.inc"
need node
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"

cat >h.js <<'JS'
const http = require('http'), https = require('https'), tls = require('tls');
const proxy = new URL(process.env.HTTPS_PROXY);
const user = decodeURIComponent(proxy.username) + ':' + decodeURIComponent(proxy.password);
http.request({
  host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: 'echo.test:443',
  headers: { 'Proxy-Authorization': 'Basic ' + Buffer.from(user).toString('base64') },
}).on('connect', (reply, socket) => {
  if (reply.statusCode !== 200) throw new Error('CONNECT ' + reply.statusCode);
  const secure = tls.connect({ socket, servername: 'echo.test' });
  const agent = new https.Agent({ keepAlive: true });
  agent.createConnection = () => secure;
  https.request({ host: 'echo.test', path: '/echo', method: 'POST', agent }, answer => {
    let text = '';
    answer.on('data', part => text += part).on('end', () => {
      if (JSON.parse(text).body !== 'ping') throw new Error(text);
      console.log('fine');
      process.exit(0);
    });
  }).end('ping');
}).end();
JS
agent -- node h.js
assert_contains "$OUT/agent.out" fine
assert_eq "Bearer $real" "$(received_header authorization)"
canary_check "$AV_CASE/work" "$OUT/agent.out" "$OUT/agent.err"
