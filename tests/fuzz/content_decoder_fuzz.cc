// Content codings: any bytes in any coding. Never a crash, never more memory than a piece at once;
// the result does not depend on how the bytes arrive.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proxy/content_decoder.h"

using namespace av::proxy;

namespace {

// Decompression bombs are what the format allows; they are cut off here.
constexpr std::size_t kEnough = std::size_t{4} << 20;

struct Result {
  std::string text;
  bool good = false;
};

Result decode(CodingList codings, std::string_view bytes, std::size_t step) {
  ContentDecoder decoder(codings);
  Result result;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    decoder.supply(bytes.substr(at, step));
    for (auto piece = decoder.next(); !piece.empty(); piece = decoder.next()) {
      result.text.append(piece.data(), piece.size());
      if (result.text.size() > kEnough) {
        return result;
      }
    }
  }
  result.good = decoder.finished() && !decoder.failed();
  if (decoder.finished() && decoder.failed()) {
    std::abort();
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  // The first byte: one or two codings. The second: the size of pieces.
  CodingList codings;
  if (!codings.push(static_cast<ContentCoding>(data[0] & 3U)) ||
      ((data[0] & 4U) != 0 && !codings.push(static_cast<ContentCoding>(data[0] >> 3U & 3U)))) {
    std::abort();
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  const Result whole = decode(codings, bytes, bytes.size() + 1);
  const Result pieces = decode(codings, bytes, std::size_t{1} + data[1]);
  if (whole.good != pieces.good || (whole.good && whole.text != pieces.text)) {
    std::abort();
  }
  return 0;
}
