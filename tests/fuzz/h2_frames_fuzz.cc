// Any bytes to a connection of HTTP/2 in the server's role, whose requests are read and answered in
// ways that the bytes choose: it always ends, holds no more than its windows, and leaves no stream
// behind. The first byte chooses the behaviour; with its high bit the preface is put in front.
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "support/h2_pair.h"

using namespace av::proxy;
using namespace av::proxy::testing;

namespace {

void serve(End& end, std::uint8_t behaviour, std::size_t& served) {
  static const HeadText kNone;
  for (; served < end.requests.size(); ++served) {
    const H2StreamPtr& stream = end.requests[served];
    if (stream->has_head()) {
      H2Stream::Block block = stream->take_head();
      RequestHead head;
      (void)block.head.to_request(head, block.end);
    }
    switch (behaviour & 3U) {
      case 0:
        (void)end.http2.respond(*stream, 204, kNone, /*end=*/true);
        stream->finish();
        break;
      case 1:
        stream->reset(NGHTTP2_REFUSED_STREAM);
        break;
      case 2:
        (void)end.http2.respond(*stream, 200, kNone, /*end=*/false);
        break;
      default:
        break;  // left waiting
    }
  }
}

void read(End& end, std::uint8_t behaviour) {
  for (const H2StreamPtr& stream : end.requests) {
    BodySource::Piece piece;
    if ((behaviour & 4U) != 0 && stream->poll(piece)) {
      require(piece.data.size() <= static_cast<std::size_t>(H2Limits().stream_window));
      std::vector<Field> trailers;
      (void)stream->trailers(trailers);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::uint8_t behaviour = data[0];
  Loop loop;
  Wires wires;
  End end(loop, wires.ours, H2Connection::Role::kServer);
  RawPeer peer(wires.theirs);
  end.start(loop);
  if ((behaviour & 0x80U) != 0) {
    peer.send(kPreface);
    peer.send(frame(4, 0, 0));
  }
  peer.send(std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  std::size_t served = 0;
  // Bounded by the bytes: each turn takes in a buffer of them.
  const std::size_t turns = 4 + size / 4096;
  for (std::size_t i = 0; i < turns && !end.over; ++i) {
    peer.pump();
    loop.turn();
    serve(end, behaviour, served);
    read(end, behaviour);
  }
  end.http2.close();
  for (int i = 0; i < 50 && !end.over; ++i) {
    loop.turn();
  }
  require(end.over);
  require(end.http2.open_streams() == 0);
  for (const H2StreamPtr& stream : end.requests) {
    require(stream->closed());
  }
  return 0;
}
