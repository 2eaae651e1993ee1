#include "oauth/authorization.h"

#include <catch2/catch.hpp>
#include <string>

#include "core/crypto.h"
#include "core/encoding.h"
#include "unit/oauth/fake_port.h"

using namespace av;
using namespace av::test;
using oauth::code_from_redirect;
using oauth::CodeAttempt;
using oauth::TokenFailure;

namespace {

constexpr const char* kRedirect = "http://127.0.0.1:8976/callback";

vault::OauthClient client() {
  vault::OauthClient out;
  out.authorization_url = "https://id.example.com/authorize";
  out.token_url = "https://id.example.com/token";
  out.device_url = "https://id.example.com/device";
  out.client_id = "client 1&x";
  out.scopes = {"read", "write:all"};
  return out;
}

CodeAttempt attempt(const vault::OauthClient& of = client()) {
  auto out = oauth::begin_code(of, kRedirect);
  REQUIRE(out);
  return std::move(*out);
}

std::string state_of(const CodeAttempt& of) {
  return shown(of.state);
}

ErrorCode refusal(const vault::OauthClient& of, const CodeAttempt& own, const std::string& answer) {
  const auto code = code_from_redirect(of, own, answer);
  REQUIRE_FALSE(code);
  return code.error().code;
}

}  // namespace

TEST_CASE("authorization: the URL has what the provider needs and nothing that is secret",
          "[oauth][authorize]") {
  vault::OauthClient of = client();
  of.authorize_params = {{"access_type", "offline"}, {"prompt", "a b"}};
  const CodeAttempt own = attempt(of);
  REQUIRE_THAT(own.url, Catch::StartsWith("https://id.example.com/authorize?"));
  auto query = form_of(own.url.substr(own.url.find('?') + 1));
  CHECK(query["response_type"] == "code");
  CHECK(query["client_id"] == "client 1&x");
  CHECK(query["redirect_uri"] == kRedirect);
  CHECK(query["scope"] == "read write:all");
  CHECK(query["access_type"] == "offline");
  CHECK(query["prompt"] == "a b");
  CHECK(query["code_challenge_method"] == "S256");
  CHECK(query["state"] == state_of(own));
  CHECK(query.count("nonce") == 0);
  CHECK(query.size() == 9);
  // RFC 7636 section 4.2.
  const auto digest = crypto::sha256(shown(own.verifier));
  CHECK(query["code_challenge"] ==
        encoding::base64({reinterpret_cast<const char*>(digest.data()), digest.size()},
                         encoding::Base64::kUrl));
  CHECK(own.url.find(shown(own.verifier)) == std::string::npos);
  CHECK(own.verifier.size() == 43);
  CHECK(own.state.size() == 43);
  const CodeAttempt other = attempt(of);
  CHECK_FALSE(own.state.equals(other.state));
  CHECK_FALSE(own.verifier.equals(other.verifier));
  CHECK_FALSE(own.verifier.equals(own.state));
}

TEST_CASE("authorization: a query that the provider's URL has already is kept",
          "[oauth][authorize]") {
  vault::OauthClient of = client();
  of.authorization_url += "?tenant=a";
  of.scopes.clear();
  of.pkce = false;
  of.scope_separator = ",";
  const auto own = oauth::begin_code(of, kRedirect, /*openid=*/true);
  REQUIRE(own);
  auto query = form_of(own->url.substr(own->url.find('?') + 1));
  CHECK(query["tenant"] == "a");
  CHECK(query["nonce"] == shown(own->nonce));
  CHECK(query.count("scope") == 0);
  CHECK(query.count("code_challenge") == 0);
  of.scopes = {"a", "b"};
  CHECK_THAT(attempt(of).url, Catch::Contains("scope=a%2Cb&"));
}

TEST_CASE("authorization: nothing begins with a client or an address that is none",
          "[oauth][authorize]") {
  vault::OauthClient of = client();
  of.authorization_url = "javascript:alert(1)";
  CHECK_FALSE(oauth::begin_code(of, kRedirect));
  CHECK_FALSE(oauth::begin_code(client(), "http://evil.example/callback"));
  CHECK_FALSE(oauth::begin_code(client(), "http://127.0.0.1:1/callback#x"));
  CHECK(oauth::begin_code(client(), "https://vault.example.com/v1/oauth/callback"));
}

TEST_CASE("authorization: an endpoint's own query sets nothing that the flow sets",
          "[oauth][authorize][attack]") {
  vault::OauthClient of = client();
  const std::string url = of.authorization_url;
  for (const char* query : {"client_id=other", "a=b&redirect_uri=https://evil", "state=x", "state",
                            "a&&response_type=token", "code_challenge=x", "%73tate=x",
                            "client%5Fid=x", "request_uri=https://evil"}) {
    CAPTURE(query);
    of.authorization_url = url + "?" + query;
    CHECK_FALSE(oauth::begin_code(of, kRedirect));
  }
  for (const char* query : {"tenant=a&statement=b", "a=state", "", "a=%26state"}) {
    CAPTURE(query);
    of.authorization_url = url + "?" + query;
    CHECK(oauth::begin_code(of, kRedirect));
  }
}

TEST_CASE("redirect: the code of an answer to this attempt", "[oauth][redirect]") {
  const CodeAttempt own = attempt();
  const std::string state = state_of(own);
  for (const std::string& answer :
       {"code=a%2Fb+c&state=" + state, "?state=" + state + "&code=a%2Fb+c&session_state=x",
        "code=a%2fb%20c&&state=" + state + "&",
        std::string(kRedirect) + "?code=a/b+c&state=" + state,
        "  " + std::string(kRedirect) + "?code=a/b+c&state=" + state + "#_=_\n"}) {
    CAPTURE(answer);
    const auto code = code_from_redirect(client(), own, answer);
    REQUIRE(code);
    CHECK(shown(*code) == "a/b c");
  }
}

TEST_CASE("redirect: an answer to another attempt is refused", "[oauth][redirect][attack]") {
  const CodeAttempt own = attempt();
  const CodeAttempt attackers = attempt();
  const std::string state = state_of(own);
  // The control: with the right state the same code is taken.
  REQUIRE(code_from_redirect(client(), own, "code=evil&state=" + state));
  const std::string swapped = "code=evil&state=" + state_of(attackers);
  CHECK(refusal(client(), own, swapped) == ErrorCode::kNotPermitted);
  CHECK(refusal(client(), own, "code=evil") == ErrorCode::kNotPermitted);
  CHECK(refusal(client(), own, "code=evil&state=") == ErrorCode::kNotPermitted);
  CHECK(refusal(client(), own, "code=evil&state=" + state.substr(1)) == ErrorCode::kNotPermitted);
  CHECK(refusal(client(), own, "code=evil&state=" + state + "x") == ErrorCode::kNotPermitted);
  CHECK(refusal(client(), own, "code=evil&State=" + state) == ErrorCode::kNotPermitted);
  // An attempt that is over knows no state, not even an empty one.
  const CodeAttempt over;
  CHECK(refusal(client(), over, "code=evil&state=") == ErrorCode::kNotPermitted);
  CHECK(refusal(client(), over, "code=evil") == ErrorCode::kNotPermitted);
  // Nor is a refusal believed that anybody could have written.
  CHECK(refusal(client(), own, "error=access_denied&state=guess") == ErrorCode::kNotPermitted);
}

TEST_CASE("redirect: a parameter twice is refused, however it is spelt",
          "[oauth][redirect][attack]") {
  const CodeAttempt own = attempt();
  const std::string state = state_of(own);
  for (const std::string& query :
       {"code=good&code=evil&state=" + state, "code=good&%63ode=evil&state=" + state,
        "code=c&state=" + state + "&state=" + state, "code=c&state=x&state=" + state,
        "code=c&state=" + state + "&iss=a&iss=b", "code=c&state=" + state + "&x=1&x=2"}) {
    CAPTURE(query);
    CHECK(refusal(client(), own, query) == ErrorCode::kInvalid);
  }
}

TEST_CASE("redirect: an answer of another issuer is refused", "[oauth][redirect][attack]") {
  vault::OauthClient of = client();
  of.issuer = "https://id.example.com";
  const CodeAttempt own = attempt(of);
  const std::string good = "code=c&state=" + state_of(own);
  CHECK(code_from_redirect(of, own, good + "&iss=https%3A%2F%2Fid.example.com"));
  CHECK(code_from_redirect(of, own, good));
  for (const char* iss : {"https://evil.example", "https://id.example.com/",
                          "https://ID.example.com", "http://id.example.com"}) {
    CAPTURE(iss);
    CHECK(refusal(of, own, good + "&iss=" + iss) == ErrorCode::kNotPermitted);
  }
  of.requires_iss = true;
  CHECK(refusal(of, own, good) == ErrorCode::kNotPermitted);
  CHECK(code_from_redirect(of, own, good + "&iss=https://id.example.com"));
  // The control: without a known issuer there is nothing to compare.
  CHECK(code_from_redirect(client(), own, good + "&iss=https://evil.example"));
}

TEST_CASE("redirect: only the address that was asked for is taken from a pasted URL",
          "[oauth][redirect][attack]") {
  const CodeAttempt own = attempt();
  const std::string query = "?code=c&state=" + state_of(own);
  REQUIRE(code_from_redirect(client(), own, kRedirect + query));
  for (const char* base :
       {"http://127.0.0.1:8976/", "http://127.0.0.1:8976/callback/",
        "http://127.0.0.1:8977/callback", "https://127.0.0.1:8976/callback",
        "http://evil.example/callback", "http://127.0.0.1:8976@evil.example/callback",
        "http://localhost:8976/callback"}) {
    CAPTURE(base);
    CHECK(refusal(client(), own, base + query) == ErrorCode::kInvalid);
  }
  // A fragment is not an answer: only the implicit flow puts something there.
  CHECK(refusal(client(), own, std::string(kRedirect) + "#" + query.substr(1)) ==
        ErrorCode::kNotPermitted);
}

TEST_CASE("redirect: what is malformed is not guessed at", "[oauth][redirect]") {
  const CodeAttempt own = attempt();
  const std::string state = "&state=" + state_of(own);
  for (const std::string& query :
       {"code=%" + state, "code=%4" + state, "code=%zz" + state, "code=a%00b" + state,
        "code=a%0d%0aX" + state, "code=caf%C3%A9" + state, "code=" + state, "x=1" + state,
        "code=c&error=x" + state, "code=" + std::string(9000, 'c') + state,
        std::string(17 * 1024, '&')}) {
    CAPTURE(query.substr(0, 60));
    CHECK(refusal(client(), own, query) == ErrorCode::kInvalid);
  }
  std::string many;
  for (int i = 0; i < 70; ++i) {
    many += "a" + std::to_string(i) + "=1&";
  }
  CHECK(refusal(client(), own, many + "code=c" + state) == ErrorCode::kInvalid);
  CHECK(refusal(client(), own, "") == ErrorCode::kNotPermitted);
}

TEST_CASE("redirect: a refusal comes in the provider's words, made printable",
          "[oauth][redirect]") {
  const CodeAttempt own = attempt();
  const auto code = code_from_redirect(
      client(), own,
      "error=access_denied&error_description=The+person+said+%E2%80%AEno&state=" + state_of(own));
  REQUIRE_FALSE(code);
  CHECK(code.error().code == ErrorCode::kConflict);
  CHECK(code.error().message ==
        "the provider refused: access_denied (The person said \\u{202e}no)");
  const auto strange =
      code_from_redirect(client(), own, "error=%3Cscript%3E&state=" + state_of(own));
  CHECK(strange.error().message == "the provider refused: error");
}

TEST_CASE("device: the answer that a person is shown", "[oauth][device]") {
  FakePort port;
  port.will(
      200,
      R"({"device_code":"dc-1","user_code":"WDJB-MJHT","verification_uri":)"
      R"("https://id.example.com/device","verification_uri_complete":)"
      R"("https://id.example.com/device?user_code=WDJB-MJHT","expires_in":1800,"interval":7})");
  vault::OauthClient of = client();
  of.token_params = {{"audience", "api"}};
  vault::OauthSecrets secrets;
  secrets.client_secret = secret("cs");
  const auto device = oauth::begin_device(port, of, secrets);
  REQUIRE(device);
  CHECK(shown(device->device_code) == "dc-1");
  CHECK(device->user_code == "WDJB-MJHT");
  CHECK(device->verification_uri == "https://id.example.com/device");
  CHECK_THAT(device->verification_uri_complete, Catch::EndsWith("MJHT"));
  CHECK(device->expires_in_s == 1800);
  CHECK(device->interval_s == 7);
  REQUIRE(port.seen.size() == 1);
  CHECK(port.seen[0].url == "https://id.example.com/device");
  auto form = form_of(port.seen[0].body);
  CHECK(form["client_id"] == "client 1&x");
  CHECK(form["client_secret"] == "cs");
  CHECK(form["scope"] == "read write:all");
  CHECK(form["audience"] == "api");
}

TEST_CASE("device: names and shapes that providers use", "[oauth][device]") {
  FakePort port;
  port.will({200,
             "device_code=dc&user_code=AB-CD&verification_uri=https%3A%2F%2Fgithub.com%2Flogin%2F"
             "device&expires_in=899&interval=5",
             "application/x-www-form-urlencoded",
             {},
             {}});
  port.will(200, R"({"device_code":"dc","user_code":"AB","verification_url":)"
                 R"("https://www.google.com/device"})");
  const auto form = oauth::begin_device(port, client(), {});
  REQUIRE(form);
  CHECK(form->verification_uri == "https://github.com/login/device");
  CHECK(form->expires_in_s == 899);
  const auto google = oauth::begin_device(port, client(), {});
  REQUIRE(google);
  CHECK(google->verification_uri == "https://www.google.com/device");
  CHECK(google->interval_s == 5);
  CHECK(google->expires_in_s == 600);
}

TEST_CASE("device: nobody is sent to an address that is none", "[oauth][device][attack]") {
  const auto asked = [](const std::string& members) {
    FakePort port;
    port.will(200, R"({"device_code":"dc","user_code":"AB-CD",)" + members + "}");
    return oauth::begin_device(port, client(), {});
  };
  REQUIRE(asked(R"("verification_uri":"https://a.example/d")"));
  for (const char* uri : {"javascript:alert(1)", "http://a.example/d", "file:///etc/passwd",
                          "https://a@evil.example/", "https://a.example/\\u001b[2J", ""}) {
    CAPTURE(uri);
    CHECK_FALSE(asked(R"("verification_uri":")" + std::string(uri) + "\""));
    const auto device =
        asked(R"("verification_uri":"https://a.example/d","verification_uri_complete":")" +
              std::string(uri) + "\"");
    REQUIRE(device);
    CHECK(device->verification_uri_complete.empty());
  }
  FakePort port;
  port.will(200, R"({"device_code":"dc","user_code":"\u001b]0;x\u0007","verification_uri":)"
                 R"("https://a.example/d"})");
  CHECK_FALSE(oauth::begin_device(port, client(), {}));
  // A code is nobody's message, and no address.
  for (const char* code : {"Call +1 555 0100 now", "evil.example/login", "a_b", "<b>",
                           "ABCDEFGH-ABCDEFGH-ABCDEFGH-ABCDEF"}) {
    CAPTURE(code);
    FakePort said;
    said.will(200, R"({"device_code":"dc","user_code":")" + std::string(code) +
                       R"(","verification_uri":"https://a.example/d"})");
    CHECK_FALSE(oauth::begin_device(said, client(), {}));
  }
  const auto patient =
      asked(R"("verification_uri":"https://a.example/d","interval":999999,"expires_in":99999999)");
  REQUIRE(patient);
  CHECK(patient->interval_s == 300);
  CHECK(patient->expires_in_s == 24 * 3600);
}

TEST_CASE("device: a refusal is told", "[oauth][device]") {
  FakePort port;
  port.will(400, R"({"error":"invalid_client"})");
  port.will(200,
            R"({"error":"device_flow_disabled","error_description":"Device Flow must be on"})");
  port.will(200, R"({"user_code":"x"})");
  port.will({503, "", "text/html", "30", {}});
  const auto refused = oauth::begin_device(port, client(), {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == TokenFailure::Kind::kClient);
  const auto disabled = oauth::begin_device(port, client(), {});
  CHECK(disabled.error().code == "device_flow_disabled");
  CHECK(disabled.error().message == "Device Flow must be on");
  CHECK(oauth::begin_device(port, client(), {}).error().code == "bad_device_answer");
  const auto later = oauth::begin_device(port, client(), {});
  CHECK(later.error().kind == TokenFailure::Kind::kTransient);
  CHECK(later.error().retry_after_s == 30);
}
