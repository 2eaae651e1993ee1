#include "proxy/pattern_search.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

namespace av::proxy {
namespace {

// Wide symbols are faster, and windows of them miss more of the shortest pattern: at most 2 bytes
// with symbols of two, 6 of at least 20 with four, 14 of at least 36 with eight.
constexpr std::size_t kWide = 20;
constexpr std::size_t kWidest = 36;

constexpr std::size_t kNear = 64;

// Slots for each window: 14 bits stay in the first-level cache and are enough for a few values.
constexpr unsigned kMinSlotBits = 14;
constexpr unsigned kMaxSlotBits = 20;
constexpr std::size_t kSlotsPerWindow = 64;

template <typename Symbol>
std::uint64_t symbol_at(const char* p) {
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
}

void PatternSearch::build() {
  if (patterns_.empty()) {
    return;
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
  used_.assign(std::size_t{1} << slot_bits, 0);
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
void PatternSearch::roll(std::string_view text, std::vector<Match>& matches) const {
  constexpr std::size_t kStep = sizeof(Symbol);
  const unsigned shift = slot_shift_;
  const std::size_t size = symbols_ * kStep;
  const std::uint64_t base = base_;
  const std::uint64_t leaving = leaving_;
  const std::uint8_t* const used = used_.data();
  const char* const data = text.data();
  const auto hash_at = [&](std::size_t window) {
    std::uint64_t hash = 0;
    for (std::size_t i = 0; i < symbols_; ++i) {
      hash = hash * base + symbol_at<Symbol>(data + (window + i) * kStep);
    }
    return hash;
  };
  const auto look = [&](std::uint64_t scaled, std::size_t window) {
    if (used[scaled >> shift] != 0) {
      check(scaled, window * kStep, text, matches);
    }
  };
  // A step multiplies by the base, which both spreads the newest symbol over the bits that the slot
  // is taken from and makes room for the next one. It waits for the step before it; so there are
  // two rows of steps, one for each half of the text.
  const std::size_t windows = (text.size() - size) / kStep + 1;
  const std::size_t half = windows / 2;
  std::uint64_t first = hash_at(0);
  std::uint64_t second = hash_at(half);
  const auto change = [&](std::size_t window) {
    const char* const p = data + window * kStep;
    return symbol_at<Symbol>(p + size) - symbol_at<Symbol>(p) * leaving;
  };
  for (std::size_t i = 0; i + 1 < half; ++i) {
    const std::uint64_t scaled1 = first * base;
    const std::uint64_t scaled2 = second * base;
    if ((static_cast<unsigned>(used[scaled1 >> shift]) | used[scaled2 >> shift]) != 0) {
      look(scaled1, i);
      look(scaled2, half + i);
    }
    first = scaled1 + change(i);
    second = scaled2 + change(half + i);
  }
  if (half != 0) {
    look(first * base, half - 1);
  }
  for (std::size_t i = half == 0 ? 0 : half - 1; half + i < windows; ++i) {
    const std::uint64_t scaled = second * base;
    look(scaled, half + i);
    if (half + i + 1 < windows) {
      second = scaled + change(half + i);
    }
  }
}

void PatternSearch::find(std::string_view text, std::vector<Match>& matches) const {
  if (patterns_.empty() || text.size() < shortest_) {
    return;
  }
  if (symbol_ == 8) {
    roll<std::uint64_t>(text, matches);
  } else if (symbol_ == 4) {
    roll<std::uint32_t>(text, matches);
  } else {
    roll<std::uint16_t>(text, matches);
  }
}

}  // namespace av::proxy
