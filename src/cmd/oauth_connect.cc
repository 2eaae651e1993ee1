// `oauth connect`: from a name and a provider to a credential that refreshes itself.

#include <algorithm>

#include "cmd/cli.h"
#include "cmd/oauth_cmd.h"
#include "cmd/oauth_flow.h"
#include "cmd/oauth_options.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "oauth/import.h"
#include "oauth/provider.h"
#include "vault/names.h"

namespace av::cmd {
namespace {

using vault::OauthFlow;

struct ConnectWords {
  ClientWords client;
  std::string key;
  std::string flow;
  std::uint64_t port = 0;
  std::string private_key_file;
  std::string service_account;
  std::string installation;
  std::string github_api = "https://api.github.com";
  std::string subject, audience, key_id;
  bool no_browser = false;
};

Expected<OauthFlow> flow_of(const ConnectWords& words, const vault::OauthClient& client) {
  if (!words.service_account.empty()) {
    return OauthFlow::kJwtBearer;
  }
  if (!words.installation.empty()) {
    return OauthFlow::kGithubApp;
  }
  if (words.flow.empty()) {
    // A credential whose tokens were pasted has no other way yet.
    return client.flow == OauthFlow::kPasted ? OauthFlow::kCode : client.flow;
  }
  std::string name = words.flow;
  std::replace(name.begin(), name.end(), '-', '_');
  const auto flow = vault::oauth_flow_from_string(name);
  if (!flow || *flow == OauthFlow::kPasted) {
    return usage_error("--flow is code, device, client-credentials, jwt-bearer or github-app");
  }
  return *flow;
}

// What signs: a service account's file, or a key and what is said about it.
Status take_signer(const ConnectWords& words, ChosenClient& chosen) {
  if (!words.service_account.empty()) {
    AV_TRY(const Secret file, fs::read_secret_file(words.service_account, 64 << 10));
    AV_TRY(oauth::ImportedLogin account, oauth::import_service_account(file));
    chosen.client.flow = OauthFlow::kJwtBearer;
    chosen.client.client_id = account.client.client_id;
    chosen.client.key_id = account.client.key_id;
    chosen.client.auth = account.client.auth;
    chosen.client.token_url =
        words.client.token_url.empty() ? account.client.token_url : words.client.token_url;
    chosen.secrets.private_key = std::move(account.secrets.private_key);
  } else if (!words.private_key_file.empty()) {
    AV_TRY(chosen.secrets.private_key, fs::read_secret_file(words.private_key_file, 64 << 10));
  }
  if (!words.installation.empty()) {
    chosen.client.token_url =
        words.github_api + "/app/installations/" + words.installation + "/access_tokens";
  }
  const auto replace = [](std::string& target, const std::string& word) {
    if (!word.empty()) {
      target = word;
    }
  };
  replace(chosen.client.subject, words.subject);
  replace(chosen.client.audience, words.audience);
  replace(chosen.client.key_id, words.key_id);
  if (chosen.secrets.private_key.empty()) {
    return usage_error("what shall sign is missing",
                       "--service-account FILE, or --private-key-file FILE with --client-id");
  }
  return {};
}

Status register_if_needed(Context& context, oauth::HttpPort& http, const std::string& redirect_uri,
                          ChosenClient& chosen) {
  if (!chosen.client.client_id.empty()) {
    return {};
  }
  if (chosen.registration_url.empty()) {
    return usage_error("the client id is missing",
                       "register an application with the provider, then --client-id ID");
  }
  AV_TRY(oauth::Registration made, oauth::register_client(http, chosen.discovered, redirect_uri));
  notice(context, "registered with " + chosen.registration_url);
  chosen.client.client_id = std::move(made.client_id);
  chosen.client.auth = made.auth;
  chosen.secrets.client_secret = std::move(made.client_secret);
  return {};
}

// Where a code goes that a person gets elsewhere, they should see.
void show_hosts(Context& context, const vault::OauthClient& client) {
  const std::string person = vault::host_of_url(client.authorization_url);
  const std::string token = vault::host_of_url(client.token_url);
  if (client.provider.empty() && person != token) {
    notice(context, "you sign in at " + person + "; what comes of it goes to " + token);
  }
}

Expected<oauth::Tokens> tokens_of(Context& context, const ConnectWords& words,
                                  oauth::HttpPort& http, ChosenClient& chosen) {
  const BrowserChoice browser{!words.no_browser};
  switch (chosen.client.flow) {
    case OauthFlow::kCode: {
      if (words.port > 65'535) {
        return usage_error("--port is 0 to 65535");
      }
      AV_TRY(RedirectListener listener,
             RedirectListener::open(static_cast<std::uint16_t>(words.port)));
      AV_CHECK(register_if_needed(context, http, listener.redirect_uri(), chosen));
      AV_CHECK(complete_secret(words.client, chosen));
      AV_CHECK(vault::check_oauth_client(chosen.client));
      show_hosts(context, chosen.client);
      return tokens_by_browser(context, http, chosen.client, chosen.secrets, listener, browser);
    }
    case OauthFlow::kDevice: {
      AV_CHECK(register_if_needed(context, http, {}, chosen));
      AV_CHECK(complete_secret(words.client, chosen));
      AV_CHECK(vault::check_oauth_client(chosen.client));
      return tokens_by_device(context, http, chosen.client, chosen.secrets, browser);
    }
    case OauthFlow::kClientCredentials: {
      AV_CHECK(complete_secret(words.client, chosen));
      break;
    }
    case OauthFlow::kJwtBearer:
    case OauthFlow::kGithubApp: {
      AV_CHECK(take_signer(words, chosen));
      break;
    }
    case OauthFlow::kPasted:
      return usage_error("tokens that exist already come in by `agent-vault oauth paste`");
  }
  AV_CHECK(vault::check_oauth_client(chosen.client));
  return minted_tokens(context, http, chosen.client, chosen.secrets);
}

Expected<int> connect(Context& context, const ConnectWords& words) {
  AV_CHECK(vault::check_credential_key(words.key));
  AV_TRY(const std::string vault, context.vault_name());
  AV_CHECK(context.store->get_vault(vault));
  AV_TRY(const auto http, provider_http(context, words.client.reach));
  const bool signs = !words.service_account.empty() || !words.installation.empty();
  ChosenClient chosen;
  if (signs && words.client.provider.empty() && words.client.url.empty() &&
      words.client.token_url.empty()) {
    chosen.client.client_id = words.client.client_id;
    chosen.client.scopes = words.client.scopes;
  } else {
    AV_TRY(chosen, choose_client(context, *http, words.client, vault, words.key));
  }
  AV_TRY(chosen.client.flow, flow_of(words, chosen.client));
  const NewConnection wanted{vault, words.key, "connect", chosen.hosts};
  return connect_and_store(context, wanted, chosen,
                           [&] { return tokens_of(context, words, *http, chosen); });
}

}  // namespace

Run setup_oauth_connect(OptionSet& app) {
  const auto words = std::make_shared<ConnectWords>();
  app.add_option("KEY", words->key, "name of the credential")->required();
  add_client_options(app, words->client);
  app.add_option("--flow", words->flow,
                 "code (default), device, client-credentials, jwt-bearer or github-app")
      ->type_name("FLOW");
  app.add_flag("--no-browser", words->no_browser,
               "open no browser here; paste the address that another one ends at");
  app.add_option("--port", words->port,
                 "of 127.0.0.1, for a provider that knows one redirect address only")
      ->type_name("PORT");
  app.add_option("--service-account", words->service_account,
                 "key file of a service account: makes tokens without a person")
      ->type_name("FILE");
  app.add_option("--private-key-file", words->private_key_file,
                 "PEM key that signs, for jwt-bearer and github-app")
      ->type_name("FILE");
  app.add_option("--installation", words->installation,
                 "github-app: number of the installation whose tokens are made")
      ->type_name("ID");
  app.add_option("--github-api", words->github_api, "github-app: of a GitHub of your own")
      ->type_name("URL");
  app.add_option("--subject", words->subject, "jwt-bearer: for whom it acts")->type_name("NAME");
  app.add_option("--audience", words->audience, "jwt-bearer: for whom it is signed")
      ->type_name("URL");
  app.add_option("--key-id", words->key_id, "jwt-bearer: which key has signed")->type_name("ID");
  app.footer(
      "Without a provider, KEY is connected again as it was.\n"
      "A redirect address of http://127.0.0.1 with any port must be registered with the provider.");
  return [words](Context& context) { return connect(context, *words); };
}

}  // namespace av::cmd
