#pragma once
// Keys of an issuer (RFC 7517): the one that signs a token. Internal to this library.

#include <string_view>

#include "core/expected.h"
#include "core/ossl.h"
#include "vault/json_view.h"

namespace av::oauth {

enum class JwtAlgorithm : std::uint8_t { kRs256, kEs256 };

// The one signing key of the set that is for this algorithm and, when the token names one, has this
// id. kNotPermitted when there is none, when several fit and none is named (OpenID Connect Core
// section 10.1), or when the key is too weak or none at all.
[[nodiscard]] Expected<ossl::Pkey> signing_key(const vault::JsonView& jwks, JwtAlgorithm algorithm,
                                               std::string_view key_id);

}  // namespace av::oauth
