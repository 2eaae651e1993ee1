#pragma once
// Vaults, items and fields of 1Password as its JSON has them (of `op ... --format json` and of
// Connect alike), as lists of references: names, ids and hosts, never values.

#include <string>
#include <string_view>
#include <vector>

#include "source/provider.h"
#include "vault/json_view.h"

namespace av::source {

// The canonical host of what people keep as a website: a URL, or a bare host. Empty when it is
// none.
[[nodiscard]] std::string host_of_website(std::string_view website);

// At most 2000 each. What a reference cannot spell is referred to by its id.
[[nodiscard]] std::vector<Listed> op_vaults(const vault::JsonView& vaults);
// Hosts of LOGIN items only.
[[nodiscard]] std::vector<Listed> op_items(const vault::JsonView& items,
                                           const std::string& vault_name);
[[nodiscard]] std::vector<Listed> op_fields(const vault::JsonView& item,
                                            const std::string& vault_name,
                                            const std::string& item_name);

// A member that is a string; empty when it is absent or something else.
[[nodiscard]] std::string text_member(const vault::JsonView& object, std::string_view name);
// Of the section with that id among an item's `sections`, or the field's own; may be empty.
[[nodiscard]] std::string section_label(const vault::JsonView& item, const vault::JsonView& field);
// How long from now until the one-time code changes: periods of 30 s, RFC 6238 section 4.1.
[[nodiscard]] std::int64_t until_next_code(std::int64_t wall_ms);

}  // namespace av::source
