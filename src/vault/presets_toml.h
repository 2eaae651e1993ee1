#pragma once
// The text of presets.toml, embedded at build.

#include <string_view>

namespace av::vault {

[[nodiscard]] std::string_view presets_toml();

}  // namespace av::vault
