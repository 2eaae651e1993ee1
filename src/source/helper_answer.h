#pragma once
// What a credential helper answers (git-credential(1), INPUT/OUTPUT FORMAT).

#include "core/secret.h"
#include "source/provider.h"

namespace av::source {

// The password as the field "", `username` if there is one. kNotFound without a password, or with
// quit=1; kDenied when it has expired (password_expiry_utc).
[[nodiscard]] Result<Record> helper_record(const Secret& answer, std::int64_t wall_ms);

}  // namespace av::source
