// A WebSocket server's bytes give the same events whole and in pieces, none larger than allowed;
// a head of an answer agrees, or says why not.

#include <cstdint>
#include <string>

#include "fuzz/require.h"
#include "source/ports.h"
#include "source/websocket_client.h"
#include "source/websocket_reader.h"

namespace {

std::string events(std::string_view bytes, std::size_t at_once) {
  av::source::WebSocketReader reader;
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += at_once) {
    reader.feed(bytes.substr(at, at_once));
    for (;;) {
      const auto event = reader.next();
      if (!event) {
        require(event.error().why == av::source::Failure::Why::kMalformed);
        return out + "!";
      }
      if (!*event) {
        break;
      }
      require((*event)->payload.size() <= av::source::kMostBody);
      out += std::to_string(static_cast<int>((*event)->kind));
      out += (*event)->payload.view();
      out += ';';
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 16 * 1024) {
    return 0;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (size > 0) {
    const std::string whole = events(bytes, size);
    require(events(bytes, 1) == whole);
    require(events(bytes, 7) == whole);
  }
  const auto agreed = av::source::check_websocket_answer(bytes, "dGhlIHNhbXBsZSBub25jZQ==");
  require(agreed || !agreed.error().message.empty());
  require(!agreed || bytes.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string_view::npos);
  static_cast<void>(av::source::read_websocket_url(bytes));
  return 0;
}
