#pragma once
// Takes the secret strings out of a JSON text that is itself a secret, so that the rest can be read
// like any other text.

#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"

namespace av::vault {

struct CutJson {
  // As it was, byte for byte at the same places, but for the strings of the members called `member`
  // (anywhere): in the text those are the index of their value below, in digits, and blanks. An
  // empty string stays one.
  std::string text;
  std::vector<Secret> values;  // unescaped, UTF-8
};
// At most ten values. The text need not be JSON; whether it is, the next reader finds. kInvalid
// where a value is no JSON string, or a member's name has an escape.
[[nodiscard]] Expected<CutJson> cut_secret_members(const Secret& json, std::string_view member);

}  // namespace av::vault
