#include "source/local_kinds.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/reference_path.h"

namespace av::source {

Result<std::string> decoded_part(std::string_view text, std::string_view what) {
  std::optional<std::string> out = unescaped(text);
  if (!out) {
    return failure(Failure::Why::kInvalid,
                   "the " + std::string(what) + " in the reference has a \"%\" without two digits",
                   "write %25 for the sign itself");
  }
  if (!encoding::is_utf8(*out) || std::any_of(out->begin(), out->end(), ascii::is_control)) {
    return failure(Failure::Why::kInvalid, "the " + std::string(what) +
                                               " in the reference has a control character, or is "
                                               "not in UTF-8");
  }
  return std::move(*out);
}

}  // namespace av::source
