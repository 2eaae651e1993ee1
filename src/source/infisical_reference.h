#pragma once
// References to Infisical: infisical://[FOLDER/...]NAME[?env=SLUG] for a secret, and the same with
// #FIELD for a dynamic secret, which has several values and is made when it is read.

#include <string>
#include <string_view>

#include "source/kinds.h"
#include "source/provider.h"

namespace av::source {

[[nodiscard]] Result<Reference> parse_infisical(std::string_view text);

struct InfisicalItem {
  bool dynamic = false;
  std::string folder;       // "a/b", or empty; not encoded
  std::string name;         // empty for a folder
  std::string environment;  // empty: the store's
};
// Of an item that parse_infisical() made. kInvalid.
[[nodiscard]] Result<InfisicalItem> infisical_item(std::string_view item);

// What list() is given: infisical://FOLDER/[?env=SLUG].
[[nodiscard]] Result<InfisicalItem> infisical_folder(std::string_view text);

// Small letters, digits and hyphens (and what old projects have); at most 64.
[[nodiscard]] bool is_slug(std::string_view text);

}  // namespace av::source
