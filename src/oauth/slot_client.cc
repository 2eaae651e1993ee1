#include "oauth/slot_client.h"

#include "core/ascii.h"
#include "oauth/mix_up.h"
#include "oauth/provider.h"

namespace av::oauth {
namespace {

void complete_from(const Provider& provider, vault::OauthClient& client) {
  client.provider = provider.id;
  client.issuer = provider.client.issuer;
  client.revocation_url = provider.client.revocation_url;
  client.authorize_params = provider.client.authorize_params;
  client.token_params = provider.client.token_params;
  client.json_body = provider.client.json_body;
  client.scope_separator = provider.client.scope_separator;
  client.pkce = provider.client.pkce;
}

}  // namespace

Expected<vault::OauthClient> client_of_slot(const vault::OauthConfig& config) {
  vault::OauthClient client;
  const Provider* const known = provider_of_token_url(config.token_url);
  if (known != nullptr) {
    complete_from(*known, client);
    client.auth = known->client.auth;
  }
  if (auto good = check_not_mixed_up(config.authorization_url, config.token_url); !good) {
    good.error().hint = "reject the proposal";
    return good.error();
  }
  client.authorization_url = config.authorization_url;
  client.token_url = config.token_url;
  client.client_id = config.client_id;
  if (!config.scope_separator.empty()) {
    client.scope_separator = config.scope_separator;
  }
  for (const std::string_view scope : ascii::words(config.scopes, " ,\t\n")) {
    client.scopes.emplace_back(scope);
  }
  if (const auto auth = vault::client_auth_from_string(config.token_auth_method)) {
    client.auth = *auth;
  }
  // That PKCE is not used may be said by a person: without it a code is anybody's.
  return client;
}

}  // namespace av::oauth
