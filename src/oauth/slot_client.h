#pragma once
// The client of a credential that an agent asks a person to connect.

#include <string>
#include <string_view>

#include "core/expected.h"
#include "vault/oauth.h"
#include "vault/proposal.h"

namespace av::oauth {

// As a proposal's slot describes it, completed from the catalogue; flow kCode. kNotPermitted when
// it would send a known provider's code, or its client's secret, somewhere else: whoever wrote the
// proposal may be after them (check_not_mixed_up). `disable_pkce` is not heeded: that is for a
// person to say. Not checked yet (vault::check_oauth_client).
[[nodiscard]] Expected<vault::OauthClient> client_of_slot(const vault::OauthConfig& config);

}  // namespace av::oauth
