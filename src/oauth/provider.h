#pragma once
// Providers: the catalogue (providers.toml, embedded at build) and what servers say about
// themselves (RFC 8414, OpenID Connect Discovery, RFC 9728), with RFC 7591 registration.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"
#include "oauth/http_port.h"
#include "vault/oauth.h"

namespace av::oauth {

struct ScopeHint {
  std::string scope;
  std::string meaning;
};

// What a provider has for RFC 7009.
enum class RevokeStyle : std::uint8_t {
  kToken,        // RFC 7009: the refresh token, else the access token
  kAccessToken,  // the same, but it knows access tokens only
  kBearer,       // a POST without a body, with the access token as its authorization
  kGithub,       // DELETE /applications/{client_id}/token
};

struct Provider {
  std::string id;             // "github"
  std::string title;          // "GitHub"
  std::string register_url;   // where a person registers an application
  vault::OauthClient client;  // all but the client's own id; its scopes are asked for always
  std::vector<ScopeHint> suggested_scopes;
  std::vector<std::string> hosts;  // whose APIs take its tokens: "api.github.com"
  // Other addresses of the token endpoint that programs use; "*" stands for one segment.
  std::vector<std::string> token_aliases;
  // Other names under which people sign in with it: "login.windows.net". Nobody else's endpoints
  // may be mixed with these.
  std::vector<std::string> aliases;
  std::string note;  // what a person should know; may be empty
  bool device_needs_secret = false;
  RevokeStyle revoke = RevokeStyle::kToken;
};
[[nodiscard]] const std::vector<Provider>& providers();
[[nodiscard]] const Provider* find_provider(std::string_view id);
// The id that comes nearest, for "did you mean"; empty when none does.
[[nodiscard]] std::string nearest_provider(std::string_view id);
// By the token URL; null when none has it.
[[nodiscard]] const Provider* provider_of_token_url(std::string_view token_url);

struct Discovered {
  // issuer, endpoints, auth method, PKCE, resource parameter; flow: code, else device, else client
  // credentials, by what there is. PKCE is used unless the server says that it knows no S256: who
  // says nothing ignores it (RFC 6749 section 3.1). Scopes: those that a resource asks for.
  vault::OauthClient client;
  std::string registration_url;  // empty: none
  std::string jwks_url;          // empty: none; for verify_id_token
  std::string resource;          // RFC 9728; empty: an issuer was asked
  std::vector<std::string> scopes_supported;
  std::vector<std::string> auth_methods;  // registered names, as advertised; empty: nothing said
  std::vector<std::string> grant_types;   // the same
  bool pkce_advertised = false;           // the server says that it checks S256
};
// `url`: an issuer, or a protected resource (an MCP server), which names its issuer in its metadata
// or in the WWW-Authenticate of a 401. The issuer in the metadata must be the one asked for (RFC
// 8414 section 3.3), every endpoint https. kNotFound: no metadata there; kNotPermitted: metadata of
// somebody else, with an endpoint that is not one, or with some of a known provider's;
// kUnsupported: no way to authenticate that we know.
[[nodiscard]] Expected<Discovered> discover(HttpPort& http, std::string_view url);

// The same of what is known to be an issuer; nothing but its metadata is asked for.
[[nodiscard]] Expected<Discovered> discover_issuer(HttpPort& http, std::string_view issuer);

struct Registration {
  std::string client_id;
  Secret client_secret;  // empty: a public client
  vault::ClientAuth auth = vault::ClientAuth::kNone;
};
// RFC 7591, for `redirect_uri` (empty when the flow has none) and the client's flow. A public
// client where the server takes one and checks PKCE. kConflict: the server refused, in its words.
[[nodiscard]] Expected<Registration> register_client(HttpPort& http, const Discovered& server,
                                                     std::string_view redirect_uri);

}  // namespace av::oauth
