#pragma once
// The token that a client shows, in Proxy-Authorization or, on the API, in Authorization:
// `Bearer tok`, `Basic base64(tok)`, `Basic base64(tok:)`, `Basic base64(tok:vault)` and
// `Basic base64(anything:tok)`. What is compared are hashes.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/secret.h"
#include "proxy/fault.h"
#include "proxy/proxy_server.h"

namespace av::proxy {

struct ShownToken {
  crypto::Digest hash{};
  // What stood behind the token in Basic: the name of a vault. Empty: nothing stood there.
  std::string vault;
  // Something stood there that can be no name, and is not kept: it may be a token. Whoever is shown
  // by this token meant a vault that is not known; it must not become another one.
  bool malformed_vault = false;
};

// At most two: in Basic either half may be the token. None when it is malformed.
[[nodiscard]] std::vector<ShownToken> shown_tokens(std::string_view field_value);

// The token itself, for the API: of `Bearer`, or what stands before the colon of `Basic`. Empty
// when there is none, or it is malformed or longer than 1 KiB.
[[nodiscard]] Secret shown_token(std::string_view field_value);

// What stands behind the token that shown_token returns, as in ShownToken; its hash is not set.
[[nodiscard]] ShownToken shown_vault(std::string_view field_value);

// Whether the token of the grant is shown, and with what. Constant time in the token.
[[nodiscard]] std::optional<ShownToken> authenticate(const SessionGrant& grant,
                                                     std::string_view field_value);

// Why a token may not be used with what stands behind it, where it permits `vault` alone; empty
// when it may: the same vault is named, or none.
[[nodiscard]] std::optional<Fault> check_vault_hint(const ShownToken& token,
                                                    std::string_view vault);
// 400: what stands behind a token is no name.
[[nodiscard]] Fault malformed_vault();

}  // namespace av::proxy
