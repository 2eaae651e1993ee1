#pragma once
// One-time codes by time (RFC 6238), of what password managers keep as "totp": a base32 seed, an
// otpauth URI (the Key Uri Format of Google Authenticator), "steam://SEED", or a code already.

#include <cstdint>
#include <optional>

#include "core/secret.h"

namespace av::source {

struct TotpCode {
  Secret code;
  std::int64_t left_ms = 0;  // until the next one
};
// Nothing when `kept` is none of them.
[[nodiscard]] std::optional<TotpCode> totp_code(const Secret& kept, std::int64_t wall_ms);

}  // namespace av::source
