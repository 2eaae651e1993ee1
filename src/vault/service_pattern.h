#pragma once
// The rules of the host and path patterns of a service. Internal to vault.

#include <string_view>

#include "core/expected.h"

namespace av::vault {

// "api.example.com", "*.example.com", an address or "localhost", in canonical form.
[[nodiscard]] Status check_host_pattern(std::string_view host);
// Empty, or "/..." in canonical form with single stars.
[[nodiscard]] Status check_path_pattern(std::string_view path);

}  // namespace av::vault
