#pragma once
// After a WebSocket handshake: bytes both ways until one side ends. Frames from the upstream are
// followed closely enough to know where messages end, so that values are masked (at equal length,
// frames stay valid) without holding back the end of a message.

#include <cstdint>
#include <span>

#include "proxy/downstream.h"
#include "proxy/pattern_set.h"
#include "proxy/upstream_exchange.h"

namespace av::proxy {

// Follows RFC 6455 section 5.2 framing through a byte stream.
class FrameTracker {
 public:
  // How many bytes at the front of `data` reach to the end of the last message that ends in it.
  std::size_t through_last_message(std::span<const char> data);

 private:
  std::uint64_t payload_ = 0;   // bytes of the current frame's payload still to come
  unsigned header_needed_ = 2;  // bytes of the current header still to come
  unsigned header_seen_ = 0;
  unsigned length_bytes_ = 0;
  bool final_ = false;
  bool in_payload_ = false;
};

// Until one side ends; the other is ended with it.
Awaitable<void> tunnel_websocket(Executor executor, Downstream& client, UpstreamExchange& upstream,
                                 const PatternSet* patterns);

}  // namespace av::proxy
