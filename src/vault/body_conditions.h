#pragma once
// Conditions of rules on a request's body. Internal to vault.
//
// What decides is not what our parser likes but what some server might read. A rule that restricts
// looks for its text behind the escapes of JSON (also of JSON within JSON) and of forms too,
// whether the rest is well-formed or not. Values at a pointer are taken from whole documents only,
// names of members without regard to case, and where two readers could differ (not JSON, a member
// named twice) the answer is kUnreadable, which a rule that restricts takes for yes and one that
// allows for no.

#include <cstdint>
#include <string_view>

#include "vault/rule.h"
#include "vault/rule_set.h"

namespace av::vault {

enum class BodyAnswer : std::uint8_t { kNo, kYes, kUnreadable };

// Of all conditions together: one that does not hold settles it.
[[nodiscard]] BodyAnswer check_body(const Rule& rule, const BodyView& body);

// A string, number, boolean or null in JSON: what kJsonEquals compares with.
[[nodiscard]] bool is_json_scalar(std::string_view text);

}  // namespace av::vault
