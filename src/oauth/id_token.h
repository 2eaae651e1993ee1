#pragma once
// ID tokens: who has signed in (OpenID Connect Core sections 2 and 3.1.3.7).

#include <cstdint>
#include <string>
#include <string_view>

#include "core/expected.h"
#include "core/secret.h"
#include "oauth/http_port.h"

namespace av::oauth {

struct Identity {
  std::string issuer;
  std::string subject;
  std::string email;  // lower case; empty: none
  bool email_verified = false;
  std::string hosted_domain;     // Google's `hd`
  std::int64_t auth_time_s = 0;  // when the person has shown who they are; 0: it does not say
};
struct IdTokenExpectation {
  std::string issuer;
  std::string client_id;
  std::string_view nonce;  // of the attempt; empty: there was none, and any is taken
  std::int64_t now_s = 0;
};
// Signature RS256 or ES256 by a key of the JWKS at `jwks_url`; iss, aud, azp, exp, iat, nonce.
// kNotPermitted, saying which, when one is not right; `none` and HMAC are never taken.
[[nodiscard]] Expected<Identity> verify_id_token(HttpPort& http, std::string_view jwks_url,
                                                 const Secret& id_token,
                                                 const IdTokenExpectation& expectation);

}  // namespace av::oauth
