#pragma once
// Forms (application/x-www-form-urlencoded), read strictly: broken escapes and control characters
// are refused, not guessed at.

#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"

namespace av::oauth {

struct FormField {
  std::string name;
  SecretBuffer value;
};
// At most 64 fields. kInvalid, which never quotes the text.
[[nodiscard]] Expected<std::vector<FormField>> read_form(std::string_view text);

}  // namespace av::oauth
