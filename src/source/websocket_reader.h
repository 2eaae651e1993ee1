#pragma once
// Frames that a WebSocket server sends (RFC 6455 section 5), put together to messages. Strict:
// unmasked, no extension, lengths in their shortest form, text in UTF-8, one message at a time,
// none longer than kMostBody.

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/secret.h"
#include "source/provider.h"

namespace av::source {

class WebSocketReader {
 public:
  struct Event {
    enum class Kind : std::uint8_t { kText, kPing, kClose };
    Kind kind = Kind::kText;
    SecretBuffer payload;
  };

  void feed(std::string_view bytes) { buffer_.append(bytes); }
  // Nothing: more bytes are needed. kMalformed: for good.
  [[nodiscard]] Result<std::optional<Event>> next();

 private:
  enum class Opcode : std::uint8_t {
    kContinuation = 0,
    kText = 1,
    kBinary = 2,
    kClose = 8,
    kPing = 9,
    kPong = 10,
  };
  struct Head {
    bool last = false;
    Opcode opcode = Opcode::kContinuation;
    std::uint64_t size = 0;
    std::size_t bytes = 0;  // of itself
  };
  Result<std::optional<Head>> head() const;
  Result<std::optional<Event>> take(const Head& head);
  void consume(std::size_t size);

  SecretBuffer buffer_;
  std::size_t used_ = 0;  // of it
  SecretBuffer message_;
  bool open_ = false;  // message_ is not whole yet
};

// One frame from a client, masked (section 5.3) with `mask`.
enum class ClientFrame : std::uint8_t { kText = 1, kClose = 8, kPong = 10 };
[[nodiscard]] SecretBuffer client_frame(ClientFrame kind, std::string_view payload,
                                        std::uint32_t mask);

}  // namespace av::source
