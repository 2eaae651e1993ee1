#pragma once
// A provider that answers with what the fuzzer made, part after part.

#include <string>
#include <string_view>
#include <vector>

#include "fuzz/require.h"
#include "oauth/http_port.h"
#include "vault/oauth.h"

namespace av::fuzz {

inline Secret secret(std::string_view text) {
  auto out = Secret::copy_of(text);
  require(out.has_value());
  return std::move(*out);
}

class PartsPort : public oauth::HttpPort {
 public:
  explicit PartsPort(std::vector<std::string> parts) : parts_(std::move(parts)) {}
  Expected<oauth::HttpAnswer> send(const oauth::HttpRequest& request) override {
    // Nothing is ever sent to a place that is none.
    require(vault::check_endpoint(request.url, "url").has_value());
    oauth::HttpAnswer out;
    if (next_ == parts_.size()) {
      out.status = 404;
      return out;
    }
    const std::string& part = parts_[next_++];
    out.status = status;
    out.content_type = content_type;
    out.www_authenticate = www_authenticate;
    out.body = secret(part);
    return out;
  }

  int status = 200;
  std::string content_type = "application/json";
  std::string www_authenticate;

 private:
  std::vector<std::string> parts_;
  std::size_t next_ = 0;
};

// No control character, no byte that is not UTF-8 as text.
inline void require_printable(std::string_view text, std::size_t most) {
  require(text.size() <= most);
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    require(u >= 0x20 && u != 0x7f);
  }
}

inline void require_visible(const Secret& token, char least) {
  require(token.size() <= (std::size_t{64} << 10));
  token.reveal([&](std::string_view bytes) {
    for (const char c : bytes) {
      require(c >= least && c < '\x7f');
    }
  });
}

}  // namespace av::fuzz
