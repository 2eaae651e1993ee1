#pragma once
// Whether a body contains a text, as bodies are read by servers. Internal to vault.

#include <string_view>

#include "vault/body_conditions.h"

namespace av::vault {

// `strict`: also behind escapes; kUnreadable for what is not in UTF-8 (UTF-16, UTF-32, a form or a
// part of one that says so), for parts in a transfer encoding, and for forms that are escaped more
// often than four times. The case of letters counts. Otherwise the very bytes.
[[nodiscard]] BodyAnswer body_contains(std::string_view text, std::string_view body, bool strict);

}  // namespace av::vault
