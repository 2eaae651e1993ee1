#pragma once
// Conditions of rules on a request's body. Internal to vault.
//
// What decides is not what our parser likes but what some server might read: where that is in doubt
// (not JSON, a member named twice, cut short) the answer is kUnreadable, which a rule that
// restricts takes for yes and one that allows for no.

#include <optional>
#include <string_view>
#include <vector>

#include "vault/rule.h"
#include "vault/rule_set.h"

namespace av::vault {

enum class BodyAnswer : std::uint8_t { kNo, kYes, kUnreadable };

// Of all conditions together: one that does not hold settles it.
[[nodiscard]] BodyAnswer check_body(const Rule& rule, const BodyView& body);

}  // namespace av::vault
