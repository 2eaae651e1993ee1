#pragma once
// What keeping a login would do to a vault, before anybody has allowed it: the credential, the
// services, and the words for the human who decides.

#include <cstdint>
#include <string>
#include <vector>

#include "core/expected.h"
#include "oauth/login.h"
#include "oauth/token_endpoint.h"
#include "store/store.h"
#include "vault/oauth.h"
#include "vault/policy.h"
#include "vault/service.h"

namespace av::cmd {

// Marks a credential that was had so (OauthClient::labels); its value is the run.
inline constexpr std::string_view kCapturedLabel = "captured";
[[nodiscard]] std::string label_of(const vault::OauthClient& client, std::string_view name);
// Tells the logins at one provider, whatever address of it they went to, from those of others.
[[nodiscard]] const std::string& group_of(const oauth::LoginEndpoint& endpoint);

struct LoginPlan {
  std::string key;
  std::int64_t replaces_ms = 0;          // when the login was connected that it replaces; 0: none
  std::vector<vault::Service> services;  // to be added
  // Credentials of services that are there already for its hosts, and stay: what the program has
  // may go there, and these are put in its place.
  std::vector<std::string> others;
  std::string effect;
};
struct LoginOf {
  const oauth::LoginEndpoint& endpoint;
  const oauth::LoginRequest& request;
  const std::string& vault;
  const vault::Agent* agent;  // whom the run acts for; may be null
};
// kConflict: ten logins at this provider are kept already. kUnsupported: a client at the endpoint
// of a program that is not that program.
[[nodiscard]] Expected<LoginPlan> plan_login(store::Store& store, const LoginOf& login);

// What is kept. `url`: the token endpoint that it went to. Takes what is secret out of `request`.
[[nodiscard]] vault::OauthConnection login_connection(const oauth::LoginEndpoint& endpoint,
                                                      const std::string& url,
                                                      oauth::LoginRequest& request,
                                                      oauth::Tokens tokens, std::string_view run,
                                                      std::int64_t now_ms);

}  // namespace av::cmd
