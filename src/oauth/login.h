#pragma once
// Logins that a program makes itself: which requests are such, and what they ask a provider for.
// Nothing here waits or sends. A request that could be read in two ways is not read at all.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"
#include "oauth/provider.h"
#include "vault/canonical.h"
#include "vault/oauth.h"

namespace av::oauth {

// A token endpoint that is known: of the catalogue, under all its names, or of a program whose
// login `oauth import` knows.
struct LoginEndpoint {
  std::string host;  // canonical; https, port 443
  std::string path;  // canonical, in lower case; "*" stands for one segment
  std::string url;   // where its tokens are refreshed; empty: where they were got
  std::string title;
  const Provider* provider = nullptr;  // of the catalogue; null: a program's
  std::string program;                 // "codex", "claude"; empty: a provider of the catalogue
};
[[nodiscard]] const std::vector<LoginEndpoint>& login_endpoints();
// Whatever the method is. Reads the path in every way in which a server might (path_readings.h).
// Null: none. Looks up the host only, for nearly every request.
[[nodiscard]] const LoginEndpoint* find_login_endpoint(const vault::RequestIdentity& identity);
[[nodiscard]] const LoginEndpoint* find_login_endpoint(std::string_view token_url);

enum class LoginGrant : std::uint8_t { kCode, kDevice, kRefresh };

struct LoginText {
  std::string_view content_type;
  std::string_view query;
  std::string_view authorization;  // the value of that field
  std::string_view body;           // without content coding
};
struct LoginRequest {
  LoginGrant grant = LoginGrant::kCode;
  // SHA-256, in hex, of what is to be redeemed: the same login has the same one.
  std::string mark;
  // kRefresh: what was sent, a stand-in of ours or a token that the program has from elsewhere.
  std::string stand_in;  // worthless; empty: it is none
  Secret refresh_token;
  // What the program is to the provider: id, auth, json_body, token_params.
  vault::OauthClient client;
  Secret client_secret;  // empty: a public client
  std::string shown;     // for people: what is no secret of it, one parameter a line
};
// kInvalid: it cannot be read, or in more than one way. kUnsupported: a grant that is no login.
[[nodiscard]] Expected<LoginRequest> read_login(const LoginText& text);

}  // namespace av::oauth
