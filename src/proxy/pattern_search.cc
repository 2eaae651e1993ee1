#include "proxy/pattern_search.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

#define AV_INLINE __attribute__((always_inline)) inline

namespace av::proxy {
namespace {

// Wide symbols are faster, and windows of them miss more of the shortest pattern: at most 2 bytes
// with symbols of two, 6 of at least 20 with four, 14 of at least 36 with eight.
constexpr std::size_t kWide = 20;
constexpr std::size_t kWidest = 36;

constexpr std::size_t kNear = 64;

// Slots for each window: 13 bits stay in the first-level cache and are enough for a value or two.
constexpr unsigned kMinSlotBits = 13;
constexpr unsigned kMaxSlotBits = 20;
constexpr std::size_t kSlotsPerWindow = 64;

template <typename Symbol>
AV_INLINE std::uint64_t symbol_at(const char* p) {
  Symbol symbol;
  std::memcpy(&symbol, p, sizeof symbol);
  return symbol;
}

}  // namespace

void PatternSearch::add(std::string_view pattern) {
  if (pattern.size() < kShortest) {
    return;
  }
  // Duplicates only cost time; they are neighbours (base64 without + and /).
  const std::size_t near = std::min(patterns_.size(), kNear);
  for (std::size_t i = patterns_.size() - near; i < patterns_.size(); ++i) {
    if (text_of(patterns_[i]) == pattern) {
      return;
    }
  }
  patterns_.push_back(
      {static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(pattern.size())});
  bytes_.append(pattern);
  text_ = bytes_.view();
}

void PatternSearch::build() {
  if (patterns_.empty()) {
    return;
  }
  kept_ = LockedBytes::copy_of(bytes_.view());
  if (!kept_.empty()) {
    text_ = kept_.view();
    bytes_ = SecretBuffer();
  }
  shortest_ = patterns_.front().size;
  longest_ = 0;
  for (const Pattern& p : patterns_) {
    shortest_ = std::min<std::size_t>(shortest_, p.size);
    longest_ = std::max<std::size_t>(longest_, p.size);
  }
  // Without randomness it would still find everything.
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&base_), sizeof base_) != 1) {
    base_ = 0x9e3779b97f4a7c15U;
  }
  base_ |= 1U;
  symbol_ = shortest_ >= kWidest ? 8 : shortest_ >= kWide ? 4 : 2;
  const std::size_t windows = patterns_.size() * symbol_;
  unsigned slot_bits = kMinSlotBits;
  while (slot_bits < kMaxSlotBits && (std::size_t{1} << slot_bits) < windows * kSlotsPerWindow) {
    ++slot_bits;
  }
  slot_shift_ = 64U - slot_bits;
  used_.assign((std::size_t{1} << slot_bits), 0);
  slot_.assign(std::size_t{1} << slot_bits, 0);
  windows_.clear();
  windows_.reserve(windows);
  if (symbol_ == 8) {
    enter_windows<std::uint64_t>();
  } else if (symbol_ == 4) {
    enter_windows<std::uint32_t>();
  } else {
    enter_windows<std::uint16_t>();
  }
}

template <typename Symbol>
void PatternSearch::enter_windows() {
  symbols_ = (shortest_ - (sizeof(Symbol) - 1)) / sizeof(Symbol);
  leaving_ = 1;
  for (std::size_t i = 0; i < symbols_; ++i) {
    leaving_ *= base_;
  }
  for (std::size_t p = 0; p < patterns_.size(); ++p) {
    const std::string_view text = text_of(patterns_[p]);
    for (std::size_t phase = 0; phase < sizeof(Symbol); ++phase) {
      Window window;
      window.pattern = static_cast<std::uint32_t>(p);
      // At the end: values begin with prefixes that are public ("ghp_", "sk-proj-").
      window.offset = static_cast<std::uint32_t>(text.size() - shortest_ + phase);
      for (std::size_t i = 0; i < symbols_; ++i) {
        window.hash = window.hash * base_ +
                      symbol_at<Symbol>(text.data() + window.offset + i * sizeof(Symbol));
      }
      window.hash *= base_;
      const std::size_t slot = window.hash >> slot_shift_;
      window.next = slot_[slot];
      used_[slot] = 1;
      windows_.push_back(window);
      slot_[slot] = static_cast<std::uint32_t>(windows_.size());
    }
  }
}

void PatternSearch::check(std::uint64_t hash, std::size_t at, std::string_view text,
                          std::vector<Match>& matches) const {
  for (std::uint32_t link = slot_[hash >> slot_shift_]; link != 0;) {
    const Window& window = windows_[link - 1];
    link = window.next;
    if (window.hash != hash || window.offset > at) {
      continue;
    }
    const std::string_view pattern = text_of(patterns_[window.pattern]);
    const std::size_t begin = at - window.offset;
    if (pattern.size() <= text.size() - begin &&
        CRYPTO_memcmp(text.data() + begin, pattern.data(), pattern.size()) == 0) {
      matches.push_back({begin, pattern.size()});
    }
  }
}

template <typename Symbol>
AV_INLINE void PatternSearch::roll_over(std::string_view text, std::vector<Match>& matches) const {
  constexpr std::size_t kStep = sizeof(Symbol);
  const unsigned shift = slot_shift_;
  const std::size_t size = symbols_ * kStep;
  const std::uint64_t base = base_;
  const std::uint64_t leaving = leaving_;
  const std::uint8_t* const used = used_.data();
  const char* const data = text.data();
  // A step multiplies by the base, which both spreads the newest symbol over the bits that the slot
  // is taken from and makes room for the next one.
  const auto hash_at = [&](std::size_t at) {
    std::uint64_t hash = 0;
    for (std::size_t i = 0; i < symbols_; ++i) {
      hash = hash * base + symbol_at<Symbol>(data + at + i * kStep);
    }
    return hash * base;
  };
  const auto look = [&](std::uint64_t hash, std::size_t at) {
    if (used[hash >> shift] != 0) {
      check(hash, at, text, matches);
    }
  };
  // It waits for the step before it; so there are four rows of steps, one for each quarter of the
  // text.
  const std::size_t windows = (text.size() - size) / kStep + 1;
  const std::size_t row = windows / 4 * kStep;
  if (row != 0) {
    std::uint64_t hash0 = hash_at(0);
    std::uint64_t hash1 = hash_at(row);
    std::uint64_t hash2 = hash_at(2 * row);
    std::uint64_t hash3 = hash_at(3 * row);
    const auto change = [&](const char* window) __attribute__((always_inline)) {
      return symbol_at<Symbol>(window + size) - symbol_at<Symbol>(window) * leaving;
    };
    const char* first = data;
    const char* const last = data + row - kStep;
    for (;; first += kStep) {
      if ((static_cast<unsigned>(used[hash0 >> shift]) | used[hash1 >> shift] |
           used[hash2 >> shift] | used[hash3 >> shift]) != 0) {
        const auto at = static_cast<std::size_t>(first - data);
        look(hash0, at);
        look(hash1, at + row);
        look(hash2, at + 2 * row);
        look(hash3, at + 3 * row);
      }
      if (first == last) {
        break;
      }
      hash0 = (hash0 + change(first)) * base;
      hash1 = (hash1 + change(first + row)) * base;
      hash2 = (hash2 + change(first + 2 * row)) * base;
      hash3 = (hash3 + change(first + 3 * row)) * base;
    }
  }
  for (std::size_t at = 4 * row; at < windows * kStep; at += kStep) {
    look(hash_at(at), at);
  }
}

template <typename Symbol>
void PatternSearch::roll(std::string_view text, std::vector<Match>& matches) const {
  roll_over<Symbol>(text, matches);
}

#ifdef __x86_64__
// Shifts by any register make it a fifth faster.
template <typename Symbol>
__attribute__((target("bmi2"))) void PatternSearch::roll_bmi2(std::string_view text,
                                                              std::vector<Match>& matches) const {
  roll_over<Symbol>(text, matches);
}
#endif

void PatternSearch::find(std::string_view text, std::vector<Match>& matches) const {
  if (patterns_.empty() || text.size() < shortest_) {
    return;
  }
#ifdef __x86_64__
  static const bool bmi2 = __builtin_cpu_supports("bmi2") != 0;
  if (bmi2) {
    symbol_ == 8   ? roll_bmi2<std::uint64_t>(text, matches)
    : symbol_ == 4 ? roll_bmi2<std::uint32_t>(text, matches)
                   : roll_bmi2<std::uint16_t>(text, matches);
    return;
  }
#endif
  symbol_ == 8   ? roll<std::uint64_t>(text, matches)
  : symbol_ == 4 ? roll<std::uint32_t>(text, matches)
                 : roll<std::uint16_t>(text, matches);
}

}  // namespace av::proxy
