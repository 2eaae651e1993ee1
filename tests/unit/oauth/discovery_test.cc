#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "oauth/authorization.h"
#include "oauth/challenge.h"
#include "oauth/provider.h"
#include "unit/oauth/fake_port.h"

using namespace av;
using namespace av::test;
using nlohmann::json;
using oauth::bearer_challenge;
using oauth::discover;
using vault::ClientAuth;
using vault::OauthFlow;

namespace {

const std::string kIssuer = "https://id.example.com";

json metadata(const std::string& issuer = kIssuer) {
  return {{"issuer", issuer},
          {"authorization_endpoint", kIssuer + "/authorize"},
          {"token_endpoint", kIssuer + "/token"},
          {"device_authorization_endpoint", kIssuer + "/device"},
          {"revocation_endpoint", kIssuer + "/revoke"},
          {"registration_endpoint", kIssuer + "/register"},
          {"jwks_uri", kIssuer + "/jwks"},
          {"scopes_supported", {"openid", "read"}},
          {"code_challenge_methods_supported", {"S256"}},
          {"token_endpoint_auth_methods_supported", {"client_secret_post", "none"}},
          {"grant_types_supported", {"authorization_code", "refresh_token"}}};
}

std::string well_known(const std::string& path = "") {
  return kIssuer + "/.well-known/oauth-authorization-server" + path;
}

ErrorCode fault(const json& of) {
  FakePort port;
  port.page(well_known(), of.dump());
  const auto found = discover(port, kIssuer);
  REQUIRE_FALSE(found);
  return found.error().code;
}

Reply challenge(std::string header) {
  return {401, "", "", {}, std::move(header)};
}

}  // namespace

TEST_CASE("discovery: an issuer says where its endpoints are", "[oauth][discovery]") {
  FakePort port;
  port.page(well_known(), metadata().dump());
  const auto found = discover(port, kIssuer);
  REQUIRE(found);
  CHECK(found->client.flow == OauthFlow::kCode);
  CHECK(found->client.issuer == kIssuer);
  CHECK(found->client.authorization_url == kIssuer + "/authorize");
  CHECK(found->client.token_url == kIssuer + "/token");
  CHECK(found->client.device_url == kIssuer + "/device");
  CHECK(found->client.revocation_url == kIssuer + "/revoke");
  CHECK(found->registration_url == kIssuer + "/register");
  CHECK(found->jwks_url == kIssuer + "/jwks");
  CHECK(found->scopes_supported == std::vector<std::string>{"openid", "read"});
  CHECK(found->client.auth == ClientAuth::kPost);
  CHECK(found->client.pkce);
  CHECK(found->pkce_advertised);
  CHECK_FALSE(found->client.requires_iss);
  CHECK(found->resource.empty());
  CHECK(found->client.token_params.empty());
  for (const auto& seen : port.seen) {
    CHECK(seen.method == "GET");
    CHECK(seen.authorization.empty());
  }
}

TEST_CASE("discovery: where metadata is looked for", "[oauth][discovery]") {
  const std::string tenant = kIssuer + "/tenant/a";
  for (const char* where : {"/.well-known/oauth-authorization-server/tenant/a",
                            "/.well-known/openid-configuration/tenant/a",
                            "/tenant/a/.well-known/openid-configuration"}) {
    CAPTURE(where);
    FakePort port;
    port.page(kIssuer + where, metadata(tenant).dump());
    CHECK(discover(port, tenant));
    CHECK(discover(port, tenant + "/"));
  }
  FakePort openid;
  openid.page(kIssuer + "/.well-known/openid-configuration", metadata().dump());
  CHECK(discover(openid, kIssuer));
  // Not at the root for an issuer below it: that one is somebody else.
  FakePort root;
  root.page(well_known(), metadata().dump());
  CHECK(discover(root, tenant).error().code == ErrorCode::kNotFound);
  FakePort nothing;
  CHECK(discover(nothing, kIssuer).error().code == ErrorCode::kNotFound);
}

TEST_CASE("discovery: metadata of another issuer is refused", "[oauth][discovery][attack]") {
  REQUIRE(fault(metadata("https://evil.example")) == ErrorCode::kNotPermitted);
  CHECK(fault(metadata("https://id.example.com.evil.example")) == ErrorCode::kNotPermitted);
  CHECK(fault(metadata("https://id.example.com/tenant")) == ErrorCode::kNotPermitted);
  CHECK(fault(metadata("http://id.example.com")) == ErrorCode::kNotPermitted);
  CHECK(fault(metadata("https://id.example.com:8443")) == ErrorCode::kNotPermitted);
  CHECK(fault(metadata("")) == ErrorCode::kNotPermitted);
  // One slash at the end is no other place (and RFC 9207 compares with what the issuer writes).
  FakePort port;
  port.page(well_known(), metadata(kIssuer + "/").dump());
  const auto found = discover(port, kIssuer);
  REQUIRE(found);
  CHECK(found->client.issuer == kIssuer + "/");
}

TEST_CASE("discovery: metadata that mixes a known provider's endpoints with others is refused",
          "[oauth][discovery][attack]") {
  for (const char* page :
       {"https://github.com/login/oauth/authorize", "https://www.github.com/login/oauth/authorize",
        "https://accounts.google.com/o/oauth2/v2/auth",
        "https://canary.discord.com/oauth2/authorize",
        "https://login.windows.net/common/oauth2/authorize"}) {
    CAPTURE(page);
    json mixed = metadata();
    mixed["authorization_endpoint"] = page;
    CHECK(fault(mixed) == ErrorCode::kNotPermitted);
  }
  json mixed = metadata();
  mixed["token_endpoint"] = "https://github.com/login/oauth/access_token";
  CHECK(fault(mixed) == ErrorCode::kNotPermitted);
}

TEST_CASE("discovery: every endpoint is https", "[oauth][discovery][attack]") {
  for (const char* member :
       {"authorization_endpoint", "token_endpoint", "device_authorization_endpoint",
        "revocation_endpoint", "registration_endpoint", "jwks_uri"}) {
    for (const char* bad : {"http://id.example.com/x", "javascript:alert(1)",
                            "http://127.0.0.1:9/x", "https://a@evil.example/", "/relative", ""}) {
      CAPTURE(member, bad);
      json of = metadata();
      of[member] = bad;
      CHECK(fault(of) == ErrorCode::kNotPermitted);
    }
  }
  json without = metadata();
  without.erase("token_endpoint");
  CHECK(fault(without) == ErrorCode::kNotPermitted);
  // The control: tried out on this machine, everything may be on this machine.
  FakePort local;
  local.page("http://127.0.0.1:9/.well-known/oauth-authorization-server",
             json{{"issuer", "http://127.0.0.1:9"},
                  {"authorization_endpoint", "http://127.0.0.1:9/a"},
                  {"token_endpoint", "http://127.0.0.1:9/t"}}
                 .dump());
  CHECK(discover(local, "http://127.0.0.1:9"));
}

TEST_CASE("discovery: how a client may show who it is", "[oauth][discovery]") {
  const auto auth = [](const json& methods) {
    json of = metadata();
    of["token_endpoint_auth_methods_supported"] = methods;
    FakePort port;
    port.page(well_known(), of.dump());
    const auto found = discover(port, kIssuer);
    return found ? std::string(to_string(found->client.auth))
                 : std::string(to_string(found.error().code));
  };
  CHECK(auth({"client_secret_post", "client_secret_basic"}) == "basic");
  CHECK(auth({"private_key_jwt", "client_secret_post"}) == "post");
  CHECK(auth({"none"}) == "none");
  CHECK(auth({"private_key_jwt", "tls_client_auth"}) == "unsupported");
  CHECK(auth(nullptr) == "basic");
}

TEST_CASE("discovery: PKCE as the server has it", "[oauth][discovery]") {
  const auto pkce = [](const json& methods) {
    json of = metadata();
    of["code_challenge_methods_supported"] = methods;
    FakePort port;
    port.page(well_known(), of.dump());
    auto found = discover(port, kIssuer);
    REQUIRE(found);
    return std::pair(found->client.pkce, found->pkce_advertised);
  };
  CHECK(pkce({"plain", "S256"}) == std::pair(true, true));
  CHECK(pkce({"plain"}) == std::pair(false, false));
  json silent = metadata();
  silent.erase("code_challenge_methods_supported");
  silent["authorization_response_iss_parameter_supported"] = true;
  FakePort port;
  port.page(well_known(), silent.dump());
  const auto found = discover(port, kIssuer);
  REQUIRE(found);
  CHECK(found->client.pkce);
  CHECK_FALSE(found->pkce_advertised);
  CHECK(found->client.requires_iss);
}

TEST_CASE("discovery: a protected resource names its issuer", "[oauth][discovery]") {
  const std::string resource = "https://mcp.example.com/mcp";
  const json about = {{"resource", resource},
                      {"authorization_servers", {kIssuer}},
                      {"scopes_supported", {"mcp:read"}}};
  FakePort port;
  port.page(well_known(), metadata().dump());
  SECTION("at its well-known place") {
    port.page("https://mcp.example.com/.well-known/oauth-protected-resource/mcp", about.dump());
  }
  SECTION("where its 401 says") {
    port.page(resource, challenge(R"(Bearer error="invalid_token", resource_metadata=)"
                                  R"("https://mcp.example.com/meta")"));
    port.page("https://mcp.example.com/meta", about.dump());
  }
  SECTION("at the root of its origin, when a 401 says that it is one") {
    port.page(resource, challenge("Bearer"));
    json root = about;
    root["resource"] = "https://mcp.example.com";
    port.page("https://mcp.example.com/.well-known/oauth-protected-resource", root.dump());
  }
  const auto found = discover(port, resource);
  REQUIRE(found);
  CHECK_THAT(found->resource, Catch::StartsWith("https://mcp.example.com"));
  CHECK(found->client.issuer == kIssuer);
  CHECK(found->client.scopes == std::vector<std::string>{"mcp:read"});
  const vault::OauthParams parameters = {{"resource", found->resource}};
  CHECK(found->client.authorize_params == parameters);
  CHECK(found->client.token_params == parameters);
}

TEST_CASE("discovery: the scope that a 401 asks for comes first", "[oauth][discovery]") {
  const std::string resource = "https://mcp.example.com/mcp";
  FakePort port;
  port.page(well_known(), metadata().dump());
  port.page(resource, challenge(R"(Basic realm="a, b", Bearer scope="files:read files:write")"));
  port.page("https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
            json{{"resource", resource}, {"authorization_servers", {kIssuer}}}.dump());
  const auto found = discover(port, resource);
  REQUIRE(found);
  CHECK(found->client.scopes == std::vector<std::string>{"files:read", "files:write"});
}

TEST_CASE("discovery: metadata about another resource is refused", "[oauth][discovery][attack]") {
  const auto found = [](const std::string& resource) {
    FakePort port;
    port.page(well_known(), metadata().dump());
    port.page("https://mcp.example.com/.well-known/oauth-protected-resource/team/mcp",
              json{{"resource", resource}, {"authorization_servers", {kIssuer}}}.dump());
    return discover(port, "https://mcp.example.com/team/mcp");
  };
  CHECK(found("https://mcp.example.com/team/mcp"));
  CHECK(found("https://mcp.example.com/team/mcp/"));
  CHECK(found("https://mcp.example.com/team"));
  CHECK(found("https://mcp.example.com"));
  for (const char* other :
       {"https://bank.example.com/api", "https://mcp.example.com/team/mcp2",
        "https://mcp.example.com/te", "http://mcp.example.com/team/mcp",
        "https://mcp.example.com:8443/team/mcp", "https://mcp.example.com/team/mcp/deeper",
        "https://mcp.example.com@evil.example/team/mcp", ""}) {
    CAPTURE(other);
    const auto refused = found(other);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kNotPermitted);
  }
}

TEST_CASE("discovery: a challenge leads nowhere but to https", "[oauth][discovery][attack]") {
  for (const char* where : {"http://169.254.169.254/latest", "http://127.0.0.1:14321/",
                            "file:///etc/passwd", "https"}) {
    CAPTURE(where);
    FakePort port;
    port.page("https://mcp.example.com/mcp",
              challenge("Bearer resource_metadata=\"" + std::string(where) + "\""));
    const auto found = discover(port, "https://mcp.example.com/mcp");
    REQUIRE_FALSE(found);
    CHECK(found.error().code == ErrorCode::kNotPermitted);
    CHECK(port.seen.size() == 1);
  }
}

TEST_CASE("discovery: a server of the older protocol guards its own origin", "[oauth][discovery]") {
  FakePort port;
  port.page(kIssuer + "/mcp", challenge("Bearer"));
  port.page(well_known(), metadata().dump());
  CHECK(discover(port, kIssuer + "/mcp"));
  // Not without its 401: then it is an issuer that says nothing.
  FakePort open;
  open.page(kIssuer + "/mcp", "{}");
  open.page(well_known(), metadata().dump());
  CHECK_FALSE(discover(open, kIssuer + "/mcp"));
}

TEST_CASE("discovery: answers that are none", "[oauth][discovery]") {
  const auto with = [](Reply reply) {
    FakePort port;
    port.page(well_known(), std::move(reply));
    return discover(port, kIssuer).error().code;
  };
  CHECK(with({200, metadata().dump(), "text/html", {}, {}}) == ErrorCode::kNotFound);
  CHECK(with({302, metadata().dump(), "application/json", {}, {}}) == ErrorCode::kNotFound);
  CHECK(with({200, "[]", "application/json", {}, {}}) == ErrorCode::kNotFound);
  CHECK(with({200, metadata().dump().substr(1), "application/json", {}, {}}) ==
        ErrorCode::kNotFound);
  FakePort down;
  down.fails(make_error(ErrorCode::kNetwork, "no route"));
  CHECK(discover(down, kIssuer).error().code == ErrorCode::kNetwork);
  CHECK(down.seen.size() == 1);
  FakePort none;
  CHECK(discover(none, "http://id.example.com").error().code == ErrorCode::kInvalid);
  CHECK(none.seen.empty());
}

TEST_CASE("challenge: the Bearer's parameters among those of others", "[oauth][discovery]") {
  const auto metadata_of = [](std::string_view header) {
    return bearer_challenge(header).resource_metadata;
  };
  CHECK(metadata_of(R"(Bearer resource_metadata="https://a.example/m")") == "https://a.example/m");
  CHECK(metadata_of(R"(bearer realm="x" , Resource_Metadata = "https://a.example/m")") ==
        "https://a.example/m");
  CHECK(metadata_of(R"(Bearer resource_metadata=https://a.example/m, scope=a)") ==
        "https://a.example/m");
  CHECK(metadata_of(R"(Negotiate abc==, Bearer resource_metadata="https://a.example/m")") ==
        "https://a.example/m");
  CHECK(metadata_of(R"(Basic realm="Bearer resource_metadata=\"https://evil.example\"")").empty());
  CHECK(metadata_of(R"(Basic resource_metadata="https://evil.example")").empty());
  CHECK(metadata_of(R"(Bearer resource_metadata="https://a.example)").empty());
  CHECK(metadata_of("Bearer resource_metadata=\"https://a.example\r\n\"").empty());
  CHECK(metadata_of("").empty());
  CHECK(metadata_of("Bearer").empty());
  CHECK(metadata_of(",,=,").empty());
  CHECK(bearer_challenge(R"(Bearer scope="a \"b")").scope == "a \"b");
}

TEST_CASE("registration: a client of our own", "[oauth][registration]") {
  FakePort port;
  port.page(well_known(), metadata().dump());
  auto server = discover(port, kIssuer);
  REQUIRE(server);
  server->client.scopes = {"read"};
  port.page(kIssuer + "/register",
            Reply{201,
                  R"({"client_id":"new-1","token_endpoint_auth_method":"none"})",
                  "application/json",
                  {},
                  {}});
  const auto client = oauth::register_client(port, *server, "http://127.0.0.1:4000/callback");
  REQUIRE(client);
  CHECK(client->client_id == "new-1");
  CHECK(client->client_secret.empty());
  CHECK(client->auth == ClientAuth::kNone);
  const json sent = json::parse(port.seen.back().body);
  CHECK(port.seen.back().method == "POST");
  CHECK(sent["redirect_uris"] == json::array({"http://127.0.0.1:4000/callback"}));
  CHECK(sent["grant_types"] == json::array({"authorization_code", "refresh_token"}));
  CHECK(sent["response_types"] == json::array({"code"}));
  CHECK(sent["token_endpoint_auth_method"] == "none");
  CHECK(sent["application_type"] == "native");
  CHECK(sent["scope"] == "read");
}

TEST_CASE("registration: public only where PKCE is checked", "[oauth][registration][attack]") {
  const auto method = [](bool advertised, OauthFlow flow) {
    FakePort port;
    oauth::Discovered server;
    server.client.flow = flow;
    server.client.auth = ClientAuth::kPost;
    server.registration_url = kIssuer + "/register";
    server.auth_methods = {"none", "client_secret_post"};
    server.pkce_advertised = advertised;
    port.will(201, R"({"client_id":"c","client_secret":"s"})");
    REQUIRE(oauth::register_client(port, server, "https://v.example.com/callback"));
    return json::parse(port.seen.at(0).body)["token_endpoint_auth_method"].get<std::string>();
  };
  CHECK(method(true, OauthFlow::kCode) == "none");
  CHECK(method(false, OauthFlow::kCode) == "client_secret_post");
  CHECK(method(false, OauthFlow::kDevice) == "none");
  CHECK(method(true, OauthFlow::kClientCredentials) == "client_secret_post");
}

TEST_CASE("registration: what the server makes of it", "[oauth][registration]") {
  oauth::Discovered server;
  server.client.auth = ClientAuth::kBasic;
  server.registration_url = kIssuer + "/register";
  const auto answered = [&](int status, std::string_view body) {
    FakePort port;
    port.will(status, body);
    return oauth::register_client(port, server, "https://v.example.com/callback");
  };
  const auto secretive =
      answered(201, R"({"client_id":"c","client_secret":"s","client_secret_expires_at":0,)"
                    R"("token_endpoint_auth_method":"client_secret_post"})");
  REQUIRE(secretive);
  CHECK(secretive->auth == ClientAuth::kPost);
  CHECK(shown(secretive->client_secret) == "s");
  const auto silent = answered(200, R"({"client_id":"c","client_secret":"s"})");
  REQUIRE(silent);
  CHECK(silent->auth == ClientAuth::kBasic);
  CHECK(answered(201, R"({"client_id":"c"})")->auth == ClientAuth::kNone);
  for (const char* body :
       {"{}", R"({"client_id":""})", R"({"client_id":"a\r\nb"})", R"({"client_id":1})", "[]",
        R"({"client_id":"c","client_secret":"a\nb"})",
        R"({"client_id":"c","token_endpoint_auth_method":"client_secret_basic"})"}) {
    CAPTURE(body);
    CHECK(answered(201, body).error().code == ErrorCode::kConflict);
  }
  CHECK(answered(201, R"({"client_id":"c","token_endpoint_auth_method":"private_key_jwt"})")
            .error()
            .code == ErrorCode::kUnsupported);
  const auto refused =
      answered(400, R"({"error":"invalid_redirect_uri","error_description":"not \u001b[1mhere"})");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kConflict);
  CHECK_THAT(refused.error().message, Catch::Contains("invalid_redirect_uri (not \\x1b[1mhere)"));
  CHECK_THAT(answered(403, "").error().message, Catch::Contains("403"));
  server.registration_url.clear();
  CHECK(answered(201, "{}").error().code == ErrorCode::kUnsupported);
}
