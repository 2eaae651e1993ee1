#include "vault/flat_table.h"

#include <cstring>

namespace av::vault {
namespace {

std::uint64_t load(const char* at, std::size_t size) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, size);
  return word;
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

}  // namespace

std::uint64_t flat_hash(std::string_view text, std::uint64_t seed) {
  constexpr std::uint64_t kFirst = 0x9e3779b97f4a7c15U;
  constexpr std::uint64_t kSecond = 0xe7037ed1a0b428dbU;
  std::uint64_t hash = mix(seed ^ kFirst, text.size() ^ kSecond);
  const char* at = text.data();
  std::size_t left = text.size();
  for (; left > 8; at += 8, left -= 8) {
    hash = mix(hash ^ load(at, 8), kSecond);
  }
  // Whole words where the text has them: bytes before `at` were hashed already, and once more does
  // no harm.
  std::uint64_t tail = 0;
  if (text.size() >= 8) {
    tail = load(at + left - 8, 8);
  } else if (left >= 4) {
    tail = load(at, 4) | load(at + left - 4, 4) << 32U;
  } else if (left > 0) {
    tail = load(at, 1) | load(at + left / 2, 1) << 8U | load(at + left - 1, 1) << 16U;
  }
  return mix(hash ^ tail, kFirst);
}

}  // namespace av::vault
