#include "oauth/connection.h"

#include <utility>

namespace av::oauth {

vault::OauthConnection connection_of(vault::OauthClient client, vault::OauthSecrets secrets,
                                     Tokens tokens, std::int64_t now_ms) {
  vault::OauthConnection out;
  out.granted_scopes = tokens.scopes.empty() ? client.scopes : std::move(tokens.scopes);
  out.client = std::move(client);
  out.secrets = std::move(secrets);
  if (!tokens.refresh_token.empty()) {
    out.secrets.refresh_token = std::move(tokens.refresh_token);
  }
  out.access_token = std::move(tokens.access_token);
  out.expires_ms = tokens.expires_in_s > 0 ? now_ms + tokens.expires_in_s * 1000 : 0;
  return out;
}

bool same_endpoints(const vault::OauthClient& a, const vault::OauthClient& b) {
  return a.authorization_url == b.authorization_url && a.token_url == b.token_url &&
         a.device_url == b.device_url && a.revocation_url == b.revocation_url;
}

}  // namespace av::oauth
