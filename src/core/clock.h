#pragma once
// Time as the one thing that tests replace. Wall time for records, steady time for deadlines.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace av {

using Millis = std::chrono::milliseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since the epoch, UTC.
  [[nodiscard]] virtual std::int64_t wall_ms() const = 0;
  [[nodiscard]] virtual std::chrono::steady_clock::time_point steady() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override;
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override;
};

// RFC 3339 in UTC with milliseconds: 2026-01-31T08:09:10.123Z.
[[nodiscard]] std::string format_utc(std::int64_t wall_ms);
// RFC 3339 with any offset and any fraction (cut to milliseconds), from 1970 to 9999.
[[nodiscard]] std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace av
