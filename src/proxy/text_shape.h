#pragma once
// The shapes of base64 and hex in text: which characters they consist of, and where they may go on
// behind the end of what is there. Nothing here knows any value.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/ascii.h"
#include "proxy/escape.h"

namespace av::proxy {

namespace shape {

// Classes of characters.
enum : std::uint8_t {
  kBase64 = 1,
  kHexDigit = 2,
  kSeparator = 4,
  kBlank = 8,
  kBreak = 16,
  kCarriage = 32
};
inline constexpr std::array<std::uint8_t, 256> kClass = [] {
  std::array<std::uint8_t, 256> table{};
  for (int i = 0; i < 256; ++i) {
    const auto c = static_cast<char>(i);
    unsigned bits = 0;
    if (ascii::is_alpha(c) || ascii::is_digit(c) || c == '+' || c == '/' || c == '-' || c == '_') {
      bits |= kBase64;
    }
    if (ascii::hex_value(c) >= 0) {
      bits |= kHexDigit;
    }
    if (c == ' ' || c == '\t') {
      bits |= kBlank | kSeparator;
    }
    if (c == '\n' || c == kEscapedLineFeed) {
      bits |= kBreak | kSeparator;
    }
    if (c == '\r' || c == ':' || c == '-' || c == ',' || c == ';') {
      bits |= kSeparator;
    }
    if (c == '\r') {
      bits |= kCarriage;
    }
    table[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(bits);
  }
  return table;
}();
inline bool is(char c, unsigned classes) {
  return (kClass[static_cast<unsigned char>(c)] & classes) != 0;
}
inline bool is_x(char c) {
  return c == 'x' || c == 'X';
}

// Between two digits of one run, or before a continued line of base64.
constexpr std::size_t kWidestGap = 32;

// Where a line of base64 that is ended by the break at `at` ends.
inline std::size_t line_end(std::string_view text, std::size_t at) {
  return at > 0 && text[at - 1] == '\r' ? at - 1 : at;
}

}  // namespace shape

// The shapes that may go on behind the end of `text`, for which reason the end cannot be decided
// yet. They depend on classes of characters only. Both return where the shape begins, at most
// `limit` of its characters from the end; text.size() when there is none.
//
// base64, over line breaks. A line break counts if kFullLine characters of base64 come before it.
[[nodiscard]] std::size_t open_base64(std::string_view text, std::size_t limit);
// Hex digits with separators; a line break counts after kFullLine digits in its line.
[[nodiscard]] std::size_t open_hex(std::string_view text, std::size_t limit);
constexpr std::size_t kFullLine = 16;

}  // namespace av::proxy
