#pragma once
// Which provider and which client: on the command line of the oauth commands.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cmd/command.h"
#include "cmd/run_options.h"
#include "oauth/http_port.h"
#include "oauth/provider.h"
#include "vault/oauth.h"

namespace av::cmd {

class OptionSet;

// As written. Empty or 0: not given.
struct ClientWords {
  RunWords reach;
  std::string provider;
  std::string url;  // for discovery
  std::string authorization_url, token_url, device_url, revocation_url;
  std::string client_id;
  std::string client_secret_file;
  std::string token_auth;
  std::string scope_separator;
  std::vector<std::string> scopes;
  std::vector<std::string> authorize_params, token_params;
  bool public_client = false;
  bool no_pkce = false;
};
void add_client_options(OptionSet& app, ClientWords& words);

// How providers are reached, by the options and the config file.
[[nodiscard]] Expected<std::unique_ptr<oauth::HttpPort>> provider_http(Context& context,
                                                                       const RunWords& reach);

struct ChosenClient {
  vault::OauthClient client;
  vault::OauthSecrets secrets;
  std::string registration_url;    // a client can be had there; client.client_id is empty then
  std::vector<std::string> hosts;  // whose APIs take the tokens, as far as that is known
  oauth::Discovered discovered;    // with a registration_url
};
// By what was said, or as the credential `key` of the vault was connected before. kUsage when that
// says too little.
[[nodiscard]] Expected<ChosenClient> choose_client(Context& context, oauth::HttpPort& http,
                                                   const ClientWords& words,
                                                   const std::string& vault,
                                                   const std::string& key);
// Asks for the client's secret where one is needed and none is known.
[[nodiscard]] Status complete_secret(const ClientWords& words, ChosenClient& chosen);

}  // namespace av::cmd
