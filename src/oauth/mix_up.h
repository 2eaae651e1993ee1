#pragma once
// Whether endpoints that somebody else has named belong together (RFC 9700 section 4.4): whoever
// names a known provider's page to sign in, and a token endpoint of their own, gets its codes.

#include <string>
#include <string_view>

#include "core/expected.h"

namespace av::oauth {

// kNotPermitted when one of the two is a known provider's and the other is not. Neither is checked
// when one is empty.
[[nodiscard]] Status check_not_mixed_up(std::string_view authorization_url,
                                        std::string_view token_url);

// What a host's owner has registered, as far as its name tells: "example.com" of
// "id.example.com", "example.co.uk" of "id.example.co.uk"; an address is itself.
[[nodiscard]] std::string site_of(std::string_view host);

}  // namespace av::oauth
