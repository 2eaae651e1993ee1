#pragma once
// Which provider and which client, in the body of a request: of the catalogue, by URLs, as the
// credential was connected before, or as a proposal has it.

#include <cstdint>
#include <string>
#include <string_view>

#include "api/call.h"
#include "vault/oauth.h"

namespace av::api {

struct WantedClient {
  vault::OauthClient client;
  vault::OauthSecrets secrets;  // the client's
  ForProposal proposal;
};
// Members: provider, authorization_url, token_url, revocation_url, client_id, client_secret,
// scopes, scope_separator, disable_pkce, token_auth_method, proposal. A secret that is not given is
// the one that is stored for `key`, if it would go where it went before and for the same client;
// else there is none. The client is not checked yet (vault::check_oauth_client).
[[nodiscard]] Expected<WantedClient> wanted_client(Call& call, const std::string& key);
inline constexpr std::string_view kClientMembers =
    "provider?:string, authorization_url?:string, token_url?:string, revocation_url?:string, "
    "client_id?:string, client_secret?:string, scopes?:string|[string], scope_separator?:string, "
    "disable_pkce?:boolean, token_auth_method?:string, proposal?:integer";

// A member that is a secret; empty when it is not there.
[[nodiscard]] Expected<Secret> secret_or_empty(Call& call, std::string_view name);
// What of a credential's tokens may be told.
[[nodiscard]] Json oauth_status_json(const store::Store::OauthInfo& info, std::int64_t now_ms);
// Stores a connection, on the log; or puts it where the proposal's "Allow" finds it.
[[nodiscard]] Status keep_connection(Call& call, std::string_view how, const std::string& vault,
                                     const std::string& key, const ForProposal& proposal,
                                     store::Store::OauthConnection connection);
// The record of it.
[[nodiscard]] vault::AuditRecord connect_record(const Call& call, std::string_view how,
                                                const std::string& vault, const std::string& key,
                                                const ForProposal& proposal,
                                                const vault::OauthClient& client);

}  // namespace av::api
