#pragma once
// PrefixedMessages: where the messages of a gRPC body end. A byte of flags, four of length, the
// message, and the next one (gRPC over HTTP/2, "Length-Prefixed-Message"; gRPC-Web and Connect use
// the same). Whoever talks in both directions at once waits for each message, so none may be held
// back.
//
// So each message is searched by itself. A value that a server spreads over several, with a prefix
// between its parts, is not found: no more than one that it spreads over several events or fields.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace av::proxy {

// True for the media types whose bodies are such messages.
[[nodiscard]] bool has_prefixed_messages(std::string_view content_type);

// What a body is made of.
enum class Messages : std::uint8_t {
  kNone,
  kPrefixed,
  kPrefixedPlain  // none of them may be compressed: a compressed one cannot be searched
};

class PrefixedMessages {
 public:
  // Takes the next bytes; how many of them lie before the end of the last message that ends in
  // them.
  std::size_t through_last_message(std::span<const char> data);
  // One of them says that it is compressed.
  [[nodiscard]] bool compressed() const { return compressed_; }

 private:
  bool broken_ = false;  // these are no messages: no end is believed
  bool compressed_ = false;
  std::uint32_t prefix_seen_ = 0;
  std::uint32_t left_ = 0;
};

}  // namespace av::proxy
