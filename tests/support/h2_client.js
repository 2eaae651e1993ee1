// HTTP/2 and HTTP/1.1 through the environment's proxy, with Node's own implementation: CONNECT by hand,
// then TLS with ALPN, then requests on that socket.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const net = require('net');
const tls = require('tls');

const proxy = new URL(process.env.HTTPS_PROXY);
const authorization = `Basic ${Buffer.from(
  `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`).toString('base64')}`;

function tunnel(authority) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(proxy.port), proxy.hostname, () => {
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n`
        + `Proxy-Authorization: ${authorization}\r\n\r\n`);
    });
    let head = '';
    const more = (data) => {
      head += data.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.removeListener('data', more);
      if (/^HTTP\/1.1 200/.test(head)) resolve(socket);
      else reject(new Error(head.split('\r\n')[0]));
    };
    socket.on('data', more);
    socket.on('error', reject);
  });
}

async function secure(host, protocols) {
  const raw = await tunnel(`${host}:443`);
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      socket: raw, servername: host, ALPNProtocols: protocols, ca: fs.readFileSync(process.env.SSL_CERT_FILE),
    }, () => resolve(socket));
    socket.on('error', reject);
  });
}

// A session of HTTP/2 on a tunnel of its own.
async function session(host, settings = {}) {
  const socket = await secure(host, ['h2']);
  if (socket.alpnProtocol !== 'h2') throw new Error(`ALPN chose ${socket.alpnProtocol}`);
  const made = http2.connect(`https://${host}`, {
    createConnection: () => socket, settings, maxSendHeaderBlockLength: 1 << 20, maxSessionMemory: 1024,
  });
  made.on('error', () => {});
  return made;
}

// One request; resolves whatever happens: {status, headers, interim, body, sha, length, trailers, error}.
// options: method, headers, body (Buffer or async iterable; undefined: END_STREAM with the head), trailers,
// keepOpen (never ends the body), onData(part, cancel).
function ask2(made, path, options = {}) {
  return new Promise((resolve) => {
    const result = { interim: [], trailers: {}, length: 0 };
    const digest = crypto.createHash('sha256');
    const parts = [];
    const hasBody = options.body !== undefined || options.trailers || options.keepOpen;
    const request = made.request({
      ':method': options.method || (hasBody ? 'POST' : 'GET'), ':path': path, ...options.headers,
    }, { endStream: !hasBody, waitForTrailers: Boolean(options.trailers) });
    if (options.trailers) request.on('wantTrailers', () => request.sendTrailers(options.trailers));
    request.on('headers', (headers) => result.interim.push({ ...headers }));
    request.on('response', (headers) => { result.status = headers[':status']; result.headers = headers; });
    request.on('trailers', (headers) => { result.trailers = headers; });
    request.on('data', (part) => {
      digest.update(part);
      result.length += part.length;
      if (result.length <= 1 << 20) parts.push(part);
      if (options.onData) options.onData(part, () => request.close(http2.constants.NGHTTP2_CANCEL));
    });
    let ended = false;
    request.on('error', (error) => { result.error = error.code || String(error); });
    const over = () => {
      result.rst = request.rstCode;
      if (!ended || result.rst !== 0) result.error = result.error || `closed by ${result.rst}`;
      result.body = Buffer.concat(parts).toString('latin1');
      result.sha = result.sha || digest.digest('hex');
      resolve(result);
    };
    request.on('close', over);
    // Node never says "close" of a stream that was paused when it was reset with NO_ERROR.
    request.on('end', () => {
      ended = true;
      setTimeout(() => { if (request.closed) over(); }, 100);
    });
    feed(request, options, hasBody);
    if (options.onRequest) options.onRequest(request);
  });
}

async function feed(request, options, hasBody) {
  if (!hasBody) return;
  try {
    if (options.body && options.body[Symbol.asyncIterator]) {
      for await (const part of options.body) {
        if (request.destroyed || request.closed) return;
        if (!request.write(part)) {
          await new Promise((go) => {
            const once = () => { request.off('drain', once); request.off('close', once); go(); };
            request.on('drain', once);
            request.on('close', once);
          });
        }
      }
    } else if (options.body) {
      request.write(options.body);
    }
    if (!options.keepOpen && !request.destroyed) request.end();
  } catch (error) {
    // The response tells.
  }
}

// The same over HTTP/1.1, each request on a tunnel of its own.
async function ask1(host, path, options = {}) {
  const socket = await secure(host, ['http/1.1']);
  return new Promise((resolve) => {
    const result = { interim: [], trailers: {}, length: 0 };
    const digest = crypto.createHash('sha256');
    const parts = [];
    const hasBody = options.body !== undefined || options.trailers || options.keepOpen;
    const request = http.request({
      createConnection: () => socket, host, port: 443, defaultPort: 443, path, method: options.method || (hasBody ? 'POST' : 'GET'),
      headers: { ...(options.trailers ? { trailer: Object.keys(options.trailers).join(), te: 'trailers' } : {}), ...options.headers },
    });
    let over = false;
    const done = () => {
      if (over) return;
      over = true;
      result.body = Buffer.concat(parts).toString('latin1');
      result.sha = digest.digest('hex');
      socket.destroy();
      resolve(result);
    };
    request.on('information', (info) => result.interim.push({ ':status': info.statusCode, ...info.headers }));
    request.on('error', (error) => { result.error = result.error || error.code || String(error); });
    request.on('close', done);
    request.on('response', (response) => {
      result.status = response.statusCode;
      result.headers = response.headers;
      response.on('data', (part) => {
        digest.update(part);
        result.length += part.length;
        if (result.length <= 1 << 20) parts.push(part);
        if (options.onData) options.onData(part, () => request.destroy());
      });
      response.on('error', (error) => { result.error = error.code || String(error); });
      response.on('end', () => { result.trailers = response.trailers; });
      response.on('close', () => {
        if (!response.complete) result.error = result.error || 'incomplete';
        if (options.keepOpen) done();
      });
    });
    if (options.trailers) request.addTrailers(options.trailers);
    if (!hasBody) request.end();
    feed(request, options, hasBody);
  });
}

// As h2_upstream.js sends and expects them.
async function* pieces(n) {
  for (let at = 0; at < n; at += 65536) {
    const block = Buffer.alloc(Math.min(65536, n - at));
    if (block.length >= 4) block.writeUInt32BE(at / 65536, 0);
    yield block;
  }
}
async function sha(n) {
  const digest = crypto.createHash('sha256');
  for await (const piece of pieces(n)) digest.update(piece);
  return digest.digest('hex');
}

const sleep = (ms) => new Promise((go) => setTimeout(go, ms));
async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error(`${typeof what === 'function' ? what() : what}: nothing within ${ms} ms`)), ms); });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Waits until the upstream's log has a line that passes.
async function logged(file, test, ms = 5000) {
  for (const end = Date.now() + ms; ; await sleep(10)) {
    const lines = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
    const found = lines.find(test);
    if (found || Date.now() > end) return found;
  }
}

module.exports = { tunnel, secure, session, ask1, ask2, pieces, sha, sleep, within, logged };
