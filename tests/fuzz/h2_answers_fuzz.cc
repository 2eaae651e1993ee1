// Any bytes to a connection of HTTP/2 in the client's role, on which up to three requests wait for
// their answers: it always ends, leaves no stream behind, makes no head that another part could not
// carry, and takes no body for complete that is not as long as its head has said. The first byte
// chooses how patient the readers are.
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "fuzz/require.h"
#include "support/h2_pair.h"

using namespace av::proxy;
using namespace av::proxy::testing;

namespace {

struct Asked {
  H2StreamPtr stream;
  std::string_view method;
  ResponseHead head;
  bool answered = false;
  bool given_up = false;
  std::uint64_t size = 0;
};

void ask(End& end, Asked& asked) {
  H2Connection::RequestLine line;
  line.method = asked.method;
  line.scheme = "https";
  line.authority = "h.test";
  line.target = "/";
  asked.stream = end.http2.open(line, kNoFields, /*end=*/true);
}

void give_up(Asked& asked) {
  asked.given_up = true;
  asked.stream->reset(NGHTTP2_CANCEL);
}

void take_heads(Asked& asked) {
  while (!asked.answered && !asked.given_up && asked.stream->has_head()) {
    H2Stream::Block block = asked.stream->take_head();
    if (block.head.to_response(asked.head, block.end, asked.method)) {
      give_up(asked);
      return;
    }
    require(asked.head.status >= 100 && asked.head.status <= 599 && asked.head.status != 101);
    for (const Field& field : asked.head.fields) {
      require(is_token(field.name));
      require(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
    }
    asked.answered = asked.head.status >= 200;
    require(!asked.answered || !has_no_body(asked.head.status, asked.method) ||
            asked.head.body == BodyKind::kNone);
  }
}

void read(Asked& asked) {
  BodySource::Piece piece;
  if (!asked.answered || asked.given_up || asked.head.body == BodyKind::kNone ||
      !asked.stream->poll(piece)) {
    return;
  }
  asked.size += piece.data.size();
  require(piece.data.size() <= static_cast<std::size_t>(H2Limits().grown_window));
  if (piece.state == BodySource::State::kEnd) {
    require(asked.head.body != BodyKind::kLength || asked.size == asked.head.content_length);
    std::vector<Field> trailers;
    if (asked.stream->trailers(trailers)) {
      for (const Field& field : trailers) {
        require(may_be_trailer(field.name));
      }
    }
  }
  if (piece.state != BodySource::State::kData) {
    give_up(asked);
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
  End end(loop, wires.ours, H2Connection::Role::kClient);
  RawPeer peer(wires.theirs);
  std::array<Asked, 3> all;
  all[0].method = "GET";
  all[1].method = "HEAD";
  all[2].method = "POST";
  ask(end, all[0]);
  end.start(loop);
  peer.send(frame(4, 0, 0));
  loop.turn();
  peer.pump();
  loop.turn();
  for (std::size_t i = 1; i < all.size(); ++i) {
    ask(end, all[i]);
  }
  peer.send(std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  const std::size_t turns = 4 + size / 4096;
  for (std::size_t i = 0; i < turns && !end.over; ++i) {
    peer.pump();
    loop.turn();
    for (Asked& asked : all) {
      if (asked.stream != nullptr && (behaviour & 1U << (i % 8)) == 0) {
        take_heads(asked);
        read(asked);
      }
    }
  }
  end.http2.close();
  for (int i = 0; i < 50 && !end.over; ++i) {
    loop.turn();
  }
  require(end.over);
  require(end.http2.open_streams() == 0);
  for (const Asked& asked : all) {
    require(asked.stream == nullptr || asked.stream->closed() || asked.given_up);
  }
  return 0;
}
