#pragma once
// After a WebSocket handshake: bytes both ways until one side ends. Frames from the upstream are
// followed closely enough to know where messages end, so that values are masked (at equal length,
// frames stay valid) without holding back the end of a message.

#include <cstdint>
#include <span>

#include "proxy/body.h"
#include "proxy/pattern_set.h"
#include "proxy/stream.h"

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

// Returns the number of bytes sent to the client. Both streams are closed when it returns.
Awaitable<std::uint64_t> tunnel_websocket(Executor executor, Stream& client,
                                          ReadBuffer& client_buffer, Stream& upstream,
                                          ReadBuffer& upstream_buffer, const PatternSet* patterns);

}  // namespace av::proxy
