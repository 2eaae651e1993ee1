#pragma once
// One code point as UTF-8 (RFC 3629 section 3).

#include <cstdint>

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

}  // namespace av
