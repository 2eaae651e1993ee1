#pragma once
// RateLimiter: token buckets by key, in bounded memory. Belongs to one thread.

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "core/clock.h"

namespace av::api {

class RateLimiter {
 public:
  struct Rate {
    double burst = 240;
    double per_second = 10;
  };
  static constexpr std::size_t kMaxKeys = 10'000;

  RateLimiter(Rate rate, const Clock& clock) : rate_(rate), clock_(clock) {}

  // 0: it may go on, and one was taken. Else the seconds after which to try again, nothing taken.
  [[nodiscard]] std::int64_t take(const std::string& key);
  // Without taking.
  [[nodiscard]] std::int64_t look(const std::string& key) const;

 private:
  struct Bucket {
    double left = 0;
    std::chrono::steady_clock::time_point at;
  };
  [[nodiscard]] double left_in(const Bucket& bucket,
                               std::chrono::steady_clock::time_point now) const;
  void make_room(std::chrono::steady_clock::time_point now);

  Rate rate_;
  const Clock& clock_;
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace av::api
