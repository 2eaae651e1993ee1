#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>

#include "core/ascii.h"
#include "vault/canonical.h"

namespace av::vault {
namespace {

using ascii::hex_value;
using ascii::is_alpha;
using ascii::is_digit;

constexpr std::size_t kMaxHost = 253;  // RFC 1035 section 2.3.4, without the root dot
constexpr std::size_t kMaxLabel = 63;

Error invalid(std::string message, std::string hint = {}) {
  return make_error(ErrorCode::kInvalid, std::move(message), std::move(hint));
}

// "ends in a number" as WHATWG URL defines it: such a host is an IPv4 address or nothing.
bool is_numeric_label(std::string_view label) {
  if (label.size() >= 2 && label[0] == '0' && label[1] == 'x') {
    for (const char c : label.substr(2)) {
      if (hex_value(c) < 0) {
        return false;
      }
    }
    return true;
  }
  for (const char c : label) {
    if (!is_digit(c)) {
      return false;
    }
  }
  return !label.empty();
}

Expected<std::string> canonical_ipv6(std::string_view bracketed) {
  if (bracketed.size() < 4 || bracketed.back() != ']') {
    return invalid("IPv6 address lacks its closing bracket");
  }
  const std::string inner(bracketed.substr(1, bracketed.size() - 2));
  if (inner.find('\0') != std::string::npos) {
    return invalid("IPv6 address is malformed");
  }
  in6_addr address{};
  if (::inet_pton(AF_INET6, inner.c_str(), &address) != 1) {
    return invalid("IPv6 address is malformed", "write it as [2001:db8::1], without a zone");
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_ntop(AF_INET6, &address, text.data(), text.size()) == nullptr) {
    return invalid("IPv6 address is malformed");
  }
  return "[" + std::string(text.data()) + "]";
}

Status check_label(std::string_view label) {
  if (label.empty()) {
    return invalid("host name has an empty label");
  }
  if (label.size() > kMaxLabel) {
    return invalid("host name has a label of more than 63 characters");
  }
  for (const char c : label) {
    if (!is_alpha(c) && !is_digit(c) && c != '-') {
      return invalid("host name has a character other than letters, digits and hyphens",
                     "write an international name in its xn-- form");
    }
  }
  if (label.front() == '-' || label.back() == '-') {
    return invalid("host name has a label that begins or ends with a hyphen");
  }
  return {};
}

Expected<std::uint16_t> parse_port(std::string_view text) {
  unsigned value = 0;
  for (const char c : text) {
    if (!is_digit(c) || value > 65535) {
      return invalid("port is not a number from 1 to 65535");
    }
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  // A leading zero is octal to some readers.
  if (text.empty() || text.front() == '0' || value > 65535) {
    return invalid("port is not a number from 1 to 65535");
  }
  return static_cast<std::uint16_t>(value);
}

}  // namespace

std::string_view to_string(Scheme scheme) {
  return scheme == Scheme::kHttps ? "https" : "http";
}

Expected<std::string> canonical_host(std::string_view host) {
  if (host.empty()) {
    return invalid("host name is empty");
  }
  if (host.front() == '[') {
    return canonical_ipv6(host);
  }
  std::string_view name = host;
  if (name.back() == '.') {
    name.remove_suffix(1);
  }
  if (name.size() > kMaxHost) {
    return invalid("host name is longer than 253 characters");
  }
  std::string_view rest = name;
  for (;;) {
    const std::size_t dot = rest.find('.');
    AV_CHECK(check_label(rest.substr(0, dot)));
    if (dot == std::string_view::npos) {
      break;
    }
    rest.remove_prefix(dot + 1);
  }
  std::string out = ascii::lower(name);
  const std::size_t last_dot = out.rfind('.');
  const std::string_view last =
      std::string_view(out).substr(last_dot == std::string::npos ? 0 : last_dot + 1);
  if (is_numeric_label(last)) {
    in_addr address{};
    if (name.size() != host.size() || ::inet_pton(AF_INET, out.c_str(), &address) != 1) {
      return invalid("host ends in a number but is not an IPv4 address",
                     "write four decimal numbers, like 192.0.2.1");
    }
  }
  return out;
}

Expected<Authority> parse_authority(std::string_view text, std::uint16_t default_port_if_absent) {
  if (text.find('@') != std::string_view::npos) {
    return invalid("authority has user information before the host");
  }
  std::size_t colon = text.find(':');
  if (!text.empty() && text.front() == '[') {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) {
      return invalid("IPv6 address lacks its closing bracket");
    }
    const bool more = bracket + 1 < text.size();
    if (more && text[bracket + 1] != ':') {
      return invalid("text follows the IPv6 address");
    }
    colon = more ? bracket + 1 : std::string_view::npos;
  }
  Authority authority;
  AV_TRY(authority.host, canonical_host(text.substr(0, colon)));
  if (colon != std::string_view::npos) {
    AV_TRY(authority.port, parse_port(text.substr(colon + 1)));
  } else if (default_port_if_absent == 0) {
    return invalid("authority has no port");
  } else {
    authority.port = default_port_if_absent;
  }
  return authority;
}

std::string to_string(const Authority& authority, Scheme scheme) {
  if (authority.port == default_port(scheme)) {
    return authority.host;
  }
  return authority.host + ":" + std::to_string(authority.port);
}

}  // namespace av::vault
