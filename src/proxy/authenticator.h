#pragma once
// The token that a client shows, in Proxy-Authorization or, on the API, in Authorization:
// `Bearer tok`, `Basic base64(tok)`, `Basic base64(tok:)`, `Basic base64(tok:vault)` and
// `Basic base64(anything:tok)`. What is compared are hashes.

#include <string>
#include <string_view>
#include <vector>

#include "core/secret.h"
#include "proxy/proxy_server.h"

namespace av::proxy {

struct ShownToken {
  crypto::Digest hash{};
  // What stood behind the token in Basic, where it may be the name of a vault: short and in the
  // alphabet of names. Empty otherwise.
  std::string vault;
};

// At most two: in Basic either half may be the token. None when it is malformed.
[[nodiscard]] std::vector<ShownToken> shown_tokens(std::string_view field_value);

// The token itself, for the API: of `Bearer`, or what stands before the colon of `Basic`. Empty
// when there is none, or it is malformed or longer than 1 KiB.
[[nodiscard]] Secret shown_token(std::string_view field_value);

// Whether the token of the grant is shown. Constant time in the token.
[[nodiscard]] bool authenticate(const SessionGrant& grant, std::string_view field_value);

}  // namespace av::proxy
