#pragma once
// What the packed forms of secrets are made of: sizes in decimal in front of the parts.

#include <charconv>
#include <cstddef>
#include <string_view>
#include <system_error>

namespace av::vault {

// A number without sign or leading zero, and the character behind it; both are taken off `text`.
inline bool take_number(std::string_view& text, char end, std::size_t& out) {
  const char* const last = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), last, out);
  if (error != std::errc() || at == last || *at != end ||
      (text[0] == '0' && at != text.data() + 1)) {
    return false;
  }
  text.remove_prefix(static_cast<std::size_t>(at - text.data()) + 1);
  return true;
}

}  // namespace av::vault
