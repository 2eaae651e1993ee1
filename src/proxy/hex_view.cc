#include "proxy/hex_view.h"

#include <algorithm>
#include <utility>

#include "proxy/text_shape.h"

namespace av::proxy {
namespace {

using shape::is;
using shape::is_x;
using shape::kBreak;
using shape::kHexDigit;
using shape::kSeparator;
using shape::kWidestGap;

constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

unsigned hex_digit(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u & 15U) + (u >> 6U) * 9U;  // of a character that is one
}

// Walks over the digits of one run of hex.
class HexWalk {
 public:
  HexWalk(std::string_view text, std::size_t from) : text_(text), at_(from) {}
  // The position of the next digit; kNowhere at the end of the run, which is then at end().
  std::size_t next() {
    if (!first_ && at_ < text_.size() && is(text_[at_], kHexDigit)) {
      return at_++;
    }
    std::size_t i = at_;
    std::size_t breaks = 0;
    while (i < text_.size() && is(text_[i], kSeparator)) {
      breaks += is(text_[i], kBreak) ? 1 : 0;
      // The first may come after any number: those before it belong to nobody.
      if (!first_ && (breaks == 2 || i - at_ == kWidestGap)) {
        at_ = i;
        return kNowhere;
      }
      ++i;
    }
    const bool at_token = first_ || i != at_;
    if (at_token && i + 2 < text_.size() && text_[i] == '0' && is_x(text_[i + 1]) &&
        is(text_[i + 2], kHexDigit)) {
      i += 2;
    }
    if (i >= text_.size() || !is(text_[i], kHexDigit)) {
      at_ = std::max(i, at_);
      return kNowhere;
    }
    first_ = false;
    at_ = i + 1;
    return i;
  }
  [[nodiscard]] std::size_t end() const { return at_; }

 private:
  std::string_view text_;
  std::size_t at_;
  bool first_ = true;
};

}  // namespace

bool HexView::decode(std::string_view source, std::size_t from, std::size_t least) {
  for (Phase& phase : phases_) {
    phase.size = 0;
    phase.runs.clear();
  }
  // Any run has `least` characters in a row of the classes that it may consist of; so it is enough
  // to look at every least-th, and back from there.
  const auto part = [&](std::size_t i) {
    return is(source[i], kHexDigit | kSeparator) || is_x(source[i]);
  };
  std::size_t at = from;
  std::size_t known = 0;  // up to there it has been seen that everything from `at` on is part
  while (at + least <= source.size()) {
    const std::size_t stop = std::max(at, known);
    std::size_t i = at + least;
    while (i > stop && part(i - 1)) {
      --i;
    }
    if (i > stop) {
      at = i;
      continue;
    }
    known = at + least;
    std::size_t end = at + 1;
    read_run(source, at, end, least);
    at = std::max(at + 1, end);
  }
  return phases_[0].size != 0;
}

void HexView::read_run(std::string_view source, std::size_t from, std::size_t& end,
                       std::size_t least) {
  HexWalk walk(source, from);
  const std::size_t first = walk.next();
  if (first == kNowhere) {
    end = walk.end();
    return;
  }
  const std::size_t sizes[2] = {phases_[0].size, phases_[1].size};
  char* outs[2];
  for (std::size_t i = 0; i < 2; ++i) {
    phases_[i].memory.reserve(source.size() / 2 + 16);
    phases_[i].begin = phases_[i].memory.data();
    outs[i] = phases_[i].begin + sizes[i];
  }
  unsigned pair = hex_digit(source[first]);
  std::size_t digits = 1;
  for (std::size_t at = walk.next(); at != kNowhere; at = walk.next()) {
    pair = (pair << 4U | hex_digit(source[at])) & 0xffU;
    *outs[0]++ = static_cast<char>(pair);
    std::swap(outs[0], outs[1]);
    ++digits;
  }
  end = walk.end();
  if (digits < least) {
    return;  // prose, numbers, dates
  }
  if (digits % 2 == 0) {
    std::swap(outs[0], outs[1]);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    *outs[i]++ = '\n';
    phases_[i].size = static_cast<std::size_t>(outs[i] - phases_[i].begin);
    phases_[i].runs.push_back(
        {static_cast<std::uint32_t>(sizes[i]), static_cast<std::uint32_t>(first)});
  }
}

TextView::Range HexView::source_of(std::string_view source, std::size_t way, std::size_t begin,
                                   std::size_t end) const {
  const Phase& phase = phases_[way];
  const auto after = std::upper_bound(phase.runs.begin(), phase.runs.end(), begin,
                                      [](std::size_t v, const Run& run) { return v < run.view; });
  const Run& run = *(after - 1);
  const std::size_t first = 2 * (begin - run.view) + way;
  const std::size_t last = 2 * (end - 1 - run.view) + way + 1;
  TextView::Range range;
  HexWalk walk(source, run.source);
  std::size_t n = 0;
  for (std::size_t at = walk.next(); at != kNowhere; at = walk.next()) {
    if (n == first) {
      range.begin = at;
    }
    if (n == last) {
      range.end = at + 1;
      break;
    }
    ++n;
  }
  return range;
}

}  // namespace av::proxy
