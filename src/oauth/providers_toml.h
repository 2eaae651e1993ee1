#pragma once
// The text of providers.toml, embedded at build.

#include <string_view>

namespace av::oauth {

[[nodiscard]] std::string_view providers_toml();

}  // namespace av::oauth
