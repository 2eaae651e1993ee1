#pragma once
// HexView: what the hex digits of a text say, in whatever case, together or separated by one or a
// few of `: - , ;`, white space, a line break, or "0x" before each byte. Digits pair up in two
// ways; there is a text for each.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/secret.h"
#include "proxy/text_view.h"

namespace av::proxy {

class HexView {
 public:
  // Runs of at least `least` digits are read, those that begin at `from` or behind it. False when
  // there is none.
  bool decode(std::string_view source, std::size_t from, std::size_t least);
  [[nodiscard]] std::string_view text(std::size_t way) const {
    return {phases_[way].begin, phases_[way].size};
  }
  [[nodiscard]] TextView::Range source_of(std::string_view source, std::size_t way,
                                          std::size_t begin, std::size_t end) const;

 private:
  struct Run {
    std::uint32_t view = 0;
    std::uint32_t source = 0;
  };
  struct Phase {
    SecretBuffer memory;
    char* begin = nullptr;
    std::size_t size = 0;
    std::vector<Run> runs;
  };
  void read_run(std::string_view source, std::size_t from, std::size_t& end, std::size_t least);

  Phase phases_[2];
};

}  // namespace av::proxy
