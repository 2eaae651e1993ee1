// WebSocket frames: what comes out does not depend on how the bytes arrive, is well-formed, and
// holds neither a placeholder that does not belong there nor an injected value.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "fuzz/guard_input.h"
#include "proxy/websocket_filters.h"

using namespace av;

namespace {

std::string client(const std::string& bytes, std::size_t step, bool& failed) {
  auto guard = fuzz::guard();
  proxy::ClientMessageFilter filter(guard, fuzz::values().get(), /*extensions=*/false);
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    std::string piece = bytes.substr(at, step);
    filter.supply(piece);
    for (auto some = filter.next(); !some.empty(); some = filter.next()) {
      out += some;
    }
  }
  failed = filter.status() != proxy::ClientMessageFilter::Status::kOk;
  return out;
}

std::string server(const std::string& bytes, std::size_t step, bool& failed) {
  static const proxy::PatternSet patterns = [] {
    proxy::PatternSet set;
    set.add_value(fuzz::kValue);
    set.compile();
    return set;
  }();
  proxy::ServerMessageFilter filter(&patterns, /*extensions=*/false);
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    std::string piece = bytes.substr(at, step);
    filter.supply(piece);
    for (auto some = filter.next(); !some.empty(); some = filter.next()) {
      out += some;
    }
  }
  failed = filter.status() != proxy::ServerMessageFilter::Status::kOk;
  return out;
}

struct Parsed {
  std::string complete;  // payload of whole messages, unmasked
  std::string rest;      // of the last one
  std::string control;
  bool error = false;
};

Parsed parse(std::string bytes, proxy::WebSocketSender sender) {
  proxy::WebSocketFrameReader reader(sender, /*extensions=*/false);
  Parsed out;
  std::span<char> in(bytes.data(), bytes.size());
  for (;;) {
    const auto event = reader.next(in);
    const auto& frame = reader.frame();
    std::string& target = frame.control() ? out.control : out.rest;
    switch (event) {
      case proxy::WebSocketFrameReader::Event::kMore:
        return out;
      case proxy::WebSocketFrameReader::Event::kHeader:
        break;
      case proxy::WebSocketFrameReader::Event::kPayload:
        proxy::apply_websocket_mask(reader.payload(), frame.mask, reader.offset());
        target.append(reader.payload().data(), reader.payload().size());
        break;
      case proxy::WebSocketFrameReader::Event::kEnd:
        target += frame.fin ? "\n.\n" : "";
        if (frame.fin && !frame.control()) {
          out.complete += out.rest;
          out.rest.clear();
        }
        break;
      case proxy::WebSocketFrameReader::Event::kError:
        out.error = true;
        return out;
    }
  }
}

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t step = std::size_t{1} + data[0] % 9;

  bool whole_failed = false;
  bool pieces_failed = false;
  const std::string whole = client(bytes, bytes.size(), whole_failed);
  const std::string pieces = client(bytes, step, pieces_failed);
  require(whole_failed == pieces_failed);
  const Parsed up = parse(pieces, proxy::WebSocketSender::kClient);
  require(!up.error);
  require((up.complete + up.rest).find(fuzz::kForeign) == std::string::npos);
  if (!whole_failed) {
    // Frames of one message may be cut differently; masks are new each time.
    require(up.complete == parse(whole, proxy::WebSocketSender::kClient).complete);
  }

  const std::string down_whole = server(bytes, bytes.size(), whole_failed);
  const std::string down_pieces = server(bytes, step, pieces_failed);
  require(whole_failed == pieces_failed);
  const Parsed down = parse(down_pieces, proxy::WebSocketSender::kServer);
  require(!down.error);
  const std::string seen = down.complete + down.rest + "\n.\n" + down.control;
  require(seen.find(fuzz::kValue) == std::string::npos);
  if (!whole_failed) {
    require(down.complete.size() ==
            parse(down_whole, proxy::WebSocketSender::kServer).complete.size());
  }
  return 0;
}
