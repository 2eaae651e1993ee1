#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "oauth/import.h"
#include "oauth/token_endpoint.h"
#include "unit/oauth/fake_port.h"
#include "unit/oauth/test_keys.h"

using namespace av;
using namespace av::test;
using nlohmann::json;
using oauth::TokenEndpoint;
using oauth::TokenFailure;
using vault::OauthFlow;

namespace {

constexpr std::int64_t kNow = 1'800'000'000;

struct Setup {
  explicit Setup(OauthFlow flow) {
    client.flow = flow;
    client.token_url = "https://id.example.com/token";
    client.client_id = "svc@example.com";
    client.auth = vault::ClientAuth::kNone;
  }
  oauth::TokenResult mint() { return TokenEndpoint(port, client, secrets).mint(kNow); }
  FakePort port;
  vault::OauthClient client;
  vault::OauthSecrets secrets;
};

}  // namespace

TEST_CASE("mint: client credentials", "[oauth][mint]") {
  Setup setup(OauthFlow::kClientCredentials);
  setup.client.auth = vault::ClientAuth::kPost;
  setup.client.scopes = {"a", "b"};
  setup.client.token_params = {{"audience", "api"}};
  setup.secrets.client_secret = secret("cs");
  setup.port.will(200, R"({"access_token":"at","token_type":"bearer","expires_in":300})");
  const auto tokens = setup.mint();
  REQUIRE(tokens);
  CHECK(tokens->expires_in_s == 300);
  auto form = form_of(setup.port.seen.at(0).body);
  CHECK(form["grant_type"] == "client_credentials");
  CHECK(form["scope"] == "a b");
  CHECK(form["audience"] == "api");
  CHECK(form["client_id"] == "svc@example.com");
  CHECK(form["client_secret"] == "cs");
}

TEST_CASE("mint: an assertion is signed for this moment and this server", "[oauth][mint]") {
  for (const bool ec : {false, true}) {
    CAPTURE(ec);
    const TestKey& key = ec ? TestKey::ec() : TestKey::rsa();
    Setup setup(OauthFlow::kJwtBearer);
    setup.client.scopes = {"s1", "s2"};
    setup.client.key_id = "key-1";
    setup.secrets.private_key = secret(key.private_pem());
    setup.port.will(200, R"({"access_token":"at","expires_in":3599})");
    REQUIRE(setup.mint());
    auto form = form_of(setup.port.seen.at(0).body);
    CHECK(form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer");
    CHECK(form.count("client_id") == 0);
    const std::string token = form["assertion"];
    CHECK(key.verifies(token));
    CHECK(json::parse(token_part(token, 0)) ==
          json{{"alg", ec ? "ES256" : "RS256"}, {"typ", "JWT"}, {"kid", "key-1"}});
    const json claims = json::parse(token_part(token, 1));
    CHECK(claims["iss"] == "svc@example.com");
    CHECK(claims["sub"] == "svc@example.com");
    CHECK(claims["aud"] == "https://id.example.com/token");
    CHECK(claims["iat"] == kNow);
    CHECK(claims["exp"] == kNow + 180);
    CHECK(claims["scope"] == "s1 s2");
    CHECK(claims["jti"].get<std::string>().size() == 32);
  }
}

TEST_CASE("mint: subject and audience of an assertion", "[oauth][mint]") {
  Setup setup(OauthFlow::kJwtBearer);
  setup.secrets.private_key = secret(TestKey::ec().private_pem());
  const auto claims = [&] {
    setup.port.will(200, R"({"access_token":"at"})");
    REQUIRE(setup.mint());
    return json::parse(token_part(form_of(setup.port.seen.back().body).at("assertion"), 1));
  };
  setup.client.provider = "google";
  CHECK_FALSE(claims().contains("sub"));
  setup.client.subject = "person@example.com";
  setup.client.audience = "https://aud.example.com";
  const json own = claims();
  CHECK(own["sub"] == "person@example.com");
  CHECK(own["aud"] == "https://aud.example.com");
}

TEST_CASE("mint: a key that is none, encrypted or weak signs nothing", "[oauth][mint]") {
  const TestKey weak_key{ossl::Pkey(EVP_RSA_gen(1024))};
  const TestKey other_key{ossl::Pkey(EVP_EC_gen("P-384"))};
  for (const std::string& pem :
       {std::string(), std::string("no key"), TestKey::rsa().private_pem("passphrase"),
        TestKey::rsa().public_pem(), weak_key.private_pem(), other_key.private_pem()}) {
    Setup setup(OauthFlow::kJwtBearer);
    setup.secrets.private_key = secret(pem);
    const auto tokens = setup.mint();
    REQUIRE_FALSE(tokens);
    CHECK(tokens.error().kind == TokenFailure::Kind::kClient);
    CHECK(setup.port.seen.empty());
  }
}

TEST_CASE("mint: a token of a GitHub App's installation", "[oauth][mint]") {
  Setup setup(OauthFlow::kGithubApp);
  const auto url = oauth::github_app_token_url("12345");
  REQUIRE(url);
  CHECK(*url == "https://api.github.com/app/installations/12345/access_tokens");
  setup.client.token_url = *url;
  setup.client.client_id = "Iv23abc";
  REQUIRE_THAT(TestKey::rsa().traditional_pem(), Catch::StartsWith("-----BEGIN RSA PRIVATE KEY"));
  setup.secrets.private_key = secret(TestKey::rsa().traditional_pem());
  setup.port.will(201, R"({"token":"ghs_abc","expires_at":"2027-01-15T09:00:00Z",)"
                       R"("permissions":{"contents":"read","issues":"write"},)"
                       R"("repository_selection":"all"})");
  const auto tokens = setup.mint();
  REQUIRE(tokens);
  CHECK(shown(tokens->access_token) == "ghs_abc");
  CHECK(tokens->expires_in_s == 3600);
  CHECK(tokens->scopes == std::vector<std::string>{"contents:read", "issues:write"});
  const auto& seen = setup.port.seen.at(0);
  CHECK(seen.method == "POST");
  CHECK(seen.body.empty());
  CHECK(seen.accept == "application/vnd.github+json");
  REQUIRE_THAT(seen.authorization, Catch::StartsWith("Bearer "));
  const std::string token = seen.authorization.substr(7);
  CHECK(TestKey::rsa().verifies(token));
  const json claims = json::parse(token_part(token, 1));
  CHECK(claims == json{{"iat", kNow - 60}, {"exp", kNow + 540}, {"iss", "Iv23abc"}});
}

TEST_CASE("mint: what GitHub may answer for an installation", "[oauth][mint]") {
  const auto minted = [](Reply reply) {
    Setup setup(OauthFlow::kGithubApp);
    setup.client.token_url = *oauth::github_app_token_url("1");
    setup.secrets.private_key = secret(TestKey::ec().private_pem());
    setup.port.will(std::move(reply));
    return setup.mint();
  };
  const auto with = [&](int status, std::string body) {
    return minted({status, std::move(body), "application/json", {}, {}});
  };
  CHECK(with(401, R"({"message":"Bad credentials"})").error().kind == TokenFailure::Kind::kClient);
  CHECK(with(404, R"({"message":"Not Found"})").error().kind == TokenFailure::Kind::kClient);
  CHECK(with(503, "").error().kind == TokenFailure::Kind::kTransient);
  CHECK(with(302, "").error().code == "http_302");
  CHECK(with(201, "{}").error().code == "no_access_token");
  CHECK(with(201, R"({"token":"a\r\nb"})").error().code == "no_access_token");
  CHECK(with(201, R"({"token":"a","expires_at":"soon"})")->expires_in_s == 0);
  CHECK(with(201, R"({"token":"a","expires_at":"1999-01-01T00:00:00Z"})")->expires_in_s == 0);
  CHECK(with(201, R"({"token":"a","expires_at":"9999-01-01T00:00:00Z"})")->expires_in_s == 0);
  CHECK_FALSE(oauth::github_app_token_url(""));
  CHECK_FALSE(oauth::github_app_token_url("1/../../x"));
  CHECK_FALSE(oauth::github_app_token_url("1", "http://evil.example"));
  CHECK(*oauth::github_app_token_url("7", "https://git.example.com/api/v3/") ==
        "https://git.example.com/api/v3/app/installations/7/access_tokens");
}

TEST_CASE("mint: a flow with a person mints nothing", "[oauth][mint]") {
  for (const OauthFlow flow : {OauthFlow::kCode, OauthFlow::kDevice, OauthFlow::kPasted}) {
    Setup setup(flow);
    CHECK_FALSE(setup.mint());
    CHECK(setup.port.seen.empty());
  }
}

TEST_CASE("mint: the key file of a service account", "[oauth][mint][import]") {
  const json file = {{"type", "service_account"},
                     {"project_id", "p"},
                     {"private_key_id", "kid-1"},
                     {"private_key", TestKey::rsa().private_pem()},
                     {"client_email", "svc@p.iam.gserviceaccount.com"},
                     {"token_uri", "https://oauth2.googleapis.com/token"}};
  auto account = oauth::import_service_account(secret(file.dump()));
  REQUIRE(account);
  CHECK(account->client.flow == OauthFlow::kJwtBearer);
  CHECK(account->access_token.empty());
  FakePort port;
  port.will(200, R"({"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"})");
  REQUIRE(TokenEndpoint(port, account->client, account->secrets).mint(kNow));
  const std::string token = form_of(port.seen.at(0).body).at("assertion");
  CHECK(TestKey::rsa().verifies(token));
  CHECK(json::parse(token_part(token, 0))["kid"] == "kid-1");
  CHECK(json::parse(token_part(token, 1))["iss"] == "svc@p.iam.gserviceaccount.com");

  const auto refused = [&](const char* member, const json& value) {
    json other = file;
    other[member] = value;
    const auto read = oauth::import_service_account(secret(other.dump()));
    REQUIRE_FALSE(read);
    return read.error().code;
  };
  CHECK(refused("type", "authorized_user") == ErrorCode::kInvalid);
  CHECK(refused("private_key", "x") == ErrorCode::kInvalid);
  CHECK(refused("private_key", nullptr) == ErrorCode::kInvalid);
  for (const char* uri :
       {"https://evil.example/token", "https://oauth2.googleapis.com.evil.example/",
        "https://evilgoogleapis.com/token", "http://oauth2.googleapis.com/token",
        "https://oauth2.googleapis.com@evil.example/token"}) {
    CAPTURE(uri);
    CHECK(refused("token_uri", uri) == ErrorCode::kNotPermitted);
  }
}
