#pragma once
// A request as people write it: a method and a URL.

#include <string_view>

#include "core/expected.h"
#include "vault/canonical.h"

namespace av::vault {

// `url`: "https://host[:port][/path][?query]", http and, for what a WebSocket opens with, wss and
// ws too; without a scheme https. `method` is made upper case. A fragment is left out: no client
// sends it. kInvalid: that is no request. kNotPermitted: one that the proxy refuses for its path.
[[nodiscard]] Expected<RequestIdentity> parse_request(std::string_view method,
                                                      std::string_view url);
// "METHOD URL", or a URL alone for GET.
[[nodiscard]] Expected<RequestIdentity> parse_request(std::string_view method_and_url);
// "GET https://host/path?query", canonical.
[[nodiscard]] std::string to_string(const RequestIdentity& request);

}  // namespace av::vault
