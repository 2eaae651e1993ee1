#pragma once
// PatternSet: the forms in which an injected value could come back, compiled for one fast pass.
//
// Forms: raw; base64 in both alphabets at each of the three alignments; hex in both cases; percent-
// encoding; JSON escaping. Values below kMinValue bytes are not looked for: they would match by
// accident and corrupt data.
//
// Search: Wu and Manber's shift table ("A fast algorithm for multi-pattern searching", 1994) over
// two-byte blocks. Clean data is passed over in steps of nearly the shortest pattern's length.
//
// Immutable once built. Holds secrets: its memory is wiped.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/secret.h"

namespace av::proxy {

class PatternSet {
 public:
  static constexpr std::size_t kMinValue = 8;

  PatternSet();
  // All forms of a credential's value.
  void add_value(std::string_view value);
  // One literal form (the token of Basic authentication, say); ignored when shorter than kMinValue.
  void add_literal(std::string_view pattern);
  // After the last add, before the first scrub.
  void compile();

  [[nodiscard]] bool empty() const { return patterns_.empty(); }
  // Bytes of the longest pattern; scrub() leaves fewer than that unsettled.
  [[nodiscard]] std::size_t longest() const { return longest_; }

  struct Scrubbed {
    std::size_t settled = 0;  // bytes at the front that are final
    std::size_t hits = 0;
  };
  // Masks every occurrence in `data`, at equal length. Unless `last`, the bytes beyond `settled`
  // must be presented again, followed by more. How many those are depends on line feeds and on the
  // length of the longest pattern, never on what the patterns are.
  Scrubbed scrub(std::span<char> data, bool last) const;

 private:
  struct Pattern {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
    std::uint32_t next_in_bucket = 0;  // index + 1; 0 ends
  };
  static constexpr std::size_t kTableBits = 13;
  static constexpr std::size_t kTableSize = std::size_t{1} << kTableBits;
  static std::size_t block_hash(const char* p) {
    const auto a = static_cast<unsigned char>(p[0]);
    const auto b = static_cast<unsigned char>(p[1]);
    return (static_cast<std::size_t>(a) << 5U ^ b) & (kTableSize - 1);
  }
  [[nodiscard]] std::string_view text(const Pattern& p) const {
    return bytes_.view().substr(p.offset, p.size);
  }
  [[nodiscard]] std::size_t longest_match_at(std::string_view data, std::size_t bucket) const;
  [[nodiscard]] std::size_t decided(std::string_view data) const;
  void add_segment(std::string_view value);

  SecretBuffer bytes_;
  std::vector<Pattern> patterns_;
  std::vector<std::uint8_t> shift_;
  std::vector<std::uint32_t> bucket_;
  std::size_t shortest_ = 0;
  std::size_t longest_ = 0;
};

// Scrubber: one response body through one PatternSet, piece by piece.
class Scrubber {
 public:
  explicit Scrubber(const PatternSet& patterns) : patterns_(patterns) {}
  // What may go out now: a part of `data`, changed in place, or of an inner buffer. Valid until the
  // next call.
  std::string_view feed(std::span<char> data, bool last);
  [[nodiscard]] std::size_t hits() const { return hits_; }

 private:
  const PatternSet& patterns_;
  SecretBuffer carry_;
  SecretBuffer joined_;
  std::size_t hits_ = 0;
};

}  // namespace av::proxy
