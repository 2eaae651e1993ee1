#pragma once
// PrefixedMessages: where the messages of a gRPC body end. A byte of flags, four of length, the
// message, and the next one (gRPC over HTTP/2, "Length-Prefixed-Message"; gRPC-Web and Connect use
// the same). Whoever talks in both directions at once waits for each message, so none may be held
// back.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace av::proxy {

// True for the media types whose bodies are such messages.
[[nodiscard]] bool has_prefixed_messages(std::string_view content_type);

class PrefixedMessages {
 public:
  // Takes the next bytes; how many of them lie before the end of the last message that ends in
  // them.
  std::size_t through_last_message(std::span<const char> data);

 private:
  bool broken_ = false;  // these are no messages: no end is believed
  std::uint32_t prefix_seen_ = 0;
  std::uint32_t left_ = 0;
};

}  // namespace av::proxy
