#include "proxy/prefixed_messages.h"

#include <algorithm>

#include "core/ascii.h"
#include "proxy/head.h"

namespace av::proxy {
namespace {

constexpr std::uint32_t kPrefix = 5;
constexpr unsigned kCompressed = 0x01U;
// The end of the stream in Connect; trailers in gRPC-Web.
constexpr unsigned kKnownFlags = kCompressed | 0x02U | 0x80U;

}  // namespace

bool has_prefixed_messages(std::string_view content_type) {
  const std::string_view type = ascii::trim(content_type.substr(0, content_type.find(';')));
  const std::string_view base = type.substr(0, type.find('+'));
  return iequals(base, "application/grpc") || iequals(base, "application/grpc-web") ||
         (iequals(base, "application/connect") && base.size() != type.size());
}

std::size_t PrefixedMessages::through_last_message(std::span<const char> data) {
  std::size_t last = 0;
  for (std::size_t i = 0; i < data.size() && !broken_;) {
    if (prefix_seen_ < kPrefix) {
      const auto byte = static_cast<unsigned char>(data[i++]);
      // A server that lets its client choose the media type of what it echoes must not be able to
      // place an "end" inside a value: text does not begin with these.
      if (prefix_seen_ == 0) {
        broken_ = (byte & ~kKnownFlags) != 0;
        compressed_ = compressed_ || (!broken_ && (byte & kCompressed) != 0);
      }
      left_ = prefix_seen_++ == 0 ? 0 : left_ << 8U | byte;
    } else {
      const std::size_t take = std::min<std::size_t>(left_, data.size() - i);
      left_ -= static_cast<std::uint32_t>(take);
      i += take;
    }
    if (prefix_seen_ == kPrefix && left_ == 0) {
      prefix_seen_ = 0;
      last = i;
    }
  }
  return last;
}

}  // namespace av::proxy
