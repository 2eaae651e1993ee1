#pragma once
// PatternSearch: where any of a set of patterns occurs in a text, in one pass.
//
// After Karp and Rabin ("Efficient randomized pattern-matching algorithms", 1987): a hash rolls
// over the text, and where it is a pattern's, the pattern is compared. It rolls over whole symbols
// of two, four or eight bytes, and each pattern is entered once for each way in which it can lie
// across them.
//
// Why not a search that skips (Wu and Manber; Commentz-Walter): how far those can skip depends on
// how much of a pattern the text looks like, two bytes at first. Whoever has text of his choice
// searched, and can tell fast from slow, learns a secret pair by pair. Here each symbol costs the
// same, until a window with all but a few bytes of the shortest pattern agrees; and the comparison
// that follows does not stop at the first difference. What is known about a window helps only with
// the bytes still missing in that window. The hash has a random base, so that nobody can craft
// texts that collide.
//
// Immutable once built. Holds secrets: its memory is locked from then on, and wiped.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/locked_bytes.h"
#include "core/secret.h"

namespace av::proxy {

class PatternSearch {
 public:
  // Patterns have at least this many bytes.
  static constexpr std::size_t kShortest = 8;

  // Ignored when it is below kShortest. Without a line feed.
  void add(std::string_view pattern);
  // After the last add, before the first search.
  void build();

  [[nodiscard]] bool empty() const { return patterns_.empty(); }
  [[nodiscard]] std::size_t shortest() const { return shortest_; }
  [[nodiscard]] std::size_t longest() const { return longest_; }

  struct Match {
    std::size_t begin = 0;
    std::size_t size = 0;
  };
  // Appends all occurrences, overlapping ones too.
  void find(std::string_view text, std::vector<Match>& matches) const;

 private:
  struct Pattern {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
  };
  // A stretch of a pattern that its occurrence shows at a whole number of symbols.
  struct Window {
    std::uint64_t hash = 0;
    std::uint32_t pattern = 0;
    std::uint32_t offset = 0;  // in the pattern
    std::uint32_t next = 0;    // index + 1 of another with the same slot; 0 ends
  };

  template <typename Symbol>
  void enter_windows();
  template <typename Symbol>
  void roll_over(std::string_view text, std::vector<Match>& matches) const;
#ifdef __x86_64__
  template <typename Symbol>
  void roll_bmi2(std::string_view text, std::vector<Match>& matches) const;
#endif
  template <typename Symbol>
  void roll(std::string_view text, std::vector<Match>& matches) const;
  void check(std::uint64_t hash, std::size_t at, std::string_view text,
             std::vector<Match>& matches) const;
  [[nodiscard]] std::string_view text_of(const Pattern& p) const {
    return text_.substr(p.offset, p.size);
  }

  SecretBuffer bytes_;     // until it is built
  LockedBytes kept_;       // from then on
  std::string_view text_;  // of what has it
  std::vector<Pattern> patterns_;
  std::vector<Window> windows_;
  std::vector<std::uint8_t> used_;   // by slot: something to look at
  std::vector<std::uint32_t> slot_;  // index + 1 of the first window
  unsigned slot_shift_ = 0;          // what is left of a hash after it is the slot
  std::uint64_t base_ = 0;
  std::uint64_t leaving_ = 0;  // the factor of a symbol that the window has passed
  std::size_t symbols_ = 0;    // in a window
  std::size_t shortest_ = 0;
  std::size_t longest_ = 0;
  unsigned symbol_ = 0;  // bytes in one
};

}  // namespace av::proxy
