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

std::string in_words(Millis duration) {
  struct Unit {
    std::int64_t seconds;
    const char* name;
  };
  constexpr Unit kUnits[] = {{86'400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
  std::int64_t left = duration.count() / 1000;
  std::string out;
  int named = 0;
  for (const Unit& unit : kUnits) {
    const std::int64_t here = left / unit.seconds;
    if (here > 0 && named < 2) {
      out += (out.empty() ? "" : " ") + std::to_string(here) + " " + unit.name;
      left -= here * unit.seconds;
    }
    named += here > 0 || named > 0 ? 1 : 0;
  }
  return out.empty() ? "0 s" : out;
}

}  // namespace av::cmd
