#include "cmd/duration.h"

#include <charconv>

namespace av::cmd {

std::optional<Millis> read_duration(std::string_view text) {
  constexpr std::int64_t kMost = 100'000'000;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit =
      error == std::errc() ? text.substr(static_cast<std::size_t>(end - text.data())) : "";
  const std::int64_t seconds = unit == "s"   ? 1
                               : unit == "m" ? 60
                               : unit == "h" ? 3600
                               : unit == "d" ? 86'400
                                             : 0;
  if (seconds == 0 || number < 0 || number > kMost) {
    return std::nullopt;
  }
  return Millis(number * seconds * 1000);
}

Expected<Millis> parse_duration(std::string_view text) {
  constexpr Millis kLongest{std::int64_t{365} * 86'400 * 1000};
  const auto duration = read_duration(text);
  if (!duration || duration->count() == 0 || *duration > kLongest) {
    return make_error(ErrorCode::kUsage, "a duration is a number and s, m, h or d, up to 365d",
                      "like 90s, 30m, 8h or 2d");
  }
  return *duration;
}

}  // namespace av::cmd
