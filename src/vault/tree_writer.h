#pragma once
// Trees as text again, in JSON and in TOML. Internal to the codecs.

#include <string>

#include "vault/text_tree.h"

namespace av::vault {

// `pretty` with two spaces; otherwise one line. Bytes that are not UTF-8 are replaced.
[[nodiscard]] std::string dump_json(const TextTree::Json& tree, bool pretty);
// "key = value" lines of one table; what is below its own fields stands on one line each. TOML has
// no null.
[[nodiscard]] std::string toml_fields(const TextTree::Json& table);

}  // namespace av::vault
