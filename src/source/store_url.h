#pragma once
// The URL of a store, as a person gives it, and whether tokens may go there in the clear.

#include <string>
#include <string_view>

#include "source/provider.h"

namespace av::source {

// Absolute, canonical host, without user, query, fragment, or a "/" at its end; "https://" is added
// where no scheme is given. `cleartext`: http:// is allowed; to this machine it always is. kInvalid
// says what is wrong.
[[nodiscard]] Result<std::string> store_url(std::string_view text, bool cleartext);
// "localhost" or a loopback address, canonical.
[[nodiscard]] bool is_this_machine(std::string_view host);
// The setting plain_http. kInvalid: neither yes nor no.
[[nodiscard]] Result<bool> plain_http(const vault::ExternalStore& store);
// What to do about an http:// or ws:// that is refused.
inline constexpr std::string_view kPlainHttpHint =
    "--set plain_http=yes allows it, on a network that nobody else can listen to";

}  // namespace av::source
