#include "api/rate_limiter.h"

#include <algorithm>
#include <cmath>

namespace av::api {

double RateLimiter::left_in(const Bucket& bucket, std::chrono::steady_clock::time_point now) const {
  const double seconds = std::chrono::duration<double>(now - bucket.at).count();
  return std::min(rate_.burst, bucket.left + std::max(0.0, seconds) * rate_.per_second);
}

// Full buckets say nothing that a missing one does not. When all are in use, the fullest goes:
// whoever fills the table with new keys loses those first.
void RateLimiter::make_room(std::chrono::steady_clock::time_point now) {
  if (buckets_.size() < kMaxKeys) {
    return;
  }
  std::erase_if(buckets_,
                [&](const auto& entry) { return left_in(entry.second, now) >= rate_.burst; });
  if (buckets_.size() >= kMaxKeys) {
    buckets_.erase(
        std::max_element(buckets_.begin(), buckets_.end(), [&](const auto& a, const auto& b) {
          return left_in(a.second, now) < left_in(b.second, now);
        }));
  }
}

std::int64_t RateLimiter::look(const std::string& key) const {
  const auto it = buckets_.find(key);
  const double left = it == buckets_.end() ? rate_.burst : left_in(it->second, clock_.steady());
  return left >= 1 ? 0
                   : std::max<std::int64_t>(
                         1, static_cast<std::int64_t>(std::ceil((1 - left) / rate_.per_second)));
}

std::int64_t RateLimiter::take(const std::string& key) {
  const auto now = clock_.steady();
  auto it = buckets_.find(key);
  if (it == buckets_.end()) {
    make_room(now);
    it = buckets_.emplace(key, Bucket{rate_.burst, now}).first;
  }
  if (const std::int64_t wait = look(key)) {
    return wait;
  }
  it->second.left = left_in(it->second, now) - 1;
  it->second.at = now;
  return 0;
}

}  // namespace av::api
