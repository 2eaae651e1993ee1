#include "core/clock.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace av {

std::int64_t SystemClock::wall_ms() const {
  return std::chrono::duration_cast<Millis>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::chrono::steady_clock::time_point SystemClock::steady() const {
  return std::chrono::steady_clock::now();
}

std::string format_utc(std::int64_t wall_ms) {
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  thread_local std::time_t last = -1;
  thread_local std::array<char, 40> text{};
  thread_local std::size_t used = 0;
  if (seconds != last) {
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    used = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    last = seconds;
  }
  std::string out(text.data(), used);
  const auto ms = static_cast<int>(wall_ms % 1000);
  out.push_back('.');
  out.push_back(static_cast<char>('0' + ms / 100));
  out.push_back(static_cast<char>('0' + ms / 10 % 10));
  out.push_back(static_cast<char>('0' + ms % 10));
  out.push_back('Z');
  return out;
}

}  // namespace av
