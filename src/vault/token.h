#pragma once
// Tokens: a prefix that says what they are for, and 32 random bytes in base64url. Only their
// SHA-256 is kept. A token has 256 random bits, so its hash needs neither salt nor stretching.

#include <string_view>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/secret.h"

namespace av::vault {

inline constexpr std::string_view kAgentToken = "av_agt_";     // an agent's own
inline constexpr std::string_view kSessionToken = "av_sess_";  // of one run or session, or a user's
inline constexpr std::string_view kInviteToken = "av_uinv_";   // in the link of an invite

[[nodiscard]] Expected<Secret> make_token(std::string_view prefix);
[[nodiscard]] crypto::Digest hash_of(const Secret& token);
// Of a token that a browser has as a cookie. It is another one than hash_of the same token: what
// came in a cookie is nobody's as a bearer token, which needs no proof that a page of ours sent it,
// and a bearer token is nobody's as a cookie.
[[nodiscard]] crypto::Digest hash_of_cookie(const Secret& token);

}  // namespace av::vault
