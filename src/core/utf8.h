#pragma once
// Code points as UTF-8 (RFC 3629 section 3), and what is taken for them.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace av {

// put(char) for each byte. A code point of more than 21 bits, or a surrogate, is the caller's to
// refuse.
template <typename Put>
void put_utf8(std::uint32_t point, const Put& put) {
  const auto byte = [&](std::uint32_t value) { put(static_cast<char>(value)); };
  if (point < 0x80U) {
    byte(point);
  } else if (point < 0x800U) {
    byte(0xc0U | (point >> 6U));
    byte(0x80U | (point & 0x3fU));
  } else if (point < 0x10000U) {
    byte(0xe0U | (point >> 12U));
    byte(0x80U | ((point >> 6U) & 0x3fU));
    byte(0x80U | (point & 0x3fU));
  } else {
    byte(0xf0U | (point >> 18U));
    byte(0x80U | ((point >> 12U) & 0x3fU));
    byte(0x80U | ((point >> 6U) & 0x3fU));
    byte(0x80U | (point & 0x3fU));
  }
}

// Whether `byte` behind `text` ends a character of ASCII that is written in more bytes than it has
// (C0 AF, E0 80 AF, F0 80 80 AF, ... for "/"): RFC 3629 section 3 forbids it, old decoders take it.
// Returns how many bytes of it are in `text` (0: it is none), and the character.
[[nodiscard]] inline std::size_t overlong_lead(std::string_view text, char byte, char& meant) {
  const auto at = [&](std::size_t back) {
    return static_cast<unsigned>(static_cast<unsigned char>(text[text.size() - back]));
  };
  const auto last = static_cast<unsigned>(static_cast<unsigned char>(byte));
  if ((last & 0xc0U) != 0x80U || text.empty()) {
    return 0;
  }
  const auto found = [&](std::uint32_t high, std::size_t lead) {
    meant = static_cast<char>((high << 6U) | (last & 0x3fU));
    return lead;
  };
  if (at(1) == 0xc0U || at(1) == 0xc1U) {
    return found(at(1) & 1U, 1);
  }
  if ((at(1) & 0xfeU) != 0x80U) {
    return 0;
  }
  // 80 or 81, behind as many 80 as the first byte wants.
  constexpr std::uint8_t kFirst[] = {0xe0, 0xf0, 0xf8, 0xfc};
  for (std::size_t zeros = 0; zeros < sizeof kFirst && text.size() >= zeros + 2; ++zeros) {
    if (at(zeros + 2) == kFirst[zeros]) {
      return found(at(1) & 1U, zeros + 2);
    }
    if (at(zeros + 2) != 0x80U) {
      return 0;
    }
  }
  return 0;
}

}  // namespace av
