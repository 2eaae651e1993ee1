#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "cmd/otlp_client.h"
#include "proxy/head.h"

namespace av::cmd {
namespace {

constexpr std::string_view kLogsPath = "/v1/logs";

bool is_host_text(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == ':';
  });
}

}  // namespace

std::string CollectorUrl::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? "443" : "80") ? name : name + ":" + port;
}

std::string CollectorUrl::text() const {
  return (tls ? "https://" : "http://") + authority() + path;
}

bool CollectorUrl::is_loopback() const {
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

Expected<CollectorUrl> parse_collector_url(std::string_view text, bool add_path) {
  const Error bad = make_error(ErrorCode::kUsage, "not the URL of a collector",
                               "like https://collector.example:4318; no user, query or fragment");
  CollectorUrl url;
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
  if (add_path && !url.path.ends_with(kLogsPath)) {
    while (url.path.ends_with('/')) {
      url.path.pop_back();
    }
    url.path += kLogsPath;
  }
  url.path = url.path.empty() ? "/" : url.path;
  return url;
}

Status append_headers(SecretBuffer& out, std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty() || line.front() == '#') {
      continue;
    }
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, std::min(colon, line.size()));
    std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
      return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    });
    // Those that this client writes itself.
    const bool ours = proxy::iequals(name, "Host") || proxy::iequals(name, "Content-Length") ||
                      proxy::iequals(name, "Content-Type") || proxy::iequals(name, "Connection") ||
                      proxy::iequals(name, "Transfer-Encoding");
    if (!proxy::is_token(name) || value.empty() || !plain || ours) {
      return make_error(ErrorCode::kInvalid, "a header is not like 'Name: value'",
                        "one to a line; Host, Connection and those of the content are not yours");
    }
    out.append(name);
    out.append(": ");
    out.append(value);
    out.append("\r\n");
  }
  return {};
}

}  // namespace av::cmd
