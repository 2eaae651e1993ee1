// Node's own HTTP server as an upstream that writes down what it understood. Arguments: the log, the
// directory of the certificates. Prints {"https": port, "http": port}; the records are recorder.py's.
'use strict';
const fs = require('fs');
const http = require('http');
const https = require('https');

const [log, certs] = process.argv.slice(2);
const out = fs.openSync(log, 'a');

function handle(request, response) {
  const parts = [];
  const record = (complete) => fs.writeSync(out, JSON.stringify({
    via: 'node', conn: 0, method: request.method, target: request.url, fields: [],
    body: Buffer.concat(parts).toString('latin1'), complete, violations: [],
  }) + '\n');
  request.on('data', (part) => parts.push(part));
  request.on('error', () => {});
  request.on('close', () => { if (!request.complete) record(false); });
  request.on('end', () => {
    if (!request.complete) return;
    record(true);
    const body = `${request.method} ${request.url} ${Buffer.concat(parts).length}\n`;
    response.writeHead(200, {
      'X-Seen': `${request.method} ${request.url}`, 'Content-Length': Buffer.byteLength(body),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
}

const tls = { cert: fs.readFileSync(`${certs}/server.pem`), key: fs.readFileSync(`${certs}/server.key`) };
const limits = { maxHeaderSize: 1 << 18 };
const plain = http.createServer(limits, handle).listen(0, '127.0.0.1', () => {
  const secure = https.createServer({ ...limits, ...tls }, handle).listen(0, '127.0.0.1', () => {
    console.log(JSON.stringify({ https: secure.address().port, http: plain.address().port }));
  });
});
