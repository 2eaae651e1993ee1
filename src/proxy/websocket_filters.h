#pragma once
// What happens to WebSocket messages between the two sides of a tunnel. Byte transformers without
// I/O, for HTTP/1.1 upgrades and RFC 8441 alike: supply() bytes as they were received, then next()
// until it is empty.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/secret.h"
#include "proxy/pattern_set.h"
#include "proxy/placeholder_stream.h"
#include "proxy/websocket_frames.h"

namespace av::proxy {

// From the client: placeholders in text messages become values, in the form of JSON when the
// message begins with { or [, else as they are; all others end the tunnel, in binary messages too.
//
// Only text messages of a service that declares a substitution for them are framed anew, with a new
// mask: one frame for each, unless the client's exceeds kFragment; what is held back at the end of
// a fragment goes out with the next. Everything else passes byte by byte. Messages that an
// extension has coded (possible with allow_uninspected only) pass unsearched.
class ClientMessageFilter {
 public:
  static constexpr std::size_t kFragment = std::size_t{64} << 10;

  enum class Status : std::uint8_t { kOk, kProtocol, kMisuse, kTooMany };

  // `values` may be null; both must outlive the filter. `extensions`: the server has accepted some.
  ClientMessageFilter(PlaceholderGuard& guard, const ResolvedCredential* values, bool extensions);

  // False: bytes pass as they are, and need not be passed through.
  [[nodiscard]] bool active() const { return !text_.idle(); }

  // `bytes` are changed in place and must stay until next() has returned an empty view.
  void supply(std::span<char> bytes) { in_ = bytes; }
  // Valid until the next call. Not much larger than kFragment, but for a value.
  [[nodiscard]] std::string_view next();
  // Other than kOk: nothing more comes out, the tunnel is to be closed.
  [[nodiscard]] Status status() const { return status_; }
  [[nodiscard]] const Fault& fault() const { return fault_; }

 private:
  enum class Way : std::uint8_t { kPass, kSearch, kRewrite };
  void on_header();
  void on_payload();
  void on_end();
  void decide_form(std::string_view payload);
  void search(std::string_view plain);
  bool pull();
  void write_fragment(bool fin);
  void fail_with_text();

  WebSocketFrameReader reader_;
  WebSocketFrameWriter writer_{WebSocketSender::kClient};
  PlaceholderStream text_;
  std::span<char> in_;
  Way way_ = Way::kPass;          // of the frame
  Way message_way_ = Way::kPass;  // of the message that the frame is a part of
  bool form_known_ = false;
  bool first_fragment_ = true;
  bool end_of_frame_ = false;  // pull() first, then the frame's last fragment
  SecretBuffer payload_;
  SecretBuffer scratch_;
  SecretBuffer out_;
  Status status_ = Status::kOk;
  Fault fault_;
};

// From the server: injected values are masked at equal length, in the payload of each message,
// across its frames, and in that of each control frame.
//
// One frame goes out for each that comes in. A fragment that is not the last of its message keeps
// back as many bytes as a value could need, so its frame is that much shorter and the next one that
// much longer: how many depends on lengths alone. A message in one frame keeps its header.
class ServerMessageFilter {
 public:
  enum class Status : std::uint8_t { kOk, kProtocol };

  // `patterns` may be null and must outlive the filter.
  ServerMessageFilter(const PatternSet* patterns, bool extensions);

  [[nodiscard]] bool active() const { return patterns_ != nullptr; }
  void supply(std::span<char> bytes) { in_ = bytes; }
  [[nodiscard]] std::string_view next();
  [[nodiscard]] Status status() const { return status_; }
  // A frame of ours could follow what came out last.
  [[nodiscard]] bool between_frames() const { return between_frames_; }
  [[nodiscard]] std::size_t hits() const { return hits_; }

 private:
  void on_header();
  void on_payload(std::span<char> payload);
  void on_end();
  void emit(std::string_view scrubbed);

  const PatternSet* patterns_;
  WebSocketFrameReader reader_;
  WebSocketFrameWriter writer_{WebSocketSender::kServer};
  std::optional<Scrubber> scrubber_;  // of the current message
  std::span<char> in_;
  bool between_frames_ = true;
  bool opaque_ = false;  // the message is an extension's
  bool first_fragment_ = true;
  WebSocketOpcode opcode_ = WebSocketOpcode::kText;  // of the message
  std::uint8_t rsv_ = 0;
  std::uint64_t quota_ = 0;    // bytes that the current outgoing frame still needs
  std::uint64_t pending_ = 0;  // bytes of the message that no outgoing frame has room for yet
  SecretBuffer ready_;         // scrubbed, of those
  SecretBuffer control_;       // payload of a control frame
  SecretBuffer out_;
  std::size_t hits_ = 0;
  Status status_ = Status::kOk;
};

}  // namespace av::proxy
