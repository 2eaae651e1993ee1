#include "oauth/provider.h"
#include "oauth/mix_up.h"
#include "oauth/slot_client.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "oauth/authorization.h"
#include "unit/oauth/fake_port.h"
#include "vault/canonical.h"

using namespace av;
using namespace av::test;
using oauth::find_provider;
using oauth::Provider;
using oauth::providers;

TEST_CASE("providers: every row is complete and can be used", "[oauth][providers]") {
  std::set<std::string> ids;
  std::set<std::string> token_urls;
  for (const Provider& provider : providers()) {
    CAPTURE(provider.id);
    CHECK(ids.insert(provider.id).second);
    CHECK(token_urls.insert(provider.client.token_url).second);
    CHECK(provider.id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") ==
          std::string::npos);
    CHECK(provider.client.provider == provider.id);
    CHECK(provider.client.client_id.empty());
    CHECK_FALSE(provider.title.empty());
    CHECK_FALSE(provider.hosts.empty());
    for (const std::string& host : provider.hosts) {
      CAPTURE(host);
      const std::string name = host.starts_with("*.") ? host.substr(2) : host;
      const auto canonical = vault::canonical_host(name);
      REQUIRE(canonical);
      CHECK(*canonical == name);
    }
    CHECK(provider.register_url.starts_with("https://"));
    CHECK(provider.note.size() <= 300);

    vault::OauthClient client = provider.client;
    client.client_id = "id";
    for (const std::string* url : {&client.authorization_url, &client.token_url, &client.device_url,
                                   &client.revocation_url, &client.issuer}) {
      CHECK((url->empty() || url->starts_with("https://")));
    }
    CHECK(vault::check_oauth_client(client));
    if (!client.device_url.empty()) {
      client.flow = vault::OauthFlow::kDevice;
      CHECK(vault::check_oauth_client(client));
    }
    client.flow = vault::OauthFlow::kCode;
    // The scopes that it suggests pass as they are written.
    std::set<std::string> scopes(client.scopes.begin(), client.scopes.end());
    for (const oauth::ScopeHint& hint : provider.suggested_scopes) {
      CAPTURE(hint.scope);
      CHECK(scopes.insert(hint.scope).second);
      CHECK_FALSE(hint.meaning.empty());
      client.scopes.push_back(hint.scope);
    }
    const auto attempt = oauth::begin_code(client, "http://127.0.0.1:1/callback");
    REQUIRE(attempt);
    CHECK((attempt->url.find("code_challenge_method=S256") != std::string::npos) == client.pkce);
    // It can be kept and read again.
    const auto back = vault::oauth_client_from_json(vault::oauth_client_to_json(client));
    REQUIRE(back);
    CHECK(vault::oauth_client_to_json(*back) == vault::oauth_client_to_json(client));
  }
  for (const char* id : {"github", "google", "slack", "microsoft", "gitlab", "bitbucket", "notion",
                         "linear", "discord", "dropbox", "spotify", "twitch", "zoom", "hubspot",
                         "atlassian", "salesforce", "figma", "asana"}) {
    CAPTURE(id);
    CHECK(find_provider(id) != nullptr);
  }
}

TEST_CASE("providers: what they need so that a refresh token is given", "[oauth][providers]") {
  const auto url = [](const char* id) {
    vault::OauthClient client = find_provider(id)->client;
    client.client_id = "id";
    return oauth::begin_code(client, "http://127.0.0.1:1/callback")->url;
  };
  CHECK_THAT(url("google"),
             Catch::Contains("access_type=offline") && Catch::Contains("prompt=consent"));
  CHECK_THAT(url("dropbox"), Catch::Contains("token_access_type=offline"));
  CHECK_THAT(url("atlassian"), Catch::Contains("audience=api.atlassian.com") &&
                                   Catch::Contains("scope=offline_access"));
  CHECK_THAT(url("microsoft"), Catch::Contains("scope=offline_access"));
  CHECK_THAT(url("salesforce"), Catch::Contains("scope=refresh_token"));
  CHECK_THAT(url("notion"), Catch::Contains("owner=user"));
}

TEST_CASE("providers: found by name and by token URL", "[oauth][providers]") {
  CHECK(find_provider("nobody") == nullptr);
  CHECK(find_provider("") == nullptr);
  const Provider* google = oauth::provider_of_token_url("https://oauth2.googleapis.com/token");
  REQUIRE(google != nullptr);
  CHECK(google->id == "google");
  CHECK(oauth::provider_of_token_url("https://oauth2.googleapis.com/token/") == nullptr);
  CHECK(oauth::provider_of_token_url("") == nullptr);
  CHECK(find_provider("notion")->client.auth == vault::ClientAuth::kBasic);
  CHECK(find_provider("notion")->client.json_body);
  CHECK(find_provider("slack")->client.scope_separator == ",");
  CHECK(find_provider("google")->device_needs_secret);
}

TEST_CASE("mix-up: what belongs to a known provider goes with nothing of anybody else's",
          "[oauth][providers][attack]") {
  const auto mixed = [](const char* page, const char* token) {
    const Status good = oauth::check_not_mixed_up(page, token);
    return !good && good.error().code == ErrorCode::kNotPermitted;
  };
  const char* const evil = "https://evil.test/token";
  for (const char* page :
       {"https://github.com/login/oauth/authorize", "https://www.github.com/login/oauth/authorize",
        "https://GitHub.com/login/oauth/authorize", "https://github.com:443/login/oauth/authorize",
        "https://canary.discord.com/oauth2/authorize", "https://discordapp.com/oauth2/authorize",
        "https://acme.slack.com/oauth/v2/authorize",
        "https://login.windows.net/common/oauth2/authorize",
        "https://test.salesforce.com/services/oauth2/authorize"}) {
    CAPTURE(page);
    CHECK(mixed(page, evil));
  }
  // Whose customers may have pages there are no token endpoint of it.
  CHECK(mixed("https://accounts.google.com/o/oauth2/v2/auth",
              "https://script.google.com/macros/s/x/exec"));
  CHECK(mixed("https://evil.test/authorize", "https://github.com/login/oauth/access_token"));
  for (const Provider& provider : oauth::providers()) {
    CAPTURE(provider.id);
    CHECK_FALSE(
        mixed(provider.client.authorization_url.c_str(), provider.client.token_url.c_str()));
  }
  const auto tenant = std::string("https://login.microsoftonline.com/my-tenant/oauth2/v2.0/");
  CHECK_FALSE(mixed((tenant + "authorize").c_str(), (tenant + "token").c_str()));
  CHECK_FALSE(mixed("https://acme.my.salesforce.com/a", "https://acme.my.salesforce.com/t"));
  CHECK_FALSE(mixed("https://id.example.com/a", "https://api.example.com/t"));
  CHECK_FALSE(mixed("https://notgithub.com/a", evil));
}

TEST_CASE("mix-up: what a host's owner has registered", "[oauth][providers]") {
  CHECK(oauth::site_of("a.b.example.com") == "example.com");
  CHECK(oauth::site_of("example.com") == "example.com");
  CHECK(oauth::site_of("id.example.co.uk") == "example.co.uk");
  CHECK(oauth::site_of("example.co.uk") == "example.co.uk");
  CHECK(oauth::site_of("co.uk") == "co.uk");
  CHECK(oauth::site_of("localhost") == "localhost");
  CHECK(oauth::site_of("127.0.0.1") == "127.0.0.1");
  CHECK(oauth::site_of("[::1]") == "[::1]");
  CHECK(oauth::site_of("").empty());
}

TEST_CASE("slot: that PKCE is not used is nothing for an agent to say",
          "[oauth][providers][attack]") {
  vault::OauthConfig config;
  config.authorization_url = "https://id.test/authorize";
  config.token_url = "https://id.test/token";
  config.disable_pkce = true;
  const auto client = oauth::client_of_slot(config);
  REQUIRE(client);
  CHECK(client->pkce);
  config.authorization_url = "https://www.github.com/login/oauth/authorize";
  CHECK(oauth::client_of_slot(config).error().code == ErrorCode::kNotPermitted);
}
