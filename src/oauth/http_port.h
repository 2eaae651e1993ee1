#pragma once
// HttpPort: how this library reaches a provider. What implements it verifies certificates, checks
// addresses, goes through the user's own proxy, follows no redirect, and bounds time and size.

#include <string>
#include <string_view>

#include "core/expected.h"
#include "core/secret.h"

namespace av::oauth {

struct HttpRequest {
  std::string method = "POST";
  std::string url;           // checked by vault::check_oauth_client or check_endpoint
  std::string content_type;  // empty: no body
  std::string accept = "application/json";
  SecretBuffer authorization;  // value of that field; empty: none
  SecretBuffer body;
};

struct HttpAnswer {
  int status = 0;
  std::string content_type;
  std::string retry_after;
  std::string www_authenticate;
  Secret body;  // at most kMostBody; a longer one is an error of the port
};
inline constexpr std::size_t kMostBody = std::size_t{256} << 10;

// Also sends a User-Agent, which GitHub's API insists on, and Content-Length: 0 with a POST that
// has no body.
class HttpPort {
 public:
  virtual ~HttpPort() = default;
  // kNetwork: could not be reached, or did not answer in time. kNotPermitted: its address is not
  // to be talked to. kCrypto: its certificate is not good. kInvalid: the answer is not HTTP, or
  // too long.
  [[nodiscard]] virtual Expected<HttpAnswer> send(const HttpRequest& request) = 0;
};

}  // namespace av::oauth
