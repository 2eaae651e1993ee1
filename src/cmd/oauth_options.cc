#include "cmd/oauth_options.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "cmd/cli.h"
#include "cmd/given_secret.h"
#include "cmd/option_set.h"
#include "cmd/provider_http.h"
#include "cmd/term.h"
#include "core/ascii.h"
#include "oauth/connection.h"
#include "vault/names.h"

namespace av::cmd {
namespace {

Status append_params(const std::vector<std::string>& words, std::string_view option,
                     vault::OauthParams& out) {
  for (const std::string& word : words) {
    const std::size_t at = word.find('=');
    if (at == 0 || at == std::string::npos) {
      return usage_error("--" + std::string(option) + " wants NAME=VALUE");
    }
    const std::string name = word.substr(0, at);
    std::erase_if(out, [&](const auto& pair) { return pair.first == name; });
    out.emplace_back(name, word.substr(at + 1));
  }
  return {};
}

Expected<const oauth::Provider*> provider_of(const std::string& id) {
  const oauth::Provider* const provider = oauth::find_provider(id);
  if (provider == nullptr) {
    const std::string near = oauth::nearest_provider(id);
    return make_error(ErrorCode::kNotFound, "no provider named '" + id + "'",
                      near.empty() ? "see: agent-vault oauth providers; any other by --url, or by "
                                     "--authorization-url and --token-url"
                                   : "did you mean '" + near + "'?");
  }
  return provider;
}

Expected<ChosenClient> begin_choice(Context& context, oauth::HttpPort& http,
                                    const ClientWords& words, const std::string& vault,
                                    const std::string& key) {
  ChosenClient chosen;
  const int ways = (words.provider.empty() ? 0 : 1) + (words.url.empty() ? 0 : 1);
  if (ways > 1) {
    return usage_error("--provider and --url exclude one another");
  }
  if (!words.provider.empty()) {
    AV_TRY(const oauth::Provider* const provider, provider_of(words.provider));
    chosen.client = provider->client;
    chosen.client.provider = provider->id;
    chosen.hosts = provider->hosts;
  } else if (!words.url.empty()) {
    AV_TRY(chosen.discovered, oauth::discover(http, words.url));
    chosen.client = chosen.discovered.client;
    chosen.registration_url = chosen.discovered.registration_url;
  } else if (words.token_url.empty()) {
    // As before.
    auto known = context.store->get_oauth(vault, key);
    if (!known) {
      return usage_error("say whose tokens " + key + " shall have",
                         "--provider NAME (see: agent-vault oauth providers), --url URL, or "
                         "--authorization-url and --token-url");
    }
    chosen.client = std::move(known->status.client);
    AV_TRY(chosen.secrets, context.store->oauth_secrets(vault, key));
    chosen.secrets.refresh_token = Secret();
    if (const oauth::Provider* const provider = oauth::find_provider(chosen.client.provider)) {
      chosen.hosts = provider->hosts;
    }
  }
  return chosen;
}

}  // namespace

void add_client_options(OptionSet& app, ClientWords& words) {
  app.add_option("--provider", words.provider, "one of `agent-vault oauth providers`")
      ->type_name("NAME");
  app.add_option("--url", words.url, "ask this issuer, or this MCP server, for its endpoints")
      ->type_name("URL");
  app.add_option("--authorization-url", words.authorization_url, "where the browser goes")
      ->type_name("URL");
  app.add_option("--token-url", words.token_url, "where tokens are had")->type_name("URL");
  app.add_option("--device-url", words.device_url, "where a code for another device is had")
      ->type_name("URL");
  app.add_option("--revocation-url", words.revocation_url, "where tokens are given back")
      ->type_name("URL");
  app.add_option("--client-id", words.client_id, "of the application, as registered")
      ->type_name("ID");
  app.add_option("--client-secret-file", words.client_secret_file,
                 "read the client's secret from here (- for standard input) instead of asking")
      ->type_name("FILE");
  app.add_flag("--public", words.public_client, "the application has no secret");
  app.add_option("--scope", words.scopes, "ask for this scope; repeatable")
      ->type_name("SCOPE")
      ->repeatable();
  app.add_option("--token-auth", words.token_auth,
                 "how the secret is shown at the token URL: post, basic or none")
      ->type_name("METHOD");
  app.add_option("--scope-separator", words.scope_separator, "between scopes (default: a blank)")
      ->type_name("TEXT");
  app.add_option("--auth-param", words.authorize_params,
                 "one more parameter of the authorization URL; repeatable")
      ->type_name("NAME=VALUE")
      ->repeatable();
  app.add_option("--token-param", words.token_params,
                 "one more parameter of the token request; repeatable")
      ->type_name("NAME=VALUE")
      ->repeatable();
  app.add_flag("--no-pkce", words.no_pkce, "for a provider that chokes on PKCE");
  add_reach_options(app, words.reach);
}

Expected<std::unique_ptr<oauth::HttpPort>> provider_http(Context& context, const RunWords& reach) {
  AV_TRY(const RunOptions options,
         resolve_options(reach, context.paths.config_file(),
                         [](const char* name) { return std::getenv(name); }));
  return make_provider_http(Reach{options.net, options.upstream_ca, options.egress},
                            *context.clock);
}

Expected<ChosenClient> choose_client(Context& context, oauth::HttpPort& http,
                                     const ClientWords& words, const std::string& vault,
                                     const std::string& key) {
  AV_TRY(ChosenClient chosen, begin_choice(context, http, words, vault, key));
  vault::OauthClient& client = chosen.client;
  const vault::OauthClient before = client;
  const auto replace = [](std::string& target, const std::string& word) {
    if (!word.empty()) {
      target = word;
    }
  };
  replace(client.authorization_url, words.authorization_url);
  replace(client.token_url, words.token_url);
  replace(client.device_url, words.device_url);
  replace(client.revocation_url, words.revocation_url);
  replace(client.scope_separator, words.scope_separator);
  if (!words.client_id.empty() && words.client_id != client.client_id) {
    client.client_id = words.client_id;
    chosen.secrets = vault::OauthSecrets();  // of another client
    chosen.registration_url.clear();
  }
  // A known secret goes where it went before and nowhere else.
  if (!oauth::same_endpoints(client, before)) {
    chosen.secrets = vault::OauthSecrets();
  }
  if (!words.token_auth.empty()) {
    const auto auth = vault::client_auth_from_string(words.token_auth);
    if (!auth) {
      return usage_error("--token-auth is post, basic or none");
    }
    client.auth = *auth;
  }
  if (words.public_client) {
    client.auth = vault::ClientAuth::kNone;
    chosen.secrets.client_secret = Secret();
  }
  if (!words.scopes.empty()) {
    // What the provider always needs comes first: offline_access and the like.
    std::vector<std::string> all;
    if (!words.provider.empty()) {
      all = client.scopes;
    }
    for (const std::string& word : words.scopes) {
      // "a,b c": however people write it.
      for (const std::string_view scope : ascii::words(word, " ,")) {
        if (std::find(all.begin(), all.end(), scope) == all.end()) {
          all.emplace_back(scope);
        }
      }
    }
    client.scopes = std::move(all);
  }
  AV_CHECK(append_params(words.authorize_params, "auth-param", client.authorize_params));
  AV_CHECK(append_params(words.token_params, "token-param", client.token_params));
  if (words.no_pkce) {
    client.pkce = false;
  }
  return chosen;
}

Status complete_secret(const ClientWords& words, ChosenClient& chosen) {
  if (chosen.client.auth == vault::ClientAuth::kNone) {
    return {};
  }
  if (!words.client_secret_file.empty()) {
    AV_TRY(chosen.secrets.client_secret,
           words.client_secret_file == "-"
               ? fs::read_secret_fd(STDIN_FILENO, 64 << 10)
               : fs::read_secret_file(words.client_secret_file, 64 << 10));
    drop_final_newlines(chosen.secrets.client_secret);
  } else if (chosen.secrets.client_secret.empty()) {
    Expected<Secret> typed =
        read_hidden("client secret of " + chosen.client.client_id + " (empty when it has none): ");
    if (!typed) {
      typed.error().hint = "--client-secret-file FILE, or --public when it has none";
      return typed.error();
    }
    chosen.secrets.client_secret = std::move(*typed);
  }
  if (chosen.secrets.client_secret.empty()) {
    chosen.client.auth = vault::ClientAuth::kNone;
  }
  return {};
}

}  // namespace av::cmd
