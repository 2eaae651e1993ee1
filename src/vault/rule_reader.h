#pragma once
// Reads one rule, or one expectation, out of a parsed text. Internal to rule_codec.

#include <string>

#include "core/expected.h"
#include "vault/rule_codec.h"
#include "vault/text_tree.h"

namespace av::vault {

// `node` stands at `path` in `tree`. The rule has passed check_rule.
[[nodiscard]] Expected<Rule> read_rule(const TextTree& tree, const TextTree::Json& node,
                                       const std::string& path);
[[nodiscard]] Expected<Expectation> read_expectation(const TextTree& tree,
                                                     const TextTree::Json& node,
                                                     const std::string& path);

}  // namespace av::vault
