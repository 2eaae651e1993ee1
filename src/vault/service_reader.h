#pragma once
// Reads one service out of a parsed text. Internal to service_codec and preset.

#include <string>

#include "core/expected.h"
#include "vault/service.h"
#include "vault/text_tree.h"

namespace av::vault {

// `node` stands at `path` in `tree`. The service has passed check_service.
[[nodiscard]] Expected<Service> read_service(const TextTree& tree, const TextTree::Json& node,
                                             const std::string& path);

}  // namespace av::vault
