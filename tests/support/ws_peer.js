// node ws_peer.js server LOG CERTS: npm `ws` as an echoing upstream with permessage-deflate. Prints
// {"port": N}; every connection becomes a line of the log. "say-token" is answered with the Authorization
// field, /bad is accepted with a wrong Sec-WebSocket-Accept, /plain and
// /refuse are answered with 200 and 403.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const https = require('https');
const { WebSocketServer } = require('ws');

const [, log, certs] = process.argv.slice(2);
const out = fs.openSync(log, 'a');
const write = (record) => fs.writeSync(out, JSON.stringify(record) + '\n');
const server = https.createServer({
  cert: fs.readFileSync(`${certs}/server.pem`), key: fs.readFileSync(`${certs}/server.key`),
});
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: { threshold: 0 }, maxPayload: 64 << 20 });
server.on('upgrade', (request, socket, head) => {
  write({ event: 'upgrade', target: request.url, headers: request.headers });
  socket.on('error', () => {});
  if (request.url === '/bad') {
    const wrong = crypto.createHash('sha1').update('other').digest('base64');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${wrong}\r\n\r\n`);
    return;
  }
  if (request.url === '/plain') {
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno');
    return;
  }
  if (request.url === '/refuse') {
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
    return;
  }
  sockets.handleUpgrade(request, socket, head, (ws) => {
    ws.on('message', (data, binary) => {
      if (String(data.subarray(0, 20)) === 'say-token') ws.send(`token: ${request.headers.authorization}`);
      else if (String(data.subarray(0, 20)) === 'end 4001') ws.close(4001, 'as asked');
      else if (String(data.subarray(0, 20)) === 'ping me') ws.ping('are you there');
      else ws.send(data, { binary });
    });
    ws.on('pong', (data) => ws.send(`pong: ${data}`));
    ws.on('close', (code, reason) => write({ event: 'close', target: request.url, code, reason: String(reason), extensions: ws.extensions }));
    ws.on('error', () => {});
  });
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
