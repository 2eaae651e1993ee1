#include "vault/oauth_refresh.h"

#include <algorithm>

namespace av::vault {

std::int64_t backoff_ms(std::uint32_t failures, std::int64_t retry_after_s) {
  const std::uint32_t doublings = std::min<std::uint32_t>(failures == 0 ? 0 : failures - 1, 16);
  const std::int64_t own = std::min(kFirstBackoffMs << doublings, kMostBackoffMs);
  const std::int64_t told =
      std::min(std::max<std::int64_t>(retry_after_s, 0), kMostRetryAfterMs / 1000) * 1000;
  return std::max(own, told);
}

}  // namespace av::vault
