#pragma once
// Reads one service out of a parsed text. Internal to service_codec and preset.

#include <span>
#include <string>
#include <string_view>

#include "core/expected.h"
#include "vault/service.h"
#include "vault/text_tree.h"

namespace av::vault {

// `node` stands at `path` in `tree`. The service has passed check_service.
[[nodiscard]] Expected<Service> read_service(const TextTree& tree, const TextTree::Json& node,
                                             const std::string& path);

// kInvalid, pointing at the first member of `node` that is not among `known`.
[[nodiscard]] Status check_members(const TextTree& tree, const TextTree::Json& node,
                                   const std::string& path,
                                   std::span<const std::string_view> known);

}  // namespace av::vault
