#pragma once
// The names that people type: their rules, and the suggestion for a mistyped one.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"

namespace av::vault {

inline constexpr std::string_view kDefaultVault = "default";
inline constexpr std::size_t kMaxValueSize = std::size_t{1} << 20;

// Vaults, services, agents: 3 to 64 of [a-z0-9-], no hyphen at an end, no two in a row.
[[nodiscard]] Status check_slug(std::string_view what, std::string_view name);

// Credentials: ^[A-Z][A-Z0-9_]*$, at most 128 characters.
[[nodiscard]] Status check_credential_key(std::string_view key);

// The candidate nearest to `word`, or empty when none is near enough to be meant.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string> candidates);

}  // namespace av::vault
