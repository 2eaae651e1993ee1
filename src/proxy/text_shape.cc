#include "proxy/text_shape.h"

namespace av::proxy {

using shape::is;
using shape::is_x;
using shape::kWidestGap;

std::size_t open_base64(std::string_view text, std::size_t limit) {
  const auto full_line_before = [&](std::size_t end) {
    if (end < kFullLine) {
      return false;
    }
    for (std::size_t i = end - kFullLine; i < end; ++i) {
      if (!is(text[i], shape::kBase64)) {
        return false;
      }
    }
    return true;
  };
  std::size_t i = text.size();
  std::size_t begin = i;
  std::size_t count = 0;
  if (i > 0 && text[i - 1] == '\r' && full_line_before(i - 1)) {
    --i;  // a line break may be about to come
  }
  for (;;) {
    while (i > 0 && count < limit && is(text[i - 1], shape::kBase64)) {
      --i;
      ++count;
      begin = i;
    }
    if (count == limit) {
      return begin;
    }
    std::size_t at = i;
    while (at > 0 && i - at < kWidestGap && is(text[at - 1], shape::kBlank)) {
      --at;
    }
    if (at == 0 || !is(text[at - 1], shape::kBreak)) {
      return begin;
    }
    const std::size_t end = shape::line_end(text, at - 1);
    if (!full_line_before(end)) {
      return begin;
    }
    i = end;
  }
}

std::size_t open_hex(std::string_view text, std::size_t limit) {
  // Whether the line that ends before `end` has enough digits at its end.
  const auto full_line_before = [&](std::size_t end) {
    std::size_t digits = 0;
    std::size_t gap = 0;
    for (std::size_t i = end; i > 0 && digits < kFullLine && gap <= kWidestGap; --i) {
      const char c = text[i - 1];
      if (is(c, shape::kHexDigit)) {
        ++digits;
        gap = 0;
      } else if (is(c, shape::kBreak) || !(is(c, shape::kSeparator) || is_x(c))) {
        break;
      } else {
        ++gap;
      }
    }
    return digits == kFullLine;
  };
  std::size_t begin = text.size();
  std::size_t digits = 0;
  std::size_t gap = 0;
  std::size_t breaks = 0;
  for (std::size_t i = text.size(); i > 0 && digits < limit; --i) {
    const char c = text[i - 1];
    if (is(c, shape::kHexDigit)) {
      digits += c == '0' && i < text.size() && is_x(text[i]) ? 0 : 1;
      begin = i - 1;
      gap = 0;
      breaks = 0;
      continue;
    }
    if (is(c, shape::kBreak) && (++breaks == 2 || (c == '\n' && !full_line_before(i - 1)))) {
      break;
    }
    if (!(is(c, shape::kSeparator) || is_x(c)) || ++gap > kWidestGap) {
      break;
    }
  }
  return begin;
}

}  // namespace av::proxy
