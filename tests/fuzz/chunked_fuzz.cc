// Chunked framing: the payload is the same however the bytes are split, and what is written again
// decodes to the same payload.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proxy/body.h"
#include "proxy/http1_parser.h"

using namespace av::proxy;

namespace {

struct Decoded {
  ChunkDecoder::State state = ChunkDecoder::State::kMore;
  std::string payload;
  std::string trailers;
};

Decoded decode(const std::string& bytes, std::size_t step) {
  ChunkDecoder decoder;
  Decoded out;
  std::size_t at = 0;
  while (at < bytes.size() && out.state == ChunkDecoder::State::kMore) {
    std::string piece = bytes.substr(at, step);
    const auto result = decoder.decode(piece.data(), piece.size());
    if (result.produced > result.consumed || result.consumed > piece.size()) {
      std::abort();
    }
    out.payload += piece.substr(0, result.produced);
    out.state = result.state;
    at += result.consumed;
  }
  out.trailers = decoder.trailers();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const Decoded whole = decode(bytes, bytes.size() + 1);
  const Decoded pieces = decode(bytes, std::size_t{1} + data[0] % 7);
  if (whole.state != pieces.state || whole.payload != pieces.payload ||
      whole.trailers != pieces.trailers) {
    std::abort();
  }
  if (whole.state == ChunkDecoder::State::kDone) {
    std::string again;
    append_chunk(again, whole.payload, /*end=*/true);
    const Decoded second = decode(again, again.size());
    if (second.state != ChunkDecoder::State::kDone || second.payload != whole.payload) {
      std::abort();
    }
    std::vector<Field> fields;
    (void)parse_trailers(whole.trailers, fields);
  }
  return 0;
}
