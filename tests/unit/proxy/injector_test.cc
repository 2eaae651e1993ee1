#include "proxy/injector.h"

#include <catch2/catch.hpp>
#include <string>

#include "core/encoding.h"
#include "proxy/http1_parser.h"

using namespace av;
using proxy::CredentialResolver;
using proxy::Injector;
using proxy::RequestHead;

namespace {

// A vault with given values and one service, and the way from a request head to what goes upstream.
class Fixture {
 public:
  Fixture() : ring_(std::make_shared<vault::KeyRing>(*vault::KeyRing::generate())) {}

  void credential(const std::string& key, std::string_view value) {
    auto sealed = ring_->seal(vault::SealContext{"uid", "credential", key, 1}, value);
    REQUIRE(sealed);
    snapshot_.credentials[key] = vault::SealedCredential{key, 1, *sealed, {}};
  }

  vault::Service service;

  proxy::Outcome<proxy::OutboundRequest> outbound(const std::string& head_text,
                                                  const std::string& host = "api.test",
                                                  vault::Scheme scheme = vault::Scheme::kHttps) {
    RequestHead head;
    REQUIRE_FALSE(proxy::parse_request_head(head_text, head));
    REQUIRE_FALSE(proxy::check_request_head(head));
    auto snapshot = std::make_shared<vault::PolicySnapshot>(snapshot_);
    snapshot->vault_uid = "uid";
    snapshot->vault_name = "default";
    snapshot->set_services({service});
    snapshot->generation = ++generation_;
    vault::RequestIdentity identity;
    identity.scheme = scheme;
    identity.authority = {host, vault::default_port(scheme)};
    identity.method = std::string(head.method);
    identity.target = *vault::canonical_target(head.target);
    const vault::Principal nobody;
    vault::PolicyInput input;
    input.snapshot = snapshot;
    input.principal = &nobody;
    auto decision = vault::Policy::decide(input, identity);
    REQUIRE(std::holds_alternative<vault::AllowedRequest>(decision));
    auto allowed = std::get<vault::AllowedRequest>(std::move(decision));
    AV_TRY(proxy::ResolvedPtr resolved, resolver_.resolve(allowed, *ring_, {1, 0}));
    return Injector::inject(std::move(allowed), std::move(resolved), head);
  }

  // The outbound head, or "fault: <code>".
  std::string inject(const std::string& head_text, const std::string& host = "api.test",
                     vault::Scheme scheme = vault::Scheme::kHttps) {
    const auto request = outbound(head_text, host, scheme);
    if (!request) {
      return "fault: " + std::string(request.error().code);
    }
    SecretBuffer text;
    append_http1_head(text, *request);
    return std::string(text.view());
  }

 private:
  std::shared_ptr<vault::KeyRing> ring_;
  vault::PolicySnapshot snapshot_;
  CredentialResolver resolver_;
  std::uint64_t generation_ = 0;
};

vault::Service service_for(vault::AuthScheme auth) {
  vault::Service service;
  service.name = "svc";
  service.host = "api.test";
  service.auth = std::move(auth);
  return service;
}

}  // namespace

TEST_CASE("injector: the client's own value in an injected slot is replaced, in its place",
          "[proxy][injector]") {
  Fixture f;
  f.credential("KEY", "real-secret-value");
  f.service = service_for(vault::BearerAuth{"KEY"});
  CHECK(f.inject("GET /a HTTP/1.1\r\nHost: api.test\r\nA: 1\r\nAUTHORIZATION: Bearer fake\r\n"
                 "B: 2\r\n\r\n") ==
        "GET /a HTTP/1.1\r\nHost: api.test\r\nA: 1\r\nAuthorization: Bearer real-secret-value\r\n"
        "B: 2\r\n\r\n");
}

TEST_CASE("injector: a slot has no second spelling that a server would take for it",
          "[proxy][injector]") {
  Fixture f;
  f.credential("KEY", "real-secret-value");
  f.service = service_for(vault::ApiKeyAuth{"KEY", "X-Api-Key", "", ""});
  CHECK(f.inject("GET /a HTTP/1.1\r\nHost: api.test\r\nX_API_KEY: mine\r\nx-api_key: mine\r\n"
                 "X-Http_Method_Override: DELETE\r\n\r\n") ==
        "GET /a HTTP/1.1\r\nHost: api.test\r\nX-Api-Key: real-secret-value\r\n\r\n");
}

TEST_CASE("injector: order, spelling and repetition of other fields are kept",
          "[proxy][injector]") {
  Fixture f;
  f.credential("KEY", "real-secret-value");
  f.service = service_for(vault::ApiKeyAuth{"KEY", "x-api-key", "", ""});
  CHECK(f.inject("POST /a HTTP/1.1\r\nhOsT: API.test:443\r\nx-A: 1\r\nX-a: 2\r\nCookie: c\r\n"
                 "content-length: 5\r\n\r\n") ==
        "POST /a HTTP/1.1\r\nhOsT: api.test\r\nx-A: 1\r\nX-a: 2\r\nCookie: c\r\n"
        "content-length: 5\r\nx-api-key: real-secret-value\r\n\r\n");
}

TEST_CASE("injector: hop-by-hop fields and what Connection names do not pass",
          "[proxy][injector]") {
  Fixture f;
  f.credential("KEY", "real-secret-value");
  f.service = service_for(vault::BearerAuth{"KEY"});
  const std::string out = f.inject(
      "GET / HTTP/1.1\r\nHost: api.test\r\nConnection: keep-alive, X-Secret, Authorization\r\n"
      "X-Secret: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: Bearer token\r\n"
      "Proxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
      "Trailer: X\r\n\r\n");
  CHECK(out ==
        "GET / HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer real-secret-value\r\n\r\n");
}

TEST_CASE("injector: fields that replace method or path behind the policy's back are dropped",
          "[proxy][injector]") {
  Fixture f;
  f.credential("KEY", "real-secret-value");
  f.service = service_for(vault::BearerAuth{"KEY"});
  CHECK(f.inject("GET / HTTP/1.1\r\nHost: api.test\r\nX-HTTP-Method-Override: DELETE\r\n"
                 "x-original-url: /admin\r\nX-Other: 1\r\n\r\n") ==
        "GET / HTTP/1.1\r\nHost: api.test\r\nX-Other: 1\r\n"
        "Authorization: Bearer real-secret-value\r\n\r\n");
  for (const char* const name :
       {"HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method",
        "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Path",
        "X_Forwarded_Prefix", "X-Forwarded-Host", "x-original-uri", "Forwarded"}) {
    CHECK(proxy::overrides_identity(name));
  }
  CHECK_FALSE(proxy::overrides_identity("X-Forwarded-For"));
}

TEST_CASE("injector: all auth schemes", "[proxy][injector]") {
  Fixture f;
  f.credential("KEY", "real-secret-value");
  f.credential("USERNAME", "alice");
  const std::string request = "GET /p?a=1&key=agent&b=2 HTTP/1.1\r\nHost: api.test\r\n\r\n";
  SECTION("basic with two credentials") {
    f.service = service_for(vault::BasicAuth{"USERNAME", "", "KEY"});
    CHECK(f.inject(request).find("Authorization: Basic YWxpY2U6cmVhbC1zZWNyZXQtdmFsdWU=\r\n") !=
          std::string::npos);
  }
  SECTION("basic with a literal user") {
    f.service = service_for(vault::BasicAuth{"", "x-access-token", "KEY"});
    CHECK(f.inject(request).find(
              "Authorization: Basic eC1hY2Nlc3MtdG9rZW46cmVhbC1zZWNyZXQtdmFsdWU=\r\n") !=
          std::string::npos);
  }
  SECTION("query parameter: the agent's own, however spelt, is gone") {
    f.service = service_for(vault::ApiKeyAuth{"KEY", "", "", "key"});
    CHECK(f.inject("GET /p?a=1&key=agent&%6bey=again&b=2 HTTP/1.1\r\nHost: api.test\r\n\r\n")
              .starts_with("GET /p?a=1&b=2&key=real-secret-value HTTP/1.1\r\n"));
    CHECK(f.inject("GET /p HTTP/1.1\r\nHost: api.test\r\n\r\n")
              .starts_with("GET /p?key=real-secret-value HTTP/1.1\r\n"));
  }
  SECTION("custom header templates") {
    vault::CustomAuth custom;
    custom.headers.push_back(
        {"Authorization", "Token token={{ KEY }}", {{"Token token=", ""}, {"", "KEY"}}});
    custom.headers.push_back({"X-User", "{{ USERNAME }}!", {{"", "USERNAME"}, {"!", ""}}});
    f.service = service_for(custom);
    const std::string out = f.inject(request);
    CHECK(out.find("Authorization: Token token=real-secret-value\r\n") != std::string::npos);
    CHECK(out.find("X-User: alice!\r\n") != std::string::npos);
  }
}

TEST_CASE("injector: substitutions go only where they are declared, encoded for the place",
          "[proxy][injector]") {
  Fixture f;
  f.credential("BOT", "12:34/56 78");
  f.service = service_for(vault::PassthroughAuth{});
  f.service.substitutions.push_back({"BOT", "__BOT__", 1, 0});
  CHECK(f.inject("GET /bot__BOT__/me?q=__BOT__ HTTP/1.1\r\nHost: api.test\r\nX: __BOT__\r\n\r\n") ==
        "GET /bot12%3A34%2F56%2078/me?q=__BOT__ HTTP/1.1\r\nHost: api.test\r\nX: __BOT__\r\n\r\n");
  // Many placeholders of a large value do not become gigabytes.
  f.credential("BOT", std::string(900000, 'v'));
  std::string many = "GET /";
  for (int i = 0; i < 100; ++i) {
    many += "__BOT__";
  }
  CHECK(f.inject(many + " HTTP/1.1\r\nHost: api.test\r\n\r\n") == "fault: head_too_large");
}

TEST_CASE("injector: a value that cannot stand in a header is refused when it is used",
          "[proxy][injector]") {
  Fixture f;
  f.service = service_for(vault::BearerAuth{"KEY"});
  for (const std::string& bad : {std::string("line\r\nX-Evil: 1"), std::string("line\nbreak here"),
                                 std::string("nul\0byte..", 10)}) {
    f.credential("KEY", bad);
    CHECK(f.inject("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n") == "fault: credential_invalid");
  }
}

TEST_CASE("injector: a missing credential is its own fault", "[proxy][injector]") {
  Fixture f;
  f.service = service_for(vault::BearerAuth{"NOT_THERE"});
  CHECK(f.inject("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n") == "fault: credential_not_found");
}

TEST_CASE("injector: codings that cannot be searched are not asked for", "[proxy][injector]") {
  Fixture f;
  f.credential("KEY", "real-secret-value");
  f.service = service_for(vault::BearerAuth{"KEY"});
  const auto accepted = [&](const std::string& fields) {
    const std::string out = f.inject("GET / HTTP/1.1\r\nHost: api.test\r\n" + fields + "\r\n");
    const std::size_t at = out.find("Accept-Encoding: ");
    return at == std::string::npos ? "" : out.substr(at + 17, out.find("\r\n", at) - at - 17);
  };
  CHECK(accepted("Accept-Encoding: gzip, deflate, br, zstd\r\n") == "gzip, deflate, br, zstd");
  CHECK(accepted("Accept-Encoding: br;q=1.0, gzip;q=0.8, dcz, *;q=0.1\r\n") ==
        "br;q=1.0, gzip;q=0.8");
  CHECK(accepted("Accept-Encoding: compress, *\r\n") == "identity");
  // Slices of a body could carry a value past the guard.
  CHECK(f.inject("GET / HTTP/1.1\r\nHost: api.test\r\nRange: bytes=1-2\r\nIf-Range: x\r\n\r\n") ==
        "GET / HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer real-secret-value\r\n\r\n");
  f.service.host = "other.test";  // nothing is injected: nothing is narrowed
  CHECK(accepted("Accept-Encoding: br\r\n") == "br");
}

TEST_CASE("injector: white space at the ends of a value is no part of a field",
          "[proxy][injector]") {
  Fixture f;
  f.credential("K", " \tinner value \t");
  f.service = service_for(vault::ApiKeyAuth{"K", "X-Key", "", ""});
  const auto request = f.outbound("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n");
  REQUIRE(request);
  const proxy::HeadText& fields = request->fields();
  std::string sent;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields.entry(i).name == "X-Key") {
      sent = fields.entry(i).value;
    }
  }
  CHECK(sent == "inner value");
  // A server repeats what it has read: that is looked for, in each form.
  const proxy::PatternSet& patterns = request->credential()->patterns();
  for (const std::string& reflected :
       {std::string("<inner value>"), encoding::base64(" \tinner value \t"),
        encoding::base64("inner value"), std::string("inner%20value"),
        std::string("a \tinner value \tb")}) {
    std::string text = reflected;
    CHECK(patterns.scrub(std::span(text), /*last=*/true).hits == 1);
  }
}

TEST_CASE("injector: a value that would be too short without its white space is looked for whole",
          "[proxy][injector]") {
  Fixture f;
  f.credential("K", "   abcd  ");
  f.service = service_for(vault::ApiKeyAuth{"K", "X-Key", "", ""});
  const auto request = f.outbound("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n");
  REQUIRE(request);
  std::string text = "<   abcd  >";
  CHECK(request->credential()->patterns().scrub(std::span(text), /*last=*/true).hits == 1);
}
