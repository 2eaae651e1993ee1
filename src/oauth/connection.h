#pragma once
// From the answer of a token endpoint to what is kept of it.

#include <cstdint>

#include "oauth/token_endpoint.h"
#include "vault/oauth.h"

namespace av::oauth {

// `secrets`: the client's, with the refresh token that was used, if one was; the answer's own takes
// its place.
[[nodiscard]] vault::OauthConnection connection_of(vault::OauthClient client,
                                                   vault::OauthSecrets secrets, Tokens tokens,
                                                   std::int64_t now_ms);

// Whether all that the one sends a secret to, a token or a person, is where the other sends it:
// only then what was stored for the one may be used for the other.
[[nodiscard]] bool same_endpoints(const vault::OauthClient& a, const vault::OauthClient& b);

}  // namespace av::oauth
