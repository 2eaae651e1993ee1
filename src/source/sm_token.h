#pragma once
// Access tokens of Bitwarden Secrets Manager: "0.ID.CLIENT_SECRET:KEY", the key 16 bytes in base64.

#include <string>

#include "core/secret.h"
#include "source/provider.h"

namespace av::source {

struct SmToken {
  std::string id;  // of the token; lower case
  Secret client_secret;
  Secret key;  // 64 bytes, derived
};
// kInvalid says what is wrong with it.
[[nodiscard]] Result<SmToken> read_sm_token(const Secret& token);

// The organization in the claims of the bearer token that a login gives; empty when it names none.
[[nodiscard]] std::string sm_organization(const Secret& bearer);

}  // namespace av::source
