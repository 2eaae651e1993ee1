#pragma once
// Words for POSIX shells.

#include <string>
#include <string_view>

namespace av::cmd {

// Nothing means anything within single quotes.
[[nodiscard]] inline std::string shell_word(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return out + "'";
}

}  // namespace av::cmd
