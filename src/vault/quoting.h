#pragma once
// Whether what a remote party said quotes what had been sent to it: then it is not shown.

#include <string_view>

#include "core/secret.h"

namespace av::vault {

// Six characters in a row of the secret, or all of a shorter one (of four and more), stand in the
// text, in whatever case.
[[nodiscard]] bool quotes(std::string_view text, const Secret& secret);

}  // namespace av::vault
