#pragma once
// Placeholders: what the agent holds instead of a value. Worthless, of the shape that tools check
// for, and new in every run.

#include <string>
#include <string_view>

#include "core/expected.h"

namespace av::vault {

// "sk-av-{40}" -> "sk-av-" and 40 random letters and digits. An empty shape means "av_ph_{32}".
[[nodiscard]] std::string make_placeholder(std::string_view shape);
// One "{N}" with 16 <= N <= 200, the rest printable ASCII without white space or quotes.
[[nodiscard]] Status check_placeholder_shape(std::string_view shape);

}  // namespace av::vault
