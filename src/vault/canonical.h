#pragma once
// The one identity of a request. Every comparison of hosts, ports, schemes and paths in the program
// is between values made here, so no two stages can read one request in two ways.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/expected.h"

namespace av::vault {

enum class Scheme : std::uint8_t { kHttp, kHttps };
[[nodiscard]] std::string_view to_string(Scheme scheme);
[[nodiscard]] constexpr std::uint16_t default_port(Scheme scheme) {
  return scheme == Scheme::kHttps ? 443 : 80;
}

// Lower case, one trailing dot removed, strict ASCII letter-digit-hyphen labels (RFC 1123 section
// 2.1), at most 253 characters; a dotted-quad IPv4 or a bracketed IPv6 literal in its one canonical
// spelling (RFC 5952). Refused: empty labels, underscores, non-ASCII, zone ids, and every numeric
// form that inet_aton would accept but inet_pton does not (0x7f.1, 017700000001, 2130706433).
[[nodiscard]] Expected<std::string> canonical_host(std::string_view host);

struct Authority {
  std::string host;  // canonical
  std::uint16_t port = 0;
  bool operator==(const Authority&) const = default;
};
// "host", "host:port" or "[v6]:port". `default_port_if_absent` 0 makes the port mandatory. User
// information (`user@`) is refused.
[[nodiscard]] Expected<Authority> parse_authority(std::string_view text,
                                                  std::uint16_t default_port_if_absent);
// "host" or "host:port", the port left out when it is the scheme's default.
[[nodiscard]] std::string to_string(const Authority& authority, Scheme scheme);

// A request target split and made canonical. `path` starts with "/" (or is "*" for OPTIONS *);
// `query` has no "?" and is empty when `has_query` is false.
struct Target {
  std::string path;
  std::string query;
  bool has_query = false;
  [[nodiscard]] std::string to_string() const;
};
// Canonical path: percent-encoded unreserved characters decoded, other escapes in upper case, bytes
// that RFC 3986 does not allow raw encoded, dot segments resolved (RFC 3986 section 5.2.4). "%2F"
// stays data. Idempotent. Refused because two readers could disagree: a backslash or %5C, control
// characters, bad escapes, a fragment, a leading "//", a segment that turns into dot segments when
// "%2F", ";parameters" or a second layer of escapes are read.
[[nodiscard]] Expected<Target> canonical_target(std::string_view origin_form);

struct RequestIdentity {
  Scheme scheme = Scheme::kHttps;
  Authority authority;
  std::string method;
  Target target;
  // A POST whose body may be a form, out of which frameworks take another method.
  bool form = false;
};

}  // namespace av::vault
