#pragma once
// How often a grant for several requests (approval.h) still lets one pass.

#include <cstdint>
#include <optional>
#include <string_view>

#include "vault/approval.h"
#include "vault/limits.h"

namespace av::vault {

// How many more requests it lets pass; nullopt: any number until it expires. Without counters, or
// when they cannot be read, as many as it had.
[[nodiscard]] std::optional<std::uint32_t> uses_left(const ApprovalGrant& grant,
                                                     std::string_view vault_uid,
                                                     LimitLedger* ledger, std::int64_t now_ms);

}  // namespace av::vault
