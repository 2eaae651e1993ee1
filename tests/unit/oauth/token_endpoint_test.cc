#include "oauth/token_endpoint.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "core/encoding.h"
#include "unit/oauth/fake_port.h"

using namespace av;
using namespace av::test;
using oauth::TokenEndpoint;
using oauth::TokenFailure;
using Kind = TokenFailure::Kind;

namespace {

constexpr const char* kAnswer = R"({"access_token":"at-1","token_type":"bearer"})";

struct Setup {
  Setup() {
    client.authorization_url = "https://id.example.com/authorize";
    client.token_url = "https://id.example.com/token";
    client.client_id = "client-1";
    secrets.client_secret = secret("s3cret&=/x");
    secrets.refresh_token = secret("rt/0123+456789");
  }
  TokenEndpoint endpoint() { return {port, client, secrets}; }
  const FakePort::Seen& seen() {
    REQUIRE(port.seen.size() == 1);
    return port.seen[0];
  }
  FakePort port;
  vault::OauthClient client;
  vault::OauthSecrets secrets;
};

}  // namespace

TEST_CASE("token endpoint: a code is exchanged with its verifier", "[oauth][endpoint]") {
  Setup setup;
  setup.client.token_params = {{"resource", "https://mcp.example.com/"}};
  setup.port.will(200, kAnswer);
  const Secret verifier = secret("v-1");
  const auto tokens =
      setup.endpoint().exchange_code("a/b c", "http://127.0.0.1:1/callback", verifier);
  REQUIRE(tokens);
  CHECK(shown(tokens->access_token) == "at-1");
  CHECK(setup.seen().method == "POST");
  CHECK(setup.seen().url == "https://id.example.com/token");
  CHECK(setup.seen().content_type == "application/x-www-form-urlencoded");
  CHECK(setup.seen().accept == "application/json");
  CHECK(setup.seen().authorization.empty());
  auto form = form_of(setup.seen().body);
  CHECK(form["grant_type"] == "authorization_code");
  CHECK(form["code"] == "a/b c");
  CHECK(form["redirect_uri"] == "http://127.0.0.1:1/callback");
  CHECK(form["code_verifier"] == "v-1");
  CHECK(form["client_id"] == "client-1");
  CHECK(form["client_secret"] == "s3cret&=/x");
  CHECK(form["resource"] == "https://mcp.example.com/");
  CHECK(form.size() == 7);
}

TEST_CASE("token endpoint: without PKCE no verifier is sent", "[oauth][endpoint]") {
  Setup setup;
  setup.client.pkce = false;
  setup.port.will(200, kAnswer);
  REQUIRE(setup.endpoint().exchange_code("c", "http://127.0.0.1:1/", secret("v-1")));
  CHECK(form_of(setup.seen().body).count("code_verifier") == 0);
}

TEST_CASE("token endpoint: a client shows who it is in one way only", "[oauth][endpoint]") {
  Setup setup;
  setup.port.will(200, kAnswer);
  SECTION("basic, both parts encoded first") {
    setup.client.auth = vault::ClientAuth::kBasic;
    setup.client.client_id = "id:1";
    REQUIRE(setup.endpoint().refresh());
    // RFC 6749 section 2.3.1.
    CHECK(setup.seen().authorization == "Basic " + encoding::base64("id%3A1:s3cret%26%3D%2Fx"));
    const auto form = form_of(setup.seen().body);
    CHECK(form.count("client_id") == 0);
    CHECK(form.count("client_secret") == 0);
  }
  SECTION("post") {
    REQUIRE(setup.endpoint().refresh());
    CHECK(setup.seen().authorization.empty());
    CHECK(form_of(setup.seen().body).at("client_secret") == "s3cret&=/x");
  }
  SECTION("post without a secret: none is sent, not an empty one") {
    setup.secrets.client_secret = Secret();
    REQUIRE(setup.endpoint().refresh());
    CHECK(form_of(setup.seen().body).count("client_secret") == 0);
  }
  SECTION("none: a secret that is there all the same stays here") {
    setup.client.auth = vault::ClientAuth::kNone;
    REQUIRE(setup.endpoint().refresh());
    CHECK(setup.seen().body.find("s3cret") == std::string::npos);
    CHECK(setup.seen().authorization.empty());
    CHECK(form_of(setup.seen().body).at("client_id") == "client-1");
  }
}

TEST_CASE("token endpoint: a refresh sends the refresh token and asks for no other scope",
          "[oauth][endpoint]") {
  Setup setup;
  setup.client.scopes = {"a"};
  setup.port.will(200, kAnswer);
  REQUIRE(setup.endpoint().refresh());
  auto form = form_of(setup.seen().body);
  CHECK(form["grant_type"] == "refresh_token");
  CHECK(form["refresh_token"] == "rt/0123+456789");
  CHECK(form.size() == 4);
}

TEST_CASE("token endpoint: a JSON body where the provider wants one", "[oauth][endpoint]") {
  Setup setup;
  setup.client.json_body = true;
  setup.client.auth = vault::ClientAuth::kNone;
  setup.secrets.refresh_token = secret("rt\"\\");
  setup.port.will(200, kAnswer);
  REQUIRE(setup.endpoint().refresh());
  CHECK(setup.seen().content_type == "application/json");
  const auto json = nlohmann::json::parse(setup.seen().body);
  CHECK(json == nlohmann::json{{"grant_type", "refresh_token"},
                               {"refresh_token", "rt\"\\"},
                               {"client_id", "client-1"}});
}

TEST_CASE("token endpoint: without a refresh token nothing is asked", "[oauth][endpoint]") {
  Setup setup;
  setup.secrets.refresh_token = Secret();
  const auto tokens = setup.endpoint().refresh();
  REQUIRE_FALSE(tokens);
  CHECK(tokens.error().kind == Kind::kPermanent);
  CHECK(tokens.error().code == "no_refresh_token");
  CHECK(setup.port.seen.empty());
}

TEST_CASE("token endpoint: a device is asked for with the client's id", "[oauth][endpoint]") {
  Setup setup;
  setup.client.auth = vault::ClientAuth::kBasic;
  setup.port.will(400, R"({"error":"authorization_pending"})");
  setup.port.will(400, R"({"error":"slow_down"})");
  setup.port.will(200, kAnswer);
  const Secret device = secret("dc-1");
  CHECK(setup.endpoint().poll_device(device).error().kind == Kind::kPending);
  CHECK(setup.endpoint().poll_device(device).error().kind == Kind::kSlowDown);
  CHECK(setup.endpoint().poll_device(device));
  auto form = form_of(setup.port.seen[0].body);
  CHECK(form["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code");
  CHECK(form["device_code"] == "dc-1");
  CHECK(form["client_id"] == "client-1");
}

TEST_CASE("token endpoint: an answer never tells what was sent", "[oauth][endpoint][attack]") {
  Setup setup;
  const std::string token = "rt/0123+456789";
  const auto message = [&](const std::string& description) {
    setup.port.will(400, R"({"error":"invalid_grant","error_description":")" + description + "\"}");
    const auto tokens = setup.endpoint().refresh();
    REQUIRE_FALSE(tokens);
    CHECK(tokens.error().kind == Kind::kPermanent);
    return tokens.error().message;
  };
  // The control: other words come through.
  CHECK(message("Token has been revoked") == "Token has been revoked");
  for (const std::string& echo :
       {"unknown token " + token, std::string("unknown token rt/0123+"), std::string("...+456789"),
        std::string("RT/0123+456789"), std::string("bad secret s3cret&=/x")}) {
    CAPTURE(echo);
    const std::string shown_message = message(echo);
    CHECK(shown_message == "the provider refused, quoting what had been sent to it");
  }
  SECTION("in none of the forms in which it was sent") {
    setup.client.auth = vault::ClientAuth::kBasic;
    const std::string plain = "client-1:s3cret%26%3D%2Fx";
    for (const std::string& echo :
         {encoding::base64(plain), encoding::base64(plain).substr(14, 8),
          encoding::base64("s3cret&=/x"), encoding::base64("xs3cret&=/x"),
          encoding::base64("xxs3cret&=/x", encoding::Base64::kUrl), std::string("s3%26%3D%2Fx")}) {
      CAPTURE(echo);
      CHECK(message("bad header " + echo) ==
            "the provider refused, quoting what had been sent to it");
    }
    const std::string other = "bad header " + encoding::base64("something else");
    CHECK(message(other) == other);
  }
  SECTION("not as the code either") {
    setup.secrets.refresh_token = secret("abcdefghijklmnop");
    setup.port.will(400, R"({"error":"abcdefghijklmnop"})");
    CHECK(setup.endpoint().refresh().error().code == "error");
  }
  SECTION("nor the code of an exchange, nor its verifier") {
    for (const char* echo : {"code-12345678", "verifier-12345678"}) {
      setup.port.will(
          400, R"({"error":"invalid_grant","error_description":")" + std::string(echo) + "\"}");
      const auto tokens = setup.endpoint().exchange_code("code-12345678", "http://127.0.0.1:1/",
                                                         secret("verifier-12345678"));
      CHECK_THAT(tokens.error().message, !Catch::Contains("12345678"));
    }
  }
}

TEST_CASE("token endpoint: what the port could not do", "[oauth][endpoint]") {
  struct Row {
    ErrorCode code;
    Kind kind;
  };
  for (const Row& row :
       {Row{ErrorCode::kNetwork, Kind::kUnreachable}, Row{ErrorCode::kNotPermitted, Kind::kClient},
        Row{ErrorCode::kCrypto, Kind::kTransient}, Row{ErrorCode::kInvalid, Kind::kTransient}}) {
    Setup setup;
    setup.port.fails(make_error(row.code, "what happened"));
    const auto tokens = setup.endpoint().refresh();
    REQUIRE_FALSE(tokens);
    CHECK(tokens.error().kind == row.kind);
    CHECK(tokens.error().code == to_string(row.code));
    CHECK(tokens.error().message == "what happened");
  }
}

TEST_CASE("token endpoint: a URL that is none is asked nothing", "[oauth][endpoint][attack]") {
  Setup setup;
  setup.client.token_url = "http://id.example.com/token";
  const auto tokens = setup.endpoint().refresh();
  REQUIRE_FALSE(tokens);
  CHECK(tokens.error().kind == Kind::kClient);
  CHECK(setup.port.seen.empty());
}

TEST_CASE("token endpoint: a redirect is not followed with the secret",
          "[oauth][endpoint][attack]") {
  Setup setup;
  setup.port.will({307, "", "", {}, {}});
  CHECK(setup.endpoint().refresh().error().code == "http_307");
  CHECK(setup.port.seen.size() == 1);
}

TEST_CASE("revoke: the refresh token, else the access token", "[oauth][revoke]") {
  Setup setup;
  setup.client.revocation_url = "https://id.example.com/revoke";
  const Secret access = secret("at-1");
  SECTION("RFC 7009") {
    setup.port.will(200, "");
    REQUIRE(setup.endpoint().revoke(access));
    CHECK(setup.seen().url == "https://id.example.com/revoke");
    auto form = form_of(setup.seen().body);
    CHECK(form["token"] == "rt/0123+456789");
    CHECK(form["token_type_hint"] == "refresh_token");
    CHECK(form["client_secret"] == "s3cret&=/x");
  }
  SECTION("without a refresh token") {
    setup.secrets.refresh_token = Secret();
    setup.port.will(200, "");
    REQUIRE(setup.endpoint().revoke(access));
    CHECK(form_of(setup.seen().body).at("token") == "at-1");
  }
  SECTION("the server knows access tokens only") {
    setup.port.will(400, R"({"error":"unsupported_token_type"})").will(200, "");
    REQUIRE(setup.endpoint().revoke(access));
    REQUIRE(setup.port.seen.size() == 2);
    CHECK(form_of(setup.port.seen[1].body).at("token") == "at-1");
  }
  SECTION("what is gone already is no failure") {
    setup.port.will(400, R"({"error":"invalid_token"})");
    CHECK(setup.endpoint().revoke(access));
  }
  SECTION("a refusal is told, without what was sent") {
    setup.port.will(403, R"({"error":"access_denied","error_description":"no: rt/0123+456789"})");
    const auto done = setup.endpoint().revoke(access);
    REQUIRE_FALSE(done);
    CHECK_THAT(done.error().message, !Catch::Contains("0123"));
  }
  SECTION("Slack's way to refuse") {
    setup.port.will(200, R"({"ok":false,"error":"not_allowed"})");
    CHECK_FALSE(setup.endpoint().revoke(access));
  }
  SECTION("nowhere to ask, nothing to revoke") {
    setup.client.revocation_url.clear();
    CHECK(setup.endpoint().revoke(access));
    setup.client.revocation_url = "https://id.example.com/revoke";
    setup.secrets.refresh_token = Secret();
    CHECK(setup.endpoint().revoke(Secret()));
    CHECK(setup.port.seen.empty());
  }
}

TEST_CASE("revoke: an answer never tells what was sent", "[oauth][revoke][attack]") {
  Setup setup;
  setup.client.revocation_url = "https://id.example.com/revoke";
  setup.client.auth = vault::ClientAuth::kBasic;
  const std::string sent = encoding::base64("client-1:s3cret%26%3D%2Fx");
  setup.port.will(400, R"({"error":"invalid_client","error_description":"got )" + sent + "\"}");
  const Status refused = setup.endpoint().revoke(secret("at-1"));
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, !Catch::Contains(sent.substr(10, 6)));
}

TEST_CASE("revoke: as the providers of the catalogue want it", "[oauth][revoke]") {
  Setup setup;
  const Secret access = secret("at-1");
  setup.port.will(200, "");
  SECTION("GitHub") {
    setup.client.provider = "github";
    setup.client.client_id = "Iv1.a/b";
    setup.client.revocation_url = "https://api.github.com/applications";
    REQUIRE(setup.endpoint().revoke(access));
    CHECK(setup.seen().method == "DELETE");
    CHECK(setup.seen().url == "https://api.github.com/applications/Iv1.a%2Fb/token");
    CHECK(setup.seen().authorization == "Basic " + encoding::base64("Iv1.a%2Fb:s3cret%26%3D%2Fx"));
    CHECK(nlohmann::json::parse(setup.seen().body) == nlohmann::json{{"access_token", "at-1"}});
  }
  SECTION("Slack") {
    setup.client.provider = "slack";
    setup.client.revocation_url = "https://slack.com/api/auth.revoke";
    REQUIRE(setup.endpoint().revoke(access));
    CHECK(setup.seen().method == "POST");
    CHECK(setup.seen().authorization == "Bearer at-1");
    CHECK(setup.seen().body.empty());
  }
  SECTION("Twitch") {
    setup.client.provider = "twitch";
    setup.client.revocation_url = "https://id.twitch.tv/oauth2/revoke";
    REQUIRE(setup.endpoint().revoke(access));
    auto form = form_of(setup.seen().body);
    CHECK(form["token"] == "at-1");
    CHECK(form.count("token_type_hint") == 0);
  }
  SECTION("another server under a known name is asked by the standard") {
    setup.client.provider = "slack";
    setup.client.revocation_url = "https://slack.example.com/revoke";
    REQUIRE(setup.endpoint().revoke(access));
    CHECK(form_of(setup.seen().body).at("token") == "rt/0123+456789");
    CHECK(setup.seen().authorization.empty());
  }
  SECTION("an installation of a GitHub App") {
    setup.client.flow = vault::OauthFlow::kGithubApp;
    setup.client.token_url = "https://api.github.com/app/installations/12/access_tokens";
    REQUIRE(setup.endpoint().revoke(access));
    CHECK(setup.seen().method == "DELETE");
    CHECK(setup.seen().url == "https://api.github.com/installation/token");
    CHECK(setup.seen().authorization == "Bearer at-1");
  }
}
