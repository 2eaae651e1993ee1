#pragma once
// The URL of a store, as a person gives it.

#include <string>
#include <string_view>

#include "source/provider.h"

namespace av::source {

// Absolute, canonical host, without user, query, fragment, or a "/" at its end; "https://" is added
// where no scheme is given. `cleartext`: http:// is allowed; to this machine it always is. kInvalid
// says what is wrong.
[[nodiscard]] Result<std::string> store_url(std::string_view text, bool cleartext);

}  // namespace av::source
