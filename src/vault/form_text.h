#pragma once
// Forms as servers read them: urlencoded (WHATWG URL section 5.1), and in parts (RFC 7578). Parts
// are looked for wherever a body has heads of parts, without a boundary: what a lax reader takes
// for one must not be missed. Internal to vault.

#include <string>
#include <string_view>
#include <vector>

namespace av::vault {

[[nodiscard]] std::string form_decoded(std::string_view text);

// In place of names that were not read: there are too many of them.
inline constexpr std::string_view kAnyName = "*";

struct FormPart {
  std::vector<std::string> names;  // as its head calls it, in each way that it can be read
  std::string_view behind;         // what stands behind its head, up to the end of the body
  bool plain = true;               // in UTF-8, and in no transfer encoding
};

// Every head with a Content-Disposition, Content-Type or Content-Transfer-Encoding field, at most
// 1000; more of them make the last one unreadable, and of any name.
[[nodiscard]] std::vector<FormPart> form_parts(std::string_view body);

// Whether a form says by `_charset_` (WHATWG HTML section 4.10.18.6) that it is not in UTF-8.
[[nodiscard]] bool names_other_charset(std::string_view body);

}  // namespace av::vault
