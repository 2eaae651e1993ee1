#pragma once
// WebSocket frames (RFC 6455 section 5): a strict reader and a writer. Bytes in, events out; no
// I/O.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/secret.h"

namespace av::proxy {

enum class WebSocketSender : std::uint8_t { kClient, kServer };

enum class WebSocketOpcode : std::uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

using WebSocketMask = std::array<unsigned char, 4>;

struct WebSocketFrame {
  WebSocketOpcode opcode = WebSocketOpcode::kContinuation;
  bool fin = true;
  std::uint8_t rsv = 0;  // the three bits; others than 0 only where an extension was negotiated
  bool masked = false;
  WebSocketMask mask{};
  std::uint64_t length = 0;
  [[nodiscard]] bool control() const { return (static_cast<std::uint8_t>(opcode) & 8U) != 0; }
};

// Splits a byte stream into frames. Refuses what RFC 6455 does not allow: a missing or unexpected
// mask, reserved bits and opcodes, lengths that are not minimal, fragments out of order, control
// frames that are long or fragmented.
class WebSocketFrameReader {
 public:
  enum class Event : std::uint8_t {
    kMore,     // the input is used up
    kHeader,   // frame() and header() are of a new frame
    kPayload,  // payload() has bytes of it, still masked
    kEnd,      // the frame is complete
    kError,    // stays
  };

  // `extensions`: some were negotiated, reserved bits are theirs.
  WebSocketFrameReader(WebSocketSender sender, bool extensions)
      : sender_(sender), extensions_(extensions) {}

  // Takes from the front of `in`.
  [[nodiscard]] Event next(std::span<char>& in);
  [[nodiscard]] const WebSocketFrame& frame() const { return frame_; }
  // The frame's header as it was received.
  [[nodiscard]] std::string_view header() const { return {header_.data(), header_size_}; }
  // A part of the input.
  [[nodiscard]] std::span<char> payload() const { return payload_; }
  // Where payload() begins in the frame's payload: its place in the mask.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }

 private:
  enum class State : std::uint8_t { kHeader, kPayload, kError };
  [[nodiscard]] bool parse_header();

  WebSocketSender sender_;
  bool extensions_;
  State state_ = State::kHeader;
  bool in_message_ = false;  // a fragmented message is not finished
  WebSocketFrame frame_;
  std::array<char, 14> header_{};
  std::size_t header_size_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t offset_ = 0;
  std::span<char> payload_;
};

// XORs `data` with the mask, `offset` bytes into the frame's payload.
void apply_websocket_mask(std::span<char> data, const WebSocketMask& mask, std::uint64_t offset);

// Frames towards a server: a new random mask each.
class WebSocketFrameWriter {
 public:
  explicit WebSocketFrameWriter(WebSocketSender sender) : sender_(sender) {}
  // A header for `length` bytes of payload that follow, and the mask to put on them (zero towards a
  // client).
  WebSocketMask append_header(SecretBuffer& out, WebSocketOpcode opcode, bool fin, std::uint8_t rsv,
                              std::uint64_t length);
  // A whole frame.
  void append(SecretBuffer& out, WebSocketOpcode opcode, bool fin, std::string_view payload);
  // RFC 6455 section 7.4: 1002 protocol error, 1008 policy violation.
  void append_close(SecretBuffer& out, std::uint16_t code, std::string_view reason);

 private:
  WebSocketSender sender_;
};

}  // namespace av::proxy
