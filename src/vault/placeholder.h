#pragma once
// Placeholders: what the agent holds instead of a value. Worthless, of the shape that tools check
// for, and new in every run.

#include <string>
#include <string_view>

#include "core/expected.h"
#include "vault/service.h"

namespace av::vault {

// "sk-av-{40}" -> "sk-av-" and 40 random letters and digits. An empty shape means "av_ph_{32}".
[[nodiscard]] std::string make_placeholder(std::string_view shape);
// What the agent holds for `key` so that the service works: where it substitutes a fixed text, only
// that does; elsewhere one of its shape.
[[nodiscard]] std::string placeholder_for(const Service& service, std::string_view key);
// One "{N}" with 16 <= N <= 200, the rest printable ASCII without white space or quotes.
[[nodiscard]] Status check_placeholder_shape(std::string_view shape);

}  // namespace av::vault
