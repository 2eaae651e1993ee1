#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "cmd/http_client.h"

namespace av::cmd {
namespace {

bool is_host_text(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == ':';
  });
}

}  // namespace

std::string HttpUrl::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? "443" : "80") ? name : name + ":" + port;
}

std::string HttpUrl::text() const {
  return (tls ? "https://" : "http://") + authority() + path;
}

bool HttpUrl::is_loopback() const {
  // Addresses only in full: a name may begin like one and be anybody's.
  struct in_addr four {};
  if (::inet_pton(AF_INET, host.c_str(), &four) == 1) {
    return (ntohl(four.s_addr) >> 24) == 127;
  }
  struct in6_addr six {};
  if (::inet_pton(AF_INET6, host.c_str(), &six) == 1) {
    return std::memcmp(&six, &in6addr_loopback, sizeof(six)) == 0;
  }
  return host == "localhost";
}

Expected<HttpUrl> parse_http_url(std::string_view text, std::string_view what) {
  const Error bad = make_error(ErrorCode::kUsage, "not the URL of " + std::string(what),
                               "like https://host.example:4318; no user, query or fragment");
  HttpUrl url;
  url.tls = text.starts_with("https://");
  if (!url.tls && !text.starts_with("http://")) {
    return bad;
  }
  text.remove_prefix(url.tls ? 8 : 7);
  const std::size_t slash = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, slash);
  url.path = text.substr(slash);
  const bool plain_path = std::all_of(url.path.begin(), url.path.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '?' && c != '#';
  });
  url.port = url.tls ? "443" : "80";
  const std::size_t bracket = authority.starts_with("[") ? authority.find(']') : 0;
  const std::size_t colon =
      bracket == std::string_view::npos ? bracket : authority.find(':', bracket);
  if (colon != std::string_view::npos) {
    url.port = authority.substr(colon + 1);
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with("[") && authority.ends_with("]")) {
    authority = authority.substr(1, authority.size() - 2);
  }
  url.host = authority;
  const bool port_ok = !url.port.empty() && url.port.size() <= 5 &&
                       url.port.find_first_not_of("0123456789") == std::string::npos;
  if (!plain_path || !is_host_text(url.host) || !port_ok) {
    return bad;
  }
  url.path = url.path.empty() ? "/" : url.path;
  return url;
}

}  // namespace av::cmd
