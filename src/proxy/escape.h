#pragma once
// One escape sequence of the kinds that text goes through on its way back: percent-encoding (%XX,
// %uXXXX), backslashes (JSON, JavaScript, C, Python, Rust, shells) and HTML's character references.
// All kinds at once, so that any mixture of them is read.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace av::proxy {

struct Escape {
  enum class State : std::uint8_t {
    kNone,   // no escape: the introducer stands for itself
    kCut,    // the text ends before that can be told
    kWhole,  // `size` bytes stand for the `decoded_size` bytes of `decoded`
  };
  State state = State::kNone;
  std::uint8_t size = 0;
  std::uint8_t decoded_size = 0;
  // The first byte is the lowest. One number, since it stays in a register: bytes that are stored
  // one by one and read together make a processor wait.
  std::uint32_t decoded = 0;

  static constexpr std::size_t kMostDecoded = 4;
  // Writes kMostDecoded bytes, of which decoded_size count.
  void write(char* out) const {
    if constexpr (std::endian::native == std::endian::little) {
      std::memcpy(out, &decoded, kMostDecoded);
    } else {
      for (std::size_t i = 0; i < kMostDecoded; ++i) {
        out[i] = static_cast<char>(decoded >> (8 * i) & 0xffU);
      }
    }
  }
};

// No escape is longer: "&#x0001F600;", or two of JSON's for one character.
constexpr std::size_t kMaxEscape = 12;

// What an escaped line feed becomes. Real line feeds delimit what the guard decides at once, so an
// escaped one must not look like one.
constexpr char kEscapedLineFeed = '\v';

[[nodiscard]] constexpr bool is_introducer(char c) {
  return c == '%' || c == '\\' || c == '&';
}

// What the second byte says, by introducer: most escapes and most of what is none end there.
// 0: no escape; 1: to be parsed; else: an escape of two bytes, for this byte.
enum class Introducer : std::uint8_t { kBackslash, kPercent, kAmpersand };
// Two bits tell them apart.
[[nodiscard]] constexpr Introducer introducer(char c) {
  return static_cast<Introducer>(static_cast<unsigned char>(c) & 3U);
}
static_assert(introducer('\\') == Introducer::kBackslash &&
              introducer('%') == Introducer::kPercent && introducer('&') == Introducer::kAmpersand);
extern const std::array<std::array<std::uint8_t, 256>, 3> kSecondByte;

// `text` begins with an introducer. `last`: nothing comes after it; never kCut then.
[[nodiscard]] Escape parse_escape(std::string_view text, bool last);

}  // namespace av::proxy
