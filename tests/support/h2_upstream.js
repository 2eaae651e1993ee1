// An upstream that speaks HTTP/2, HTTP/1.1 or both, with Node's own implementation.
//
//     node h2_upstream.js LOG CERTS h1|h2|both|h2c [MAX_CONCURRENT_STREAMS]
//
// Prints {"port": N}. Every request becomes one line of the log as it begins ("request"), and another
// when it is over ("end", with what came of its body, or "aborted").
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const https = require('https');

const [log, certs, mode, maxStreams] = process.argv.slice(2);
const out = fs.openSync(log, 'a');
const write = (record) => fs.writeSync(out, JSON.stringify(record) + '\n');
const tls = mode === 'h2c' ? {} : {
  cert: fs.readFileSync(`${certs}/server.pem`), key: fs.readFileSync(`${certs}/server.key`),
};
const limits = { maxHeaderSize: 1 << 18, maxSendHeaderBlockLength: 1 << 20, maxSessionMemory: 1024 };
const settings = { maxHeaderListSize: 1 << 20, initialWindowSize: 1 << 20 };
if (maxStreams) settings.maxConcurrentStreams = Number(maxStreams);

let connections = 0;
const seen = new Map(); // path -> how often
function connectionOf(request) {
  const holder = request.stream ? request.stream.session : request.socket;
  if (!holder.avNumber) holder.avNumber = ++connections;
  return holder.avNumber;
}

// `n` bytes that depend on their place, as the client checks them too.
function* pieces(n) {
  const block = Buffer.alloc(65536);
  for (let at = 0; at < n; at += block.length) {
    block.writeUInt32BE(at / block.length, 0);
    yield Buffer.from(block.subarray(0, Math.min(block.length, n - at)));
  }
}

async function send(response, n) {
  for (const piece of pieces(n)) {
    if (response.destroyed || response.writableEnded) return;
    if (!response.write(piece)) {
      await new Promise((resolve) => {
        const once = () => { response.off('drain', once); response.off('close', once); resolve(); };
        response.on('drain', once);
        response.on('close', once);
      });
    }
  }
  response.end();
}

function answer(request, response) {
  const url = new URL(request.url, 'https://x');
  const number = (name, or) => Number(url.searchParams.get(name) || or);
  const h2 = request.stream && request.httpVersionMajor === 2 ? request.stream : null;
  const count = (seen.get(request.url) || 0) + 1;
  seen.set(request.url, count);
  const conn = connectionOf(request);
  const raw = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) raw.push([request.rawHeaders[i], request.rawHeaders[i + 1]]);
  write({ event: 'request', conn, protocol: request.httpVersion, method: request.method, target: request.url,
    headers: raw, id: h2 ? h2.id : 0 });

  const digest = crypto.createHash('sha256');
  let length = 0;
  let over = false;
  const end = (what) => {
    if (!over) {
      over = true;
      write({ event: what, conn, target: request.url, length, trailers: request.trailers });
    }
  };
  request.on('error', () => {});
  response.on('error', () => {});
  request.on('aborted', () => end('aborted'));
  if (h2) h2.on('close', () => { if (h2.rstCode !== 0) end('aborted'); });
  else response.on('close', () => { if (!response.writableFinished) end('aborted'); });

  const body = (then) => {
    request.on('data', (part) => { digest.update(part); length += part.length; });
    request.on('end', () => { end('end'); then(digest.digest('hex')); });
  };
  const reply = (status, text, fields) => {
    response.writeHead(status, { 'x-conn': String(conn), 'x-protocol': request.httpVersion, ...fields });
    response.end(request.method === 'HEAD' ? undefined : text);
  };

  switch (url.pathname) {
    case '/echo':
      return body((sha) => reply(200, JSON.stringify({ method: request.method, headers: raw, length, sha,
        trailers: request.trailers }), { 'content-type': 'application/json' }));
    case '/status':
      return body(() => reply(number('code'), '', number('code') === 304 ? { etag: '"e"' } : {}));
    case '/length':
      return body(() => reply(200, 'x'.repeat(number('n', 5)), { 'content-length': number('n', 5) }));
    case '/redirect':
      return body(() => reply(302, '', { location: '/echo?redirected', 'content-length': 0 }));
    case '/hints':
      response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      return body(() => reply(200, 'hinted'));
    case '/trailers':
      return body(() => {
        response.writeHead(200, { trailer: 'x-check' });
        response.write('with trailers');
        response.addTrailers({ 'x-check': 'sum', authorization: 'no trailer' });
        response.end();
      });
    case '/reflect':
      return body(() => reply(200, `you sent ${request.headers.authorization}`,
        { 'x-reflected': request.headers.authorization || '' }));
    case '/big':
      return body(() => { response.writeHead(200); send(response, number('n')); });
    case '/early': // answers before the body has come, and never reads it
      if (url.searchParams.get('empty')) return reply(413, '', { 'content-length': 0 });
      return reply(413, 'too large');
    case '/cut':
      response.writeHead(200, url.searchParams.get('n') ? { 'content-length': number('n') } : {});
      response.write('x'.repeat(1000));
      return setTimeout(() => (h2 ? h2.close(http2.constants.NGHTTP2_INTERNAL_ERROR) : request.socket.destroy()), 50);
    case '/endless': {
      response.writeHead(200);
      const timer = setInterval(() => response.write('tick\n'), 20);
      response.on('close', () => clearInterval(timer));
      return undefined;
    }
    case '/silent': // never answers
      request.resume();
      return undefined;
    case '/sse': {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-conn': String(conn) });
      let left = number('n', 8);
      const timer = setInterval(() => {
        response.write(`data: ${process.hrtime.bigint()}\n\n`);
        if (--left === 0) { clearInterval(timer); response.end(); }
      }, number('ms', 60));
      return undefined;
    }
    case '/refused':
      if (h2 && count <= number('times', 1)) return h2.close(http2.constants.NGHTTP2_REFUSED_STREAM);
      return body(() => reply(200, `attempt ${count}`));
    case '/http1':
      if (h2) return h2.close(http2.constants.NGHTTP2_HTTP_1_1_REQUIRED);
      return body(() => reply(200, `over ${request.httpVersion}`));
    case '/goaway': // the first time: "I have not looked at this stream"
      if (h2 && count === 1) return h2.session.goaway(0, h2.id - 2);
      return body(() => reply(200, `attempt ${count}`));
    case '/bye': // closes the connection after the answer
      return body(() => {
        const holder = h2 ? h2.session : request.socket;
        reply(200, 'bye');
        response.on('finish', () => setTimeout(() => holder.destroy(), 30));
      });
    case '/hold': // answers when `n` requests are here at once, with `size` bytes each
      waiting.push(() => {
        if (!url.searchParams.get('size')) return reply(200, 'held');
        response.writeHead(200, { 'x-conn': String(conn) });
        return send(response, number('size'));
      });
      request.resume();
      if (waiting.length >= number('n')) waiting.splice(0).forEach((go) => go());
      return undefined;
    default:
      return body(() => reply(404, 'no such path'));
  }
}
const waiting = [];

const server = {
  h1: () => https.createServer({ ...limits, ...tls }, answer),
  h2: () => http2.createSecureServer({ ...limits, ...tls, settings }, answer),
  both: () => http2.createSecureServer({ ...limits, ...tls, settings, allowHTTP1: true }, answer),
  h2c: () => http2.createServer({ ...limits, settings }, answer),
}[mode]();
server.on('sessionError', () => {});
server.on('tlsClientError', () => {});
server.on('checkContinue', (request, response) => {
  write({ event: 'continue', target: request.url });
  response.writeContinue();
  answer(request, response);
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
