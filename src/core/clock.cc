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

namespace {

// The digits of `text` from `at` on, or -1.
int number_at(std::string_view text, std::size_t at, std::size_t size) {
  if (text.size() < at + size) {
    return -1;
  }
  int value = 0;
  for (const char c : text.substr(at, size)) {
    if (c < '0' || c > '9') {
      return -1;
    }
    value = value * 10 + (c - '0');
  }
  return value;
}

bool has_at(std::string_view text, std::size_t at, std::string_view choices) {
  return at < text.size() && choices.find(text[at]) != std::string_view::npos;
}

// ":MM" behind "+HH" or "-HH", as minutes east of UTC.
std::optional<int> offset_of(std::string_view text) {
  if (text == "Z" || text == "z") {
    return 0;
  }
  const int hours = number_at(text, 1, 2);
  const int minutes = number_at(text, 4, 2);
  if (text.size() != 6 || !has_at(text, 0, "+-") || text[3] != ':' || hours < 0 || hours > 23 ||
      minutes < 0 || minutes > 59) {
    return std::nullopt;
  }
  return (text[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
}

}  // namespace

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  const int year = number_at(text, 0, 4);
  const int month = number_at(text, 5, 2);
  const int day = number_at(text, 8, 2);
  const int hour = number_at(text, 11, 2);
  const int minute = number_at(text, 14, 2);
  const int second = number_at(text, 17, 2);
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  // Section 5.7 allows 60 for a leap second, which is the next minute's first to us.
  if (year < 1970 || month < 0 || day < 0 || !date.ok() || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 60 || !has_at(text, 4, "-") || !has_at(text, 7, "-") ||
      !has_at(text, 10, "Tt ") || !has_at(text, 13, ":") || !has_at(text, 16, ":")) {
    return std::nullopt;
  }
  std::size_t at = 19;
  int millis = 0;
  if (has_at(text, at, ".")) {
    int scale = 100;
    const std::size_t begin = ++at;
    for (; has_at(text, at, "0123456789"); ++at, scale /= 10) {
      millis += (text[at] - '0') * scale;
    }
    if (at == begin) {
      return std::nullopt;
    }
  }
  const std::optional<int> offset = offset_of(text.substr(at));
  if (!offset) {
    return std::nullopt;
  }
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const std::int64_t minutes = (days * 24 + hour) * 60 + minute - *offset;
  const std::int64_t result = (minutes * 60 + second) * 1000 + millis;
  return result < 0 ? std::nullopt : std::optional(result);
}

}  // namespace av
