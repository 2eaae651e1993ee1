#pragma once
// Who is asking: the token of Proxy-Authorization (or Authorization, on the API) against the hash
// of the session's. Constant time in the token.

#include <optional>
#include <string_view>

#include "proxy/proxy_server.h"

namespace av::proxy {

// Accepts `Bearer tok`, `Basic base64(tok)`, `Basic base64(tok:)`, `Basic base64(tok:vault)` and
// `Basic base64(anything:tok)`.
[[nodiscard]] bool authenticate(const SessionGrant& grant, std::string_view field_value);

}  // namespace av::proxy
