#pragma once
// Methods that a request has besides the one in its first line, for servers that take another one
// out of its content: Rails, Laravel, Symfony and the like obey `_method` in a form, some of them
// in the query. Internal to vault.

#include <string>
#include <string_view>
#include <vector>

namespace av::vault {

struct OverrideMethods {
  std::vector<std::string> methods;  // in upper case
  bool any = false;                  // there is one that cannot be read, or too many of them
  [[nodiscard]] bool empty() const { return methods.empty() && !any; }
};

// Names are read like the most obliging server does: escapes, case, and what PHP makes of "." and
// " ".
[[nodiscard]] OverrideMethods methods_in_query(std::string_view query);
// Of a body, urlencoded or in parts (RFC 7578).
[[nodiscard]] OverrideMethods methods_in_form(std::string_view body);

}  // namespace av::vault
