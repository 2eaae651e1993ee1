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
#include <span>
#include <string_view>
#include <vector>

#include "core/secret.h"

namespace av::proxy {

class TextView {
 public:
  [[nodiscard]] std::string_view text() const { return {begin_, size_}; }
  // Where an unescaped text has introducers of escapes again.
  [[nodiscard]] std::span<const std::uint32_t> introducers() const {
    return {introducers_.data(), introducer_count_};
  }
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

  // `source` with its escapes decoded; `introducers` are where they may begin (text_marks.h). Far
  // from any escape (`margin` bytes) the view has gaps. False, and an empty view, when there is no
  // escape. Unless `last`, an escape may be cut at the end; the view ends before it. `only`:
  // escapes with this introducer, or 0 for all.
  bool unescape(std::string_view source, std::span<const std::uint32_t> introducers,
                std::size_t margin, bool last, char only = '\0');

  // The base64 text of `source` around line breaks inside it, without the breaks: lines that end
  // with kFullLine characters of base64 and go on with more, indented or not. `breaks` are the line
  // breaks to consider. Stretches below `least` are left out, and so is what is more than `margin`
  // before the first break. False when there is none.
  bool join_lines(std::string_view source, std::span<const std::uint32_t> breaks, std::size_t least,
                  std::size_t margin);

 private:
  // View bytes that are no copy: an escape (`view_size` bytes from `source_size`), a gap, or the
  // start of the view or of another stretch (`source_size` 0). What follows, up to the next step,
  // is a copy of the source.
  struct Step {
    std::uint32_t view = 0;
    std::uint32_t source = 0;
    std::uint8_t view_size = 0;
    std::uint8_t source_size = 0;
    [[nodiscard]] std::size_t view_end() const { return std::size_t{view} + view_size; }
    [[nodiscard]] std::size_t source_end() const { return std::size_t{source} + source_size; }
  };
  void clear();
  // For `size` bytes and `steps` more steps, and `introducers` in all.
  void make_room(std::size_t size, std::size_t steps, std::size_t introducers = 0);
  // The view goes on with source[begin, end).
  void add_stretch(std::string_view source, std::size_t begin, std::size_t end);
  [[nodiscard]] std::span<const Step> steps() const { return {steps_.data(), step_count_}; }
  [[nodiscard]] const Step& step_at(std::size_t at) const;
  [[nodiscard]] const Step* step_of_source(std::size_t source) const;

  class Unescaping;

  SecretBuffer memory_;
  char* begin_ = nullptr;
  std::size_t size_ = 0;
  std::vector<Step> steps_;  // as large as it has ever been
  std::size_t step_count_ = 0;
  std::vector<std::uint32_t> introducers_;  // likewise
  std::size_t introducer_count_ = 0;
  std::size_t source_end_ = 0;
  bool reaches_end_ = false;
};

}  // namespace av::proxy
