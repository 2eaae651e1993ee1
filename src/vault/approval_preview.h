#pragma once
// What a reviewer is shown of a request: on one screen, in characters that can neither move the
// cursor nor change their order, and without what looks like a secret. The agent wrote it: nothing
// in it is to be believed, only seen.

#include <string>
#include <string_view>

namespace av::vault {

inline constexpr std::size_t kPreviewSize = 4096;

// Text that is not UTF-8 is shown with \xNN. Line feeds stay, also in their "\n" form in JSON.
struct BodyPreview {
  std::string text;
  bool complete = false;  // shows all of it
};
[[nodiscard]] BodyPreview preview_of_body(std::string_view bytes);
// A URL, or anything on one line; at most 2000 characters.
[[nodiscard]] std::string preview_of_line(std::string_view text);

}  // namespace av::vault
