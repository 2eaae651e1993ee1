#pragma once
// OAuth credentials: how the tokens of one are had and kept fresh. The access token is the
// credential's value, a version like any other; what is here stands beside it. Secrets of the
// client and the refresh token are in OauthSecrets, sealed together.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"

namespace av::vault {

// How the first access token is had, and every later one when there is no refresh token.
enum class OauthFlow : std::uint8_t {
  kCode,               // RFC 6749 section 4.1 with PKCE (RFC 7636)
  kDevice,             // RFC 8628
  kClientCredentials,  // RFC 6749 section 4.4
  kJwtBearer,          // RFC 7523 section 2.1; service accounts
  kGithubApp,          // a JWT of the app is exchanged for an installation's token
  kPasted,             // somebody else had them
};
[[nodiscard]] std::string_view to_string(OauthFlow flow);  // "code", "device", "client_credentials"
[[nodiscard]] std::optional<OauthFlow> oauth_flow_from_string(std::string_view text);
// A flow that makes tokens of a stored secret, without a person and without a refresh token.
[[nodiscard]] bool mints(OauthFlow flow);

// RFC 6749 section 2.3.1.
enum class ClientAuth : std::uint8_t { kPost, kBasic, kNone };
[[nodiscard]] std::string_view to_string(ClientAuth auth);  // "post", "basic", "none"
// Also the registered names: "client_secret_post", "client_secret_basic".
[[nodiscard]] std::optional<ClientAuth> client_auth_from_string(std::string_view text);

using OauthParams = std::vector<std::pair<std::string, std::string>>;

// Plain: nothing in it is secret. Pinned when the credential is connected; no answer of a server
// changes where a secret of it goes.
struct OauthClient {
  OauthFlow flow = OauthFlow::kCode;
  std::string provider;       // of the catalogue; empty: by its URLs
  std::string issuer;         // RFC 8414; when known, an answer's `iss` must be this (RFC 9207)
  bool requires_iss = false;  // the issuer says that it always sends one: an answer without is none
  std::string authorization_url;
  std::string token_url;
  std::string device_url;
  std::string revocation_url;
  std::string client_id;  // of a GitHub App: its id or client id
  ClientAuth auth = ClientAuth::kPost;
  std::vector<std::string> scopes;
  std::string scope_separator = " ";
  bool pkce = true;
  // A JSON body instead of a form for the token endpoint, as Anthropic's wants it.
  bool json_body = false;
  OauthParams authorize_params;  // beside the standard ones: access_type=offline
  OauthParams token_params;      // with every request of a token: resource=..., audience=...
  // kJwtBearer: `sub`, `aud` (empty: the token URL) and the key's id (`kid`).
  std::string subject;
  std::string audience;
  std::string key_id;
  // What people and programs want to know about the account: "email", "plan". Sent nowhere.
  OauthParams labels;
};
// https (http only to a loopback literal or localhost), at most 2048 characters, all of which RFC
// 3986 allows; without user or fragment. kInvalid: "`name` ...".
[[nodiscard]] Status check_endpoint(std::string_view url, std::string_view name);
// Every URL as above, those present that the flow needs; parameters do not name what the flow
// itself sets. kInvalid, naming the member.
[[nodiscard]] Status check_oauth_client(const OauthClient& client);
// One JSON object and back; unknown members are refused.
[[nodiscard]] std::string oauth_client_to_json(const OauthClient& client);
[[nodiscard]] Expected<OauthClient> oauth_client_from_json(std::string_view json);

// Each may be empty.
struct OauthSecrets {
  Secret client_secret;
  Secret refresh_token;
  Secret private_key;  // PEM, of kJwtBearer and kGithubApp
};
// One flat text for sealing: three parts with their lengths.
[[nodiscard]] Expected<Secret> pack(const OauthSecrets& secrets);
[[nodiscard]] Expected<OauthSecrets> unpack_oauth_secrets(const Secret& packed);

enum class OauthState : std::uint8_t {
  kConnected,
  kReconnect,  // the provider takes the refresh token no more: a person must connect it again
};
[[nodiscard]] std::string_view to_string(OauthState state);  // "connected", "reconnect"

// A credential as it is connected: what there is to keep.
struct OauthConnection {
  OauthClient client;
  OauthSecrets secrets;
  Secret access_token;
  std::int64_t expires_ms = 0;  // 0: not known
  std::vector<std::string> granted_scopes;
};

// What is known about the tokens, without them.
struct OauthStatus {
  OauthClient client;
  OauthState state = OauthState::kConnected;
  std::int64_t expires_ms = 0;  // of the access token; 0: nobody has said
  bool has_refresh_token = false;
  std::vector<std::string> granted_scopes;
  std::int64_t connected_ms = 0;
  std::int64_t refreshed_ms = 0;  // 0: not since it was connected
  std::int64_t retry_ms = 0;      // no attempt before this time (back-off)
  std::uint32_t failures = 0;     // in a row
  std::string last_error;         // "" when the last attempt went well
};

// "connected", "failing" (it is tried again by itself), "reconnect" (a person must).
[[nodiscard]] std::string_view state_word(const OauthStatus& status, std::int64_t now_ms);
// Of a URL with a scheme, canonical; empty when there is none.
[[nodiscard]] std::string host_of_url(std::string_view url);

// When the access token ends within this, it is refreshed before it is used (see TokenTimes).
inline constexpr std::int64_t kRefreshAheadMs = std::int64_t{5} * 60 * 1000;

}  // namespace av::vault
