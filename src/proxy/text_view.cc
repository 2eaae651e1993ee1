#include "proxy/text_view.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "core/ascii.h"
#include "proxy/escape.h"

namespace av::proxy {
namespace {

// Two line feeds: no pattern has one, and no base64 or hex goes on behind an empty line.
constexpr std::string_view kGap = "\n\n";

constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

// The next of a few bytes, each looked for by memchr once.
template <std::size_t N>
class NextOf {
 public:
  NextOf(std::string_view text, std::array<char, N> wanted) : text_(text), wanted_(wanted) {
    for (std::size_t i = 0; i < N; ++i) {
      next_[i] = find(wanted_[i], 0);
    }
  }
  // The first at or behind `from`, which never goes back; text.size() when there is none.
  std::size_t operator()(std::size_t from) {
    std::size_t best = text_.size();
    for (std::size_t i = 0; i < N; ++i) {
      if (next_[i] < from) {
        next_[i] = find(wanted_[i], from);
      }
      best = std::min(best, next_[i]);
    }
    return best;
  }

 private:
  [[nodiscard]] std::size_t find(char c, std::size_t from) const {
    if (from >= text_.size()) {
      return text_.size();
    }
    const void* const found = std::memchr(text_.data() + from, c, text_.size() - from);
    return found == nullptr
               ? text_.size()
               : static_cast<std::size_t>(static_cast<const char*>(found) - text_.data());
  }

  std::string_view text_;
  std::array<char, N> wanted_;
  std::array<std::size_t, N> next_{};
};

std::size_t next_introducer(std::string_view text, std::size_t from) {
  std::size_t i = from;
#ifdef __SSE2__
  const __m128i percent = _mm_set1_epi8('%');
  const __m128i ampersand = _mm_set1_epi8('&');
  const __m128i backslash = _mm_set1_epi8('\\');
  for (; i + 16 <= text.size(); i += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + i));
    const __m128i found =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, percent), _mm_cmpeq_epi8(block, ampersand)),
                     _mm_cmpeq_epi8(block, backslash));
    const auto bits = static_cast<unsigned>(_mm_movemask_epi8(found));
    if (bits != 0) {
      return i + static_cast<std::size_t>(std::countr_zero(bits));
    }
  }
#endif
  while (i < text.size() && !is_introducer(text[i])) {
    ++i;
  }
  return i;
}

// Classes of characters.
enum : std::uint8_t {
  kBase64 = 1,
  kHexDigit = 2,
  kSeparator = 4,
  kBlank = 8,
  kBreak = 16,
  kCarriage = 32
};
constexpr std::array<std::uint8_t, 256> kClass = [] {
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
bool is(char c, unsigned classes) {
  return (kClass[static_cast<unsigned char>(c)] & classes) != 0;
}
unsigned hex_digit(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u & 15U) + (u >> 6U) * 9U;  // of a character that is one
}
bool is_x(char c) {
  return c == 'x' || c == 'X';
}

// Between two digits of one run, or before a continued line of base64.
constexpr std::size_t kWidestGap = 32;

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

// Where a line of base64 that ends before the break at `at` goes on; kNowhere when it does not.
std::size_t continued_after(std::string_view text, std::size_t at) {
  std::size_t i = at + 1;
  while (i < text.size() && i - at <= kWidestGap && is(text[i], kBlank)) {
    ++i;
  }
  return i < text.size() && is(text[i], kBase64) ? i : kNowhere;
}
// Where a line of base64 that is ended by the break at `at` ends.
std::size_t line_end(std::string_view text, std::size_t at) {
  return at > 0 && text[at - 1] == '\r' ? at - 1 : at;
}

}  // namespace

void TextView::start(std::size_t capacity) {
  memory_.reserve(capacity);
  begin_ = memory_.data();
  size_ = 0;
  pieces_.clear();
  source_end_ = 0;
  reaches_end_ = false;
}

void TextView::add_literal(std::string_view source, std::size_t begin, std::size_t end) {
  if (begin == end) {
    return;
  }
  pieces_.push_back({static_cast<std::uint32_t>(size_), static_cast<std::uint32_t>(begin), 0});
  std::memcpy(begin_ + size_, source.data() + begin, end - begin);
  size_ += end - begin;
}

void TextView::add_gap() {
  std::memcpy(begin_ + size_, kGap.data(), kGap.size());
  size_ += kGap.size();
}

const TextView::Piece& TextView::piece_at(std::size_t at) const {
  const auto after = std::upper_bound(pieces_.begin(), pieces_.end(), at,
                                      [](std::size_t v, const Piece& p) { return v < p.view; });
  return *(after - 1);
}

TextView::Range TextView::source_of(std::size_t begin, std::size_t end) const {
  Range range;
  range.begin = source_at(begin);
  const Piece& tail = piece_at(end - 1);
  range.end = tail.source_size != 0 ? tail.source + tail.source_size
                                    : tail.source + (end - 1 - tail.view) + 1;
  return range;
}

std::size_t TextView::source_at(std::size_t at) const {
  if (at >= size_) {
    return source_end_;
  }
  const Piece& piece = piece_at(at);
  return piece.source_size != 0 ? piece.source : piece.source + (at - piece.view);
}

const TextView::Piece* TextView::piece_of_source(std::size_t source) const {
  const auto after = std::upper_bound(pieces_.begin(), pieces_.end(), source,
                                      [](std::size_t s, const Piece& p) { return s < p.source; });
  return after == pieces_.begin() ? nullptr : &*(after - 1);
}

std::size_t TextView::aligned(std::size_t source) const {
  const Piece* const piece = piece_of_source(source);
  return piece != nullptr && source < std::size_t{piece->source} + piece->source_size
             ? piece->source
             : source;
}

std::size_t TextView::position_of(std::size_t source) const {
  const Piece* const piece = piece_of_source(source);
  if (piece == nullptr) {
    return kNone;
  }
  if (piece->source_size != 0) {
    return source == piece->source ? piece->view : kNone;
  }
  const auto index = static_cast<std::size_t>(piece - pieces_.data());
  const std::size_t end = index + 1 < pieces_.size() ? pieces_[index + 1].view : size_;
  const std::size_t at = piece->view + (source - piece->source);
  return at < end ? at : kNone;
}

bool TextView::unescape(std::string_view source, std::size_t margin, bool last, char only) {
  size_ = 0;
  pieces_.clear();
  const auto next = [source](std::size_t from) { return next_introducer(source, from); };
  std::size_t done = 0;
  std::size_t at = next(0);
  bool any = false;
  while (at < source.size()) {
    if (only != '\0' && source[at] != only) {
      at = next(at + 1);
      continue;
    }
    if (at + 1 < source.size() && kSecondByte[static_cast<std::size_t>(introducer(source[at]))]
                                             [static_cast<unsigned char>(source[at + 1])] == 0) {
      at = next(at + 1);
      continue;
    }
    const Escape escape = parse_escape(source.substr(at), last);
    if (escape.state == Escape::State::kNone) {
      at = next(at + 1);
      continue;
    }
    if (escape.state == Escape::State::kCut) {
      break;
    }
    if (!any) {
      // Every escape is longer than what it stands for, and a gap than what it stands in for.
      start(source.size() + kGap.size());
      done = at > margin ? at - margin : 0;
      any = true;
    }
    if (at - done > 2 * margin + kGap.size()) {
      add_literal(source, done, done + margin);
      add_gap();
      done = at - margin;
    }
    add_literal(source, done, at);
    pieces_.push_back(
        {static_cast<std::uint32_t>(size_), static_cast<std::uint32_t>(at), escape.size});
    std::memcpy(begin_ + size_, escape.decoded, escape.decoded_size);
    size_ += escape.decoded_size;
    done = at + escape.size;
    at = next(done);
  }
  if (!any) {
    return false;
  }
  source_end_ = std::min(at, done + margin);
  reaches_end_ = source_end_ == at;
  add_literal(source, done, source_end_);
  return true;
}

bool TextView::join_lines(std::string_view source, std::size_t least, std::size_t margin) {
  size_ = 0;
  pieces_.clear();
  NextOf<2> next(source, {'\n', kEscapedLineFeed});
  std::size_t done = 0;  // nothing before it is looked at again
  bool ready = false;
  for (std::size_t at = next(0); at < source.size(); at = next(std::max(at + 1, done))) {
    std::size_t end = line_end(source, at);
    if (end <= done || !is(source[end - 1], kBase64)) {
      continue;
    }
    std::size_t more = continued_after(source, at);
    if (more == kNowhere) {
      continue;
    }
    std::size_t begin = end;
    while (begin > done && end - begin < margin && is(source[begin - 1], kBase64)) {
      --begin;
    }
    // Prose: the line ends with a word and the next one begins with one.
    std::size_t seen = end - begin;
    std::size_t i = more;
    while (seen < least && i < source.size() && is(source[i], kBase64)) {
      ++i;
      ++seen;
    }
    if (seen < least && (i == source.size() || !is(source[i], kBreak | kCarriage))) {
      continue;
    }
    if (!ready) {
      start(source.size() + kGap.size());
      ready = true;
    }
    const std::size_t size_before = size_;
    const std::size_t pieces_before = pieces_.size();
    while (more != kNowhere) {
      add_literal(source, begin, end);
      begin = more;
      end = begin;
      while (end < source.size() && is(source[end], kBase64)) {
        ++end;
      }
      std::size_t line_break = end;
      if (line_break < source.size() && source[line_break] == '\r') {
        ++line_break;
      }
      more = line_break < source.size() && is(source[line_break], kBreak)
                 ? continued_after(source, line_break)
                 : kNowhere;
    }
    add_literal(source, begin, std::min(end, begin + margin));
    done = end;
    if (size_ - size_before < least) {
      size_ = size_before;
      pieces_.resize(pieces_before);
    } else {
      // One byte will do here, and the breaks that were left out have made room for it.
      begin_[size_++] = '\n';
    }
  }
  return size_ != 0;
}

bool HexView::decode(std::string_view source, std::size_t least) {
  for (Phase& phase : phases_) {
    phase.size = 0;
    phase.runs.clear();
  }
  // Any run has `least` characters in a row of the classes that it may consist of; so it is enough
  // to look at every least-th, and back from there.
  const auto part = [&](std::size_t i) {
    return is(source[i], kHexDigit | kSeparator) || is_x(source[i]);
  };
  std::size_t at = 0;
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

std::size_t open_base64(std::string_view text, std::size_t limit) {
  const auto full_line_before = [&](std::size_t end) {
    if (end < kFullLine) {
      return false;
    }
    for (std::size_t i = end - kFullLine; i < end; ++i) {
      if (!is(text[i], kBase64)) {
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
    while (i > 0 && count < limit && is(text[i - 1], kBase64)) {
      --i;
      ++count;
      begin = i;
    }
    if (count == limit) {
      return begin;
    }
    std::size_t at = i;
    while (at > 0 && i - at < kWidestGap && is(text[at - 1], kBlank)) {
      --at;
    }
    if (at == 0 || !is(text[at - 1], kBreak)) {
      return begin;
    }
    const std::size_t end = line_end(text, at - 1);
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
      if (is(c, kHexDigit)) {
        ++digits;
        gap = 0;
      } else if (is(c, kBreak) || !(is(c, kSeparator) || is_x(c))) {
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
    if (is(c, kHexDigit)) {
      digits += c == '0' && i < text.size() && is_x(text[i]) ? 0 : 1;
      begin = i - 1;
      gap = 0;
      breaks = 0;
      continue;
    }
    if (is(c, kBreak) && (++breaks == 2 || (c == '\n' && !full_line_before(i - 1)))) {
      break;
    }
    if (!(is(c, kSeparator) || is_x(c)) || ++gap > kWidestGap) {
      break;
    }
  }
  return begin;
}

}  // namespace av::proxy
