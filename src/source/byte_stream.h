#pragma once
// A connection as a stream of bytes, and what makes one: what WebSocketClient stands on. Blocking.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "source/provider.h"

namespace av::source {

// For one thread at a time.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // At least one byte; 0 at the end of the stream; kTimeout when none came in time, after which one
  // may try again.
  virtual Result<std::size_t> read(std::span<char> into, std::int64_t timeout_ms) = 0;
  // All of it, or the stream is over.
  virtual Result<void> write(std::string_view bytes) = 0;
  virtual void close() = 0;
};

// May be called from several threads.
class Dialer {
 public:
  virtual ~Dialer() = default;
  // `url`: ws:// or wss://; TLS is verified, addresses are checked, as Http's are.
  virtual Result<std::unique_ptr<ByteStream>> connect(const std::string& url) = 0;
};

}  // namespace av::source
