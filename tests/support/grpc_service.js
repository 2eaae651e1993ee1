// A service in every shape that gRPC has, with bytes for messages: no compiler, no schema.
'use strict';
const bytes = (b) => b;
const method = (name, requestStream, responseStream) => ({
  path: `/test.Echo/${name}`, requestStream, responseStream,
  requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes,
});
module.exports = {
  Unary: method('Unary', false, false),
  Down: method('Down', false, true),
  Up: method('Up', true, false),
  Both: method('Both', true, true),
  Fail: method('Fail', false, false),
  Hang: method('Hang', false, true),
};
