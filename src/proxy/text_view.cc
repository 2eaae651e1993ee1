#include "proxy/text_view.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cstring>

#include "proxy/escape.h"
#include "proxy/text_shape.h"

namespace av::proxy {
namespace {

using shape::is;
using shape::kBase64;
using shape::kBlank;
using shape::kBreak;
using shape::kCarriage;
using shape::kWidestGap;
using shape::line_end;

// Two line feeds: no pattern has one, and no base64 or hex goes on behind an empty line.
constexpr std::string_view kGap = "\n\n";

constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

// The first of a few bytes at or behind `from`; text.size() when there is none.
template <char... kWanted>
std::size_t next_of(std::string_view text, std::size_t from) {
  std::size_t i = from;
#ifdef __SSE2__
  for (; i + 16 <= text.size(); i += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + i));
    const auto bits = static_cast<unsigned>(
        (_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8(kWanted))) | ...));
    if (bits != 0) {
      return i + static_cast<std::size_t>(std::countr_zero(bits));
    }
  }
#endif
  while (i < text.size() && ((text[i] != kWanted) && ...)) {
    ++i;
  }
  return i;
}

// Whether enough base64 comes before a line break. Where the text begins within it, what came
// before may have been passed on already. One decision for all bytes: most line breaks are no such
// thing, and mistaken predictions would cost more than the rest. `end` is not 0.
bool ends_full_line(std::string_view text, std::size_t end) {
  if (!is(text[end - 1], kBase64)) {
    return false;
  }
  unsigned all = kBase64;
  const char* const last = text.data() + end - 1;
  if (end >= kFullLine) {
#pragma GCC unroll 16
    for (std::size_t i = 1; i < kFullLine; ++i) {
      all &= shape::kClass[static_cast<unsigned char>(*(last - i))];
    }
  } else {
    for (std::size_t i = 1; i < end; ++i) {
      all &= shape::kClass[static_cast<unsigned char>(*(last - i))];
    }
  }
  return all != 0;
}

// Where a line of base64 that ends before the break at `at` goes on; kNowhere when it does not.
std::size_t continued_after(std::string_view text, std::size_t at) {
  std::size_t i = at + 1;
  while (i < text.size() && i - at <= kWidestGap && is(text[i], kBlank)) {
    ++i;
  }
  return i < text.size() && is(text[i], kBase64) ? i : kNowhere;
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
  const auto next = [source](std::size_t from) { return next_of<'%', '\\', '&'>(source, from); };
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
  const auto next = [source](std::size_t from) {
    return next_of<'\n', kEscapedLineFeed>(source, from);
  };
  std::size_t done = 0;  // nothing before it is looked at again
  bool ready = false;
  for (std::size_t at = next(0); at < source.size(); at = next(std::max(at + 1, done))) {
    std::size_t end = line_end(source, at);
    if (end <= done || !ends_full_line(source, end)) {
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
      more =
          end - begin >= kFullLine && line_break < source.size() && is(source[line_break], kBreak)
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

}  // namespace av::proxy
