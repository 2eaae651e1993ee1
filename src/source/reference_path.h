#pragma once
// The parts that references of path-like stores have in common: SCHEME://PATH[?QUERY][#FRAGMENT].
// One meaning has one spelling: everything but RFC 3986's unreserved characters is percent-encoded.

#include <optional>
#include <string>
#include <string_view>

#include "source/provider.h"

namespace av::source {

struct ReferenceParts {
  std::string_view path;
  std::optional<std::string_view> query;     // without the "?"
  std::optional<std::string_view> fragment;  // without the "#"
};
// `text` begins with "scheme://".
[[nodiscard]] ReferenceParts parts_of(std::string_view text);

// The text of a path, escapes decoded. Segments are UTF-8 without control characters, not empty,
// not "." or ".."; an escaped slash is refused, for nobody could tell it from one. At most 512
// bytes. `slash_at_end` allows one. kInvalid tells what is wrong and in which segment.
[[nodiscard]] Result<std::string> read_path(std::string_view text, bool slash_at_end = false);
// The same for a single name; a slash in it is refused too.
[[nodiscard]] Result<std::string> read_name(std::string_view text, std::string_view what);
// With its escapes decoded, whatever comes out of them; none when a "%" has not two digits.
[[nodiscard]] std::optional<std::string> unescaped(std::string_view text);
// How read_path() would have liked to read it: slashes stay.
[[nodiscard]] std::string percent_path(std::string_view path);

}  // namespace av::source
