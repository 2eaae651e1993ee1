#pragma once
// The host and path patterns of services and rules. Internal to vault.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/expected.h"

namespace av::vault {

// "api.example.com", "*.example.com", an address or "localhost", in canonical form.
[[nodiscard]] Status check_host_pattern(std::string_view host);
// Empty, or "/..." in canonical form with single stars.
[[nodiscard]] Status check_path_pattern(std::string_view path);

// "host[:port][/path]" in its parts, canonical and checked.
struct MatcherParts {
  std::string host;
  std::uint16_t port = 0;  // 0: none was given
  std::string path;
};
[[nodiscard]] Expected<MatcherParts> split_matcher_text(std::string_view text);

}  // namespace av::vault
