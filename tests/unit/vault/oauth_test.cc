#include "vault/oauth.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace av;
using namespace av::vault;

namespace {

Secret secret(std::string_view text) {
  return std::move(*Secret::copy_of(text));
}

std::string shown(const Secret& value) {
  return value.reveal([](std::string_view bytes) { return std::string(bytes); });
}

OauthClient client() {
  OauthClient out;
  out.authorization_url = "https://id.example.com/authorize";
  out.token_url = "https://id.example.com/token";
  out.client_id = "client-1";
  return out;
}

std::string fault(const OauthClient& of) {
  const auto checked = check_oauth_client(of);
  return checked ? "" : checked.error().message;
}

}  // namespace

TEST_CASE("oauth client: everything that it has survives JSON", "[vault][oauth]") {
  OauthClient full = client();
  full.flow = OauthFlow::kDevice;
  full.provider = "github";
  full.issuer = "https://id.example.com";
  full.requires_iss = true;
  full.device_url = "https://id.example.com/device";
  full.revocation_url = "https://id.example.com/revoke?x=%20y";
  full.auth = ClientAuth::kBasic;
  full.scopes = {"read", "https://www.googleapis.com/auth/drive"};
  full.scope_separator = ",";
  full.pkce = false;
  full.json_body = true;
  full.authorize_params = {{"access_type", "offline"}, {"prompt", "consent"}};
  full.token_params = {{"resource", "https://mcp.example.com/"}};
  full.subject = "someone@example.com";
  full.audience = "https://id.example.com";
  full.key_id = "key-1";
  const std::string json = oauth_client_to_json(full);
  const auto back = oauth_client_from_json(json);
  REQUIRE(back);
  CHECK(oauth_client_to_json(*back) == json);
  CHECK(back->flow == OauthFlow::kDevice);
  CHECK(back->auth == ClientAuth::kBasic);
  CHECK(back->scopes == full.scopes);
  CHECK(back->authorize_params == full.authorize_params);
  CHECK(back->token_params == full.token_params);
  CHECK_FALSE(back->pkce);
  CHECK(back->json_body);
  CHECK(back->requires_iss);
  CHECK(back->subject == full.subject);
  CHECK(back->key_id == full.key_id);
  CHECK(back->issuer == full.issuer);
}

TEST_CASE("oauth client: what is unknown, repeated or of the wrong kind is refused",
          "[vault][oauth]") {
  const std::string good =
      R"({"flow":"client_credentials","token_url":"https://a.example/t","client_id":"c")";
  REQUIRE(oauth_client_from_json(good + "}"));
  for (const char* more :
       {R"(,"client_secret":"x")", R"(,"flow":"code")", R"(,"pkce":"yes")", R"(,"auth":"jwt")",
        R"(,"scopes":"a b")", R"(,"authorize_params":{"a":"b"})", R"(,"token_params":[["a"]])",
        R"(,"token_params":[["a",1]])", R"(,"scope_separator":"; ")"}) {
    CAPTURE(more);
    CHECK_FALSE(oauth_client_from_json(good + more + "}"));
  }
  CHECK_FALSE(oauth_client_from_json(R"({"flow":"implicit"})"));
  CHECK_FALSE(oauth_client_from_json("[]"));
  CHECK_FALSE(oauth_client_from_json(""));
  CHECK(oauth_client_from_json(good + R"(,"auth":"client_secret_basic"})")->auth ==
        ClientAuth::kBasic);
}

TEST_CASE("oauth client: where secrets go is https, and a host that everybody reads alike",
          "[vault][oauth][attack]") {
  for (const char* good : {"https://id.example.com/token", "https://id.example.com",
                           "https://id.example.com:8443/t", "https://id.example.com/t?tenant=a%20b",
                           "https://[2001:db8::1]/t", "http://127.0.0.1:8080/t",
                           "http://localhost/t", "http://[::1]:9000/t", "http://127.9.8.7/t"}) {
    CAPTURE(good);
    CHECK(check_endpoint(good, "token_url"));
  }
  for (const char* bad : {"",
                          "http://id.example.com/token",
                          "ftp://id.example.com",
                          "HTTPS://id.example.com/t",
                          "https://",
                          "https:///token",
                          "https://user@id.example.com/t",
                          "https://user:pw@id.example.com/t",
                          "https://id.example.com@evil.example/t",
                          "https://id.example.com\\@evil.example/t",
                          "https://id.example.com/t#frag",
                          "https://id.example.com/a b",
                          "https://id.example.com/\r\nHost: evil",
                          "https://id.example.com/\x7f",
                          "https://id.exa\xC3\xA4mple.com/",
                          "https://id.example.com:0/",
                          "https://id.example.com:99999/",
                          "https://id.example.com:/",
                          "https://0x7f.1/t",
                          "https://2130706433/",
                          "http://127.evil.c0m/t",
                          "http://127.0.0.1.evil.example/t",
                          "http://localhost.evil.example/t",
                          "http://0.0.0.0/t",
                          "http://10.0.0.1/t",
                          "https://id.example.com/%zz",
                          "https://id.example.com/%4",
                          "javascript:alert(1)",
                          "//id.example.com/t",
                          "https://id.example.com/<t>"}) {
    CAPTURE(bad);
    CHECK_FALSE(check_endpoint(bad, "token_url"));
  }
  CHECK_FALSE(check_endpoint("https://a.example/" + std::string(2048, 'a'), "token_url"));
  OauthClient one = client();
  one.token_url = "http://id.example.com/token";
  CHECK_THAT(fault(one), Catch::StartsWith("token_url"));
  for (std::string OauthClient::*member :
       {&OauthClient::authorization_url, &OauthClient::device_url, &OauthClient::revocation_url,
        &OauthClient::issuer}) {
    OauthClient other = client();
    other.*member = "https://a@b.example/";
    CHECK_FALSE(fault(other).empty());
  }
}

TEST_CASE("oauth client: each flow says what it needs", "[vault][oauth]") {
  CHECK(fault(client()).empty());
  OauthClient none;
  CHECK_THAT(fault(none), Catch::StartsWith("authorization_url"));
  none.flow = OauthFlow::kDevice;
  CHECK_THAT(fault(none), Catch::StartsWith("device_url"));
  none.flow = OauthFlow::kClientCredentials;
  CHECK_THAT(fault(none), Catch::StartsWith("token_url"));
  none.flow = OauthFlow::kPasted;
  CHECK(fault(none).empty());
  OauthClient app = client();
  app.flow = OauthFlow::kGithubApp;
  CHECK_THAT(fault(app), Catch::StartsWith("token_url"));
  app.token_url = "https://api.github.com/app/installations/1/access_tokens";
  CHECK(fault(app).empty());
  app.client_id.clear();
  CHECK_THAT(fault(app), Catch::StartsWith("client_id"));
}

TEST_CASE("oauth client: parameters cannot take the place of the flow's own",
          "[vault][oauth][attack]") {
  for (const char* name :
       {"state", "redirect_uri", "response_type", "client_id", "scope", "code_challenge",
        "code_challenge_method", "nonce", "request", "request_uri", "response_mode"}) {
    CAPTURE(name);
    OauthClient one = client();
    one.authorize_params = {{name, "evil"}};
    CHECK_THAT(fault(one), Catch::Contains(name));
  }
  for (const char* name : {"grant_type", "code", "client_id", "client_secret", "refresh_token",
                           "code_verifier", "assertion", "client_assertion", "redirect_uri"}) {
    CAPTURE(name);
    OauthClient one = client();
    one.token_params = {{name, "evil"}};
    CHECK_THAT(fault(one), Catch::Contains(name));
  }
  OauthClient twice = client();
  twice.authorize_params = {{"prompt", "a"}, {"prompt", "b"}};
  CHECK_FALSE(fault(twice).empty());
  twice.authorize_params = {{"resource", "https://a.example"}, {"resource", "https://b.example"}};
  CHECK(fault(twice).empty());
  twice.token_params = twice.authorize_params;
  CHECK(fault(twice).empty());
  twice.json_body = true;
  CHECK_FALSE(fault(twice).empty());
  for (const char* value : {"a\r\nb", "caf\xC3\xA9"}) {
    OauthClient one = client();
    one.token_params = {{"audience", value}};
    CHECK_FALSE(fault(one).empty());
  }
  OauthClient unnamed = client();
  unnamed.authorize_params = {{"", "x"}};
  CHECK_FALSE(fault(unnamed).empty());
}

TEST_CASE("oauth client: scopes and ids are what a request can carry", "[vault][oauth]") {
  for (const char* scope : {"", "a b", "a\"b", "a\\b", "a\nb", "caf\xC3\xA9"}) {
    CAPTURE(scope);
    OauthClient one = client();
    one.scopes = {scope};
    CHECK_THAT(fault(one), Catch::StartsWith("scopes"));
  }
  OauthClient comma = client();
  comma.scopes = {"a,b"};
  CHECK(fault(comma).empty());
  comma.scope_separator = ",";
  CHECK_FALSE(fault(comma).empty());
  OauthClient id = client();
  id.client_id = "a\r\nb";
  CHECK_THAT(fault(id), Catch::StartsWith("client_id"));
}

TEST_CASE("oauth client: names of flows and methods go both ways", "[vault][oauth]") {
  for (const OauthFlow flow : {OauthFlow::kCode, OauthFlow::kDevice, OauthFlow::kClientCredentials,
                               OauthFlow::kJwtBearer, OauthFlow::kGithubApp, OauthFlow::kPasted}) {
    CHECK(oauth_flow_from_string(to_string(flow)) == flow);
  }
  CHECK_FALSE(oauth_flow_from_string("implicit"));
  for (const ClientAuth auth : {ClientAuth::kPost, ClientAuth::kBasic, ClientAuth::kNone}) {
    CHECK(client_auth_from_string(to_string(auth)) == auth);
  }
  CHECK(client_auth_from_string("client_secret_post") == ClientAuth::kPost);
  CHECK_FALSE(client_auth_from_string("private_key_jwt"));
  CHECK(mints(OauthFlow::kGithubApp));
  CHECK_FALSE(mints(OauthFlow::kDevice));
  CHECK(to_string(OauthState::kReconnect) == "reconnect");
}

TEST_CASE("oauth secrets: packed and unpacked again, empty or not", "[vault][oauth]") {
  OauthSecrets one;
  one.client_secret = secret("s3cret 1 2\n3");
  one.refresh_token = secret("rt");
  const auto packed = pack(one);
  REQUIRE(packed);
  const auto back = unpack_oauth_secrets(*packed);
  REQUIRE(back);
  CHECK(shown(back->client_secret) == "s3cret 1 2\n3");
  CHECK(shown(back->refresh_token) == "rt");
  CHECK(back->private_key.empty());
  const auto nothing = pack({});
  REQUIRE(nothing);
  CHECK(unpack_oauth_secrets(*nothing));

  const std::string text = shown(*packed);
  for (std::size_t size = 0; size < text.size(); ++size) {
    CHECK_FALSE(unpack_oauth_secrets(secret(text.substr(0, size))));
  }
  for (const char* bad : {"2 0 0 0\n", "1 0 0 0\nx", "1 00 0 0\n", "1 -0 0 0\n", "1 0 0 0 0\n",
                          "1 18446744073709551615 1 0\n", " 1 0 0 0\n", "1 0 0 0"}) {
    CAPTURE(bad);
    CHECK_FALSE(unpack_oauth_secrets(secret(bad)));
  }
  OauthSecrets big;
  big.private_key = secret(std::string(64 * 1024 + 1, 'k'));
  CHECK_FALSE(pack(big));
}
