// WebSocket framing: where messages end does not depend on how the bytes arrive.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "proxy/tunnel.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const std::span<const char> bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  av::proxy::FrameTracker whole;
  const std::size_t expected = whole.through_last_message(bytes);
  av::proxy::FrameTracker pieces;
  std::size_t end = 0;
  const std::size_t step = std::size_t{1} + data[0] % 9;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const auto piece = bytes.subspan(at, std::min(step, bytes.size() - at));
    const std::size_t through = pieces.through_last_message(piece);
    if (through > piece.size()) {
      std::abort();
    }
    end = through != 0 ? at + through : end;
  }
  if (end != expected) {
    std::abort();
  }
  return 0;
}
