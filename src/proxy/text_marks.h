#pragma once
// TextMarks: where in a text something may be that takes a closer look: introducers of escapes,
// line breaks that may divide base64, long runs of what hex may consist of. One pass over blocks of
// 64 bytes finds all of them, and no branch of it depends on how often a block has one.
//
// What it finds depends on classes of characters only. Made to be used again; nothing here needs
// wiping.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace av::proxy {

class TextMarks {
 public:
  // `least_hex`: shorter runs are of no interest; at least 16. `introducers`: false when they are
  // known from somewhere else.
  void scan(std::string_view text, std::size_t least_hex, bool introducers = true);

  // Each `%`, `\` and `&`, in order.
  [[nodiscard]] std::span<const std::uint32_t> introducers() const {
    return {introducers_.data(), introducer_count_};
  }
  // The line breaks (escaped ones too) behind a line of base64 with kFullLine characters, or what
  // the text has of such a line, in order. Others may be among them.
  [[nodiscard]] std::span<const std::uint32_t> breaks() const { return breaks_; }
  // No run of `least_hex` or more digits, separators and `x` begins before this position. kNone:
  // there is no such run at all.
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  [[nodiscard]] std::size_t hex_from() const { return hex_from_; }

  // The same without vector instructions: for other processors, and to compare with.
  void scan_portably(std::string_view text, std::size_t least_hex, bool introducers = true);

 private:
  struct Block;
  class Rest;
  template <bool kIntroducers>
  class Walk;
  template <bool kIntroducers>
  void walk_portably(std::string_view text, std::size_t least_hex);
#ifdef __x86_64__
  template <bool kIntroducers>
  void walk_avx2(std::string_view text, std::size_t least_hex);
#endif

  std::vector<std::uint32_t> introducers_;  // as large as it has ever been
  std::size_t introducer_count_ = 0;
  std::vector<std::uint32_t> breaks_;
  std::size_t hex_from_ = kNone;
};

}  // namespace av::proxy
