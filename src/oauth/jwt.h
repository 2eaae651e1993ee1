#pragma once
// JSON Web Tokens (RFC 7519, RFC 7515 compact form), signed and taken apart. RS256 and ES256 only.
// Internal to this library.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/expected.h"
#include "core/ossl.h"
#include "core/secret.h"
#include "vault/json_view.h"

namespace av::oauth {

// The key in PEM, unencrypted: RSA of 2048 to 16384 bits signs as RS256, P-256 as ES256; another is
// kInvalid. `claims` is a JSON object; `key_id` may be empty. The token is as good as a password
// while it lasts.
[[nodiscard]] Expected<Secret> sign_jwt(const Secret& private_key_pem, std::string_view claims,
                                        std::string_view key_id);

struct JwtParts {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
  std::string_view signed_text;  // header "." payload
};
// Three parts, none of them empty. Nothing of them is checked.
[[nodiscard]] Expected<JwtParts> split_jwt(std::string_view token);

// The inside of base64url without padding; kInvalid when it is none.
[[nodiscard]] Expected<SecretBuffer> from_base64url(std::string_view text);

// The claims of a token whose signature nobody has checked: for showing, never for deciding. Calls
// `use` when the token is one at all.
void peek_claims(const Secret& token, const std::function<void(const vault::JsonView&)>& use);

// ES256 signatures are r || s, 32 bytes each (RFC 7518 section 3.4); OpenSSL wants DER. Empty when
// it is none.
[[nodiscard]] std::string der_of_es256(std::string_view raw);

}  // namespace av::oauth
