// Reflection guard. Whatever the input: lengths are kept; no form that the slow judge knows lets
// the value be read afterwards; feeding in pieces gives what feeding at once gives, where lines end
// nothing; and text in which nothing was found is as it was.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/encoding.h"
#include "proxy/pattern_set.h"
#include "support/naive_guard.h"

using namespace av::proxy;

namespace {

const std::string kSecret = "k3y/with+odd\"chars=1234";

const PatternSet& patterns() {
  static const PatternSet set = [] {
    PatternSet s;
    s.add_value(kSecret);
    s.compile();
    return s;
  }();
  return set;
}

// So that the fuzzer need not guess the value: bytes below 32 stand for it in some form, the one
// after them says which characters are escaped.
std::string expanded(const std::uint8_t* data, std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint8_t what = data[i];
    if (what == 0 || what >= 8) {
      text.push_back(static_cast<char>(what));
      continue;
    }
    const unsigned mask = i + 1 < size ? data[++i] : 0;
    std::size_t n = 0;
    if (what == 6) {
      text += av::encoding::base64(std::string(mask % 5, 'p') + kSecret);
      continue;
    }
    for (const char c : kSecret) {
      const std::string hex =
          av::encoding::hex(std::span(reinterpret_cast<const std::uint8_t*>(&c), 1));
      const bool chosen = (mask >> (n++ % 8) & 1U) != 0;
      switch (chosen || what == 7 ? what : 0) {
        case 1:
          text += "%" + hex;
          break;
        case 2:
          text += "\\u00" + hex;
          break;
        case 3:
          text += "&#" + std::to_string(c) + ";";
          break;
        case 4:
          text += "\\x" + hex;
          break;
        case 5:
          text += "%25" + hex;
          break;
        case 7:
          text += hex + (chosen ? ":" : "");
          break;
        default:
          text += c;
      }
    }
  }
  return text;
}

std::string fed(const std::string& text, std::size_t step, std::size_t& hits) {
  Scrubber scrubber(patterns());
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += step) {
    std::string piece = text.substr(at, step);
    out += scrubber.feed(std::span(piece.data(), piece.size()), false);
  }
  out += scrubber.feed({}, true);
  hits = scrubber.hits();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 600) {
    return 0;
  }
  const std::string text = expanded(data + 1, size - 1);
  std::size_t hits = 0;
  const std::string whole = fed(text, text.size() + 1, hits);
  if (whole.size() != text.size() || (hits == 0 && whole != text) ||
      av::testing::naive_readable(whole, kSecret)) {
    std::abort();
  }
  const std::string pieces = fed(text, std::size_t{1} + data[0], hits);
  if (pieces.size() != text.size() || pieces.find(kSecret) != std::string::npos) {
    std::abort();
  }
  if (text.find('\n') == std::string::npos && pieces != whole) {
    std::abort();
  }
  return 0;
}
