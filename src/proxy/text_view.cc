#include "proxy/text_view.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "proxy/escape.h"
#include "proxy/text_shape.h"

#define AV_INLINE __attribute__((always_inline)) inline

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

// Short copies are of this many bytes, whatever they need: how long the text between two escapes
// is, no processor can foresee. A view has room for two behind its end.
constexpr std::size_t kCopy = 64;

constexpr std::size_t byte_of(char c) {
  return static_cast<unsigned char>(c);
}

constexpr std::array<std::uint8_t, 256> kIntroduces = [] {
  std::array<std::uint8_t, 256> table{};
  for (const char c : {'%', '\\', '&'}) {
    table[byte_of(c)] = 1;
  }
  return table;
}();

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

void TextView::clear() {
  size_ = 0;
  step_count_ = 0;
  introducer_count_ = 0;
  source_end_ = 0;
  reaches_end_ = false;
}

void TextView::make_room(std::size_t size, std::size_t steps, std::size_t introducers) {
  memory_.reserve(size + 2 * kCopy);
  begin_ = memory_.data();
  if (steps_.size() < step_count_ + steps) {
    steps_.resize(std::max(step_count_ + steps, steps_.size() * 2));
  }
  if (introducers_.size() < introducers) {
    introducers_.resize(std::max(introducers, introducers_.size() * 2));
  }
}

void TextView::add_stretch(std::string_view source, std::size_t begin, std::size_t end) {
  steps_[step_count_++] = {static_cast<std::uint32_t>(size_), static_cast<std::uint32_t>(begin), 0,
                           0};
  std::memcpy(begin_ + size_, source.data() + begin, end - begin);
  size_ += end - begin;
}

const TextView::Step& TextView::step_at(std::size_t at) const {
  const std::span<const Step> all = steps();
  const auto after = std::upper_bound(all.begin(), all.end(), at,
                                      [](std::size_t v, const Step& s) { return v < s.view; });
  return *(after - 1);
}

TextView::Range TextView::source_of(std::size_t begin, std::size_t end) const {
  Range range;
  range.begin = source_at(begin);
  const Step& tail = step_at(end - 1);
  range.end =
      end - 1 < tail.view_end() ? tail.source_end() : tail.source_end() + (end - tail.view_end());
  return range;
}

std::size_t TextView::source_at(std::size_t at) const {
  if (at >= size_) {
    return source_end_;
  }
  const Step& step = step_at(at);
  return at < step.view_end() ? step.source : step.source_end() + (at - step.view_end());
}

const TextView::Step* TextView::step_of_source(std::size_t source) const {
  const std::span<const Step> all = steps();
  const auto after = std::upper_bound(all.begin(), all.end(), source,
                                      [](std::size_t v, const Step& s) { return v < s.source; });
  return after == all.begin() ? nullptr : &*(after - 1);
}

std::size_t TextView::aligned(std::size_t source) const {
  const Step* const step = step_of_source(source);
  return step != nullptr && source < step->source_end() ? step->source : source;
}

std::size_t TextView::position_of(std::size_t source) const {
  const Step* const step = step_of_source(source);
  if (step == nullptr) {
    return kNone;
  }
  if (source < step->source_end()) {
    return source == step->source ? step->view : kNone;
  }
  const auto index = static_cast<std::size_t>(step - steps_.data());
  const std::size_t end = index + 1 < step_count_ ? steps_[index + 1].view : size_;
  const std::size_t at = step->view_end() + (source - step->source_end());
  return at < end ? at : kNone;
}

// What unescape() keeps in registers. The loop over the escapes is most of what the guard costs
// where there are many of them.
class TextView::Unescaping {
 public:
  AV_INLINE Unescaping(TextView& view, std::string_view source,
                       std::span<const std::uint32_t> introducers, std::size_t margin, char only)
      : view_(view), source_(source), introducers_(introducers), margin_(margin) {
    static constexpr std::array<std::uint8_t, 256> kNoEscape{};
    for (const char c : {'%', '\\', '&'}) {
      const auto kind = static_cast<std::size_t>(introducer(c));
      second_[kind] = (only == '\0' || only == c ? kSecondByte[kind] : kNoEscape).data();
    }
  }

  AV_INLINE bool run(bool last) {
    std::size_t end = source_.size();
    for (std::size_t from = 0; from < introducers_.size() && end == source_.size();
         from += kAhead) {
      std::array<Candidate, kAhead + 1> ahead;
      const Candidate* next = ahead.data();
      look_ahead(from, ahead.data());
      for (;;) {
        const Candidate c = *next;
        if (c.second > 1 && c.at >= done_) {
          add(c, {Escape::State::kWhole, 2, 1, c.second});
          // Mostly the second one of two backslashes; a branch would be mistaken too often.
          const unsigned inside = next[1].at < done_ ? 1 : 0;
          plain_ += inside;
          next += 1 + inside;
          continue;
        }
        if (c.at == kEnd) {
          break;
        }
        ++next;
        if (c.at < done_) {
          continue;
        }
        const Escape escape = parse_escape(source_.substr(c.at), last);
        if (escape.state == Escape::State::kWhole) {
          add(c, escape);
        } else if (escape.state == Escape::State::kCut) {
          end = c.at;
          break;
        }
      }
    }
    return finish(end);
  }

 private:
  // What may be an escape, by its second byte, which `second` tells about.
  struct Candidate {
    std::uint32_t at;
    std::uint32_t index;  // among the introducers
    std::uint32_t second;
  };
  static constexpr std::uint32_t kEnd = 0xffffffff;
  // So many introducers are looked at before the first of them is treated: whether one is an
  // escape, and of which kind, is then known without waiting for memory when a branch depends on
  // it.
  static constexpr std::size_t kAhead = 128;

  // Ends with one at kEnd.
  AV_INLINE void look_ahead(std::size_t from, Candidate* out) const {
    const char* const text = source_.data();
    const std::size_t all = introducers_.size();
    // Behind the last byte of the text there is nothing to look at.
    const std::size_t cut = introducers_.back() + 1 == source_.size() ? 1 : 0;
    const std::size_t stop = std::min(from + kAhead, all - cut);
    for (std::size_t i = from; i < stop; ++i) {
      const std::uint32_t at = introducers_.data()[i];
      const std::size_t kind = static_cast<std::size_t>(introducer(text[at]));
      *out = {at, static_cast<std::uint32_t>(i), second_[kind][byte_of(text[at + 1])]};
      out += out->second != 0 ? 1 : 0;
    }
    if (cut != 0 && from + kAhead >= all &&
        second_[static_cast<std::size_t>(introducer(source_.back()))][byte_of('u')] != 0) {
      *out++ = {introducers_.back(), static_cast<std::uint32_t>(all - 1), 1};
    }
    *out = {kEnd, 0, 0};
  }

  AV_INLINE void add(const Candidate& c, const Escape& escape) {
    if (c.at - done_ >= widest_) {
      skip_to(c.at);
    }
    if (plain_ != c.index) {
      add_plain(done_, c.at);
    }
    copy(done_, c.at);
    const auto view = static_cast<std::uint32_t>(size_);
    *step_++ = {view, c.at, escape.decoded_size, escape.size};
    *mark_ = view;
    mark_ += kIntroduces[escape.decoded & 0xffU];
    escape.write(begin_ + size_);
    size_ += escape.decoded_size;
    done_ = c.at + escape.size;
    plain_ = c.index + 1;
  }

  AV_INLINE void copy(std::size_t begin, std::size_t end) {
    const char* const from = source_.data() + begin;
    char* const to = begin_ + size_;
    const std::size_t size = end - begin;
    size_ += size;
    if (size <= kCopy && begin + kCopy <= source_.size()) [[likely]] {
      std::memcpy(to, from, kCopy);
    } else if (size <= 2 * kCopy && begin + 2 * kCopy <= source_.size()) {
      std::memcpy(to, from, 2 * kCopy);
    } else {
      std::memcpy(to, from, size);
    }
  }

  // The introducers in source[begin, end), which is copied next, that begin no escape.
  AV_INLINE void add_plain(std::size_t begin, std::size_t end) {
    for (; plain_ < introducers_.size() && introducers_.data()[plain_] < end; ++plain_) {
      const std::size_t at = introducers_.data()[plain_];
      if (at >= begin) {
        *mark_++ = static_cast<std::uint32_t>(size_ + (at - begin));
      }
    }
  }

  // To what the view has before the escape at `at`, over what it leaves out.
  AV_INLINE void skip_to(std::size_t at) {
    std::string_view gap = kGap;
    if (step_ == nullptr) {
      // Every escape is longer than what it stands for, and a gap than what it stands in for.
      view_.make_room(source_.size() + kGap.size(),
                      introducers_.size() + source_.size() / (2 * margin_) + 2,
                      introducers_.size() + 1);
      begin_ = view_.begin_;
      step_ = view_.steps_.data();
      mark_ = view_.introducers_.data();
      widest_ = 2 * margin_ + kGap.size() + 1;
      done_ = at > margin_ ? at - margin_ : 0;
      gap = kGap.substr(0, 0);
    } else {
      add_plain(done_, done_ + margin_);
      copy(done_, done_ + margin_);
      done_ = at - margin_;
    }
    *step_++ = {static_cast<std::uint32_t>(size_), static_cast<std::uint32_t>(done_),
                static_cast<std::uint8_t>(gap.size()), 0};
    std::memcpy(begin_ + size_, gap.data(), gap.size());
    size_ += gap.size();
  }

  // `end`: of the text, or of what is decided of it.
  AV_INLINE bool finish(std::size_t end) {
    if (step_ == nullptr) {
      return false;
    }
    view_.source_end_ = std::min(end, done_ + margin_);
    view_.reaches_end_ = view_.source_end_ == end;
    add_plain(done_, view_.source_end_);
    copy(done_, view_.source_end_);
    view_.size_ = size_;
    view_.step_count_ = static_cast<std::size_t>(step_ - view_.steps_.data());
    view_.introducer_count_ = static_cast<std::size_t>(mark_ - view_.introducers_.data());
    return true;
  }

  TextView& view_;
  const std::string_view source_;
  const std::span<const std::uint32_t> introducers_;
  const std::size_t margin_;
  const std::uint8_t* second_[3] = {};  // by kind of introducer, what the byte behind it says
  std::size_t widest_ = 0;              // text without escapes of this size is not copied whole
  std::size_t done_ = 0;
  std::size_t plain_ = 0;  // the first introducer not in the view yet: its index
  char* begin_ = nullptr;
  std::size_t size_ = 0;
  Step* step_ = nullptr;
  std::uint32_t* mark_ = nullptr;
};

bool TextView::unescape(std::string_view source, std::span<const std::uint32_t> introducers,
                        std::size_t margin, bool last, char only) {
  clear();
  return Unescaping(*this, source, introducers, margin, only).run(last);
}

bool TextView::join_lines(std::string_view source, std::span<const std::uint32_t> breaks,
                          std::size_t least, std::size_t margin) {
  clear();
  std::size_t done = 0;  // nothing before it is looked at again
  for (const std::size_t at : breaks) {
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
    const std::size_t size_before = size_;
    const std::size_t steps_before = step_count_;
    while (more != kNowhere) {
      make_room(source.size() + kGap.size(), 2);
      add_stretch(source, begin, end);
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
    add_stretch(source, begin, std::min(end, begin + margin));
    done = end;
    if (size_ - size_before < least) {
      size_ = size_before;
      step_count_ = steps_before;
    } else {
      // One byte will do here, and the breaks that were left out have made room for it.
      begin_[size_++] = '\n';
    }
  }
  return size_ != 0;
}

}  // namespace av::proxy
