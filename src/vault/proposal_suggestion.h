#pragma once
// A proposal that fits a request which was refused, ready to be sent: what an agent needs to ask
// for access in one call.

#include <string>
#include <string_view>

#include "vault/canonical.h"
#include "vault/policy.h"

namespace av::vault {

// JSON for read_proposal(), of at most some 4 KiB. How the service authenticates comes from the
// catalogue where that knows the host and the path, else it is a bearer token. Credentials that are
// stored already and that `agent` may use are not asked for again; without a `snapshot` all are.
[[nodiscard]] std::string suggested_proposal(const RequestIdentity& request,
                                             const PolicySnapshot* snapshot,
                                             std::string_view agent);
// For a service that is there: to be switched on, or granted anew.
[[nodiscard]] std::string renewal_proposal(std::string_view service);
// For a credential alone.
[[nodiscard]] std::string credential_proposal(std::string_view key);

// "api.example.com" -> "EXAMPLE_KEY".
[[nodiscard]] std::string suggested_key(std::string_view host);

}  // namespace av::vault
