// node grpc_server.js LOG CERTS: grpc-js with TLS and in clear. Prints {"tls": port, "clear": port}; one
// line of the log for every call as it begins, and one when a call that hangs is cancelled.
'use strict';
const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const service = require('./grpc_service.js');

const [log, certs] = process.argv.slice(2);
const out = fs.openSync(log, 'a');
const write = (event, name, call) => fs.writeSync(out, JSON.stringify({
  event, name, peer: call.getPeer(), metadata: call.metadata.getMap(), deadline: String(call.getDeadline()),
}) + '\n');

const handlers = {
  Unary(call, done) {
    write('call', 'Unary', call);
    const initial = new grpc.Metadata();
    initial.set('x-initial', 'first');
    call.sendMetadata(initial);
    const trailer = new grpc.Metadata();
    trailer.set('x-last', 'trailer');
    trailer.set('x-data-bin', Buffer.from([0, 255, 10]));
    done(null, call.request, trailer);
  },
  Down(call) {
    write('call', 'Down', call);
    for (let i = 0; i < Number(call.request.toString()); i += 1) call.write(Buffer.from(`message ${i}`));
    call.end();
  },
  Up(call, done) {
    write('call', 'Up', call);
    let size = 0;
    let count = 0;
    call.on('data', (part) => { size += part.length; count += 1; });
    call.on('end', () => done(null, Buffer.from(`${count} ${size}`)));
    call.on('error', () => {});
  },
  Both(call) {
    write('call', 'Both', call);
    call.on('data', (part) => call.write(Buffer.concat([Buffer.from('re: '), part])));
    call.on('end', () => call.end());
    call.on('error', () => {});
  },
  Fail(call, done) {
    write('call', 'Fail', call);
    done({ code: grpc.status.NOT_FOUND, details: 'no such thing: 100 %' });
  },
  Hang(call) {
    write('call', 'Hang', call);
    call.on('cancelled', () => write('cancelled', call.request.toString(), call));
    call.write(Buffer.from('begun'));
  },
};
function start(credentials) {
  const server = new grpc.Server({ 'grpc.max_receive_message_length': 8 << 20, 'grpc.max_concurrent_streams': 200 });
  server.addService(service, handlers);
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? reject(error) : resolve(port)));
  });
}
(async () => {
  const key = { private_key: fs.readFileSync(`${certs}/server.key`), cert_chain: fs.readFileSync(`${certs}/server.pem`) };
  const tls = await start(grpc.ServerCredentials.createSsl(null, [key]));
  const clear = await start(grpc.ServerCredentials.createInsecure());
  console.log(JSON.stringify({ tls, clear }));
})();
