#pragma once
// TextView: a text as it reads once something is taken off (escapes, line breaks in base64), with
// the way back from each of its bytes to the bytes that it came from. The reflection guard searches
// views and masks what lies under its finds.
//
// A view leaves out what cannot hold a find that the text itself does not show; instead there is a
// gap, which no pattern crosses.
//
// Views are made to be made again: their memory is kept, and wiped when they die.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/secret.h"

namespace av::proxy {

class TextView {
 public:
  [[nodiscard]] std::string_view text() const { return {begin_, size_}; }
  // The bytes of the underlying text that `text()[begin, end)` came from.
  struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  [[nodiscard]] Range source_of(std::size_t begin, std::size_t end) const;
  // Where the byte at `at` begins in the source; at the end: where the view stopped.
  [[nodiscard]] std::size_t source_at(std::size_t at) const;
  // The start of the escape that `source` is inside of, else `source`.
  [[nodiscard]] std::size_t aligned(std::size_t source) const;
  // The view position of `source`, which is aligned; none when it is not part of the view.
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  [[nodiscard]] std::size_t position_of(std::size_t source) const;
  // The view goes to the end of the source, or to an escape that is cut there.
  [[nodiscard]] bool reaches_end() const { return reaches_end_; }

  // `source` with its escapes decoded. Far from any escape (`margin` bytes) the view has gaps.
  // False, and an empty view, when there is no escape. Unless `last`, an escape may be cut at the
  // end; the view ends before it. `only`: escapes with this introducer, or 0 for all.
  bool unescape(std::string_view source, std::size_t margin, bool last, char only = '\0');

  // The base64 text of `source` around line breaks inside it, without the breaks: lines that end
  // with kFullLine characters of base64 and go on with more, indented or not. Stretches below
  // `least` are left out, and so is what is more than `margin` before the first break. False when
  // there is none.
  bool join_lines(std::string_view source, std::size_t least, std::size_t margin);

 private:
  // `size` view bytes from `view` on. Literal (source_size 0): one source byte each. Otherwise all
  // of them come from the `source_size` bytes.
  struct Piece {
    std::uint32_t view = 0;
    std::uint32_t source = 0;
    std::uint32_t source_size = 0;
  };
  void start(std::size_t capacity);
  void add_literal(std::string_view source, std::size_t begin, std::size_t end);
  void add_gap();
  [[nodiscard]] const Piece& piece_at(std::size_t at) const;
  [[nodiscard]] const Piece* piece_of_source(std::size_t source) const;

  SecretBuffer memory_;
  char* begin_ = nullptr;
  std::size_t size_ = 0;
  std::vector<Piece> pieces_;
  std::size_t source_end_ = 0;
  bool reaches_end_ = false;
};

}  // namespace av::proxy
