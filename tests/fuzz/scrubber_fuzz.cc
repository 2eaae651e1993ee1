// Reflection guard: no form of the value survives, at any split; everything else is untouched and
// lengths are kept.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proxy/body_filter.h"
#include "proxy/pattern_set.h"

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  // "\x01" in the input stands for the value, so that the fuzzer need not guess it.
  std::string text;
  for (std::size_t i = 2; i < size; ++i) {
    if (data[i] == 1) {
      text += kSecret;
    } else {
      text.push_back(static_cast<char>(data[i]));
    }
  }
  const std::size_t step = std::size_t{1} + data[0];
  Scrubber scrubber(patterns());
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += step) {
    std::string piece = text.substr(at, step);
    out += scrubber.feed(std::span(piece.data(), piece.size()), false);
  }
  out += scrubber.feed({}, true);
  if (out.size() != text.size() || out.find(kSecret) != std::string::npos) {
    std::abort();
  }
  if (scrubber.hits() == 0 && out != text) {
    std::abort();
  }
  // The same bytes as a damaged gzip body: never a crash, and never a success that is not one.
  BodyFilter filter(&patterns(), /*decode=*/true);
  filter.supply(std::span(text.data(), text.size()), true);
  while (!filter.next().empty()) {
  }
  return 0;
}
