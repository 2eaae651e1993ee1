#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "oauth/token_endpoint.h"
#include "unit/oauth/fake_port.h"

using namespace av;
using namespace av::test;
using oauth::read_token_answer;
using oauth::TokenFailure;
using Kind = TokenFailure::Kind;

namespace {

TokenFailure failure(const oauth::HttpAnswer& from) {
  auto out = read_token_answer(from);
  REQUIRE_FALSE(out);
  return out.error();
}

}  // namespace

TEST_CASE("token answer: a complete answer is read", "[oauth][token]") {
  const auto tokens = read_token_answer(answer(
      200, R"({"access_token":"at-1","token_type":"Bearer","expires_in":3600,)"
           R"("refresh_token":"rt-1","id_token":"a.b.c","scope":"read write","extra":{"x":[1]}})"));
  REQUIRE(tokens);
  CHECK(shown(tokens->access_token) == "at-1");
  CHECK(shown(tokens->refresh_token) == "rt-1");
  CHECK(shown(tokens->id_token) == "a.b.c");
  CHECK(tokens->expires_in_s == 3600);
  CHECK(tokens->scopes == std::vector<std::string>{"read", "write"});
}

TEST_CASE("token answer: the least that an answer can be", "[oauth][token]") {
  const auto tokens = read_token_answer(answer(200, R"({"access_token":"at"})"));
  REQUIRE(tokens);
  CHECK(tokens->refresh_token.empty());
  CHECK(tokens->expires_in_s == 0);
  CHECK(tokens->scopes.empty());
  const auto nulls = read_token_answer(
      answer(201, R"({"access_token":"at","refresh_token":null,"id_token":null,"token_type":null,)"
                  R"("expires_in":null,"scope":null,"error":null})"));
  REQUIRE(nulls);
  CHECK(nulls->refresh_token.empty());
}

TEST_CASE("token answer: a lifetime as number or digits, and no nonsense", "[oauth][token]") {
  const auto lifetime = [](std::string_view json) {
    const auto tokens = read_token_answer(
        answer(200, R"({"access_token":"at","expires_in":)" + std::string(json) + "}"));
    REQUIRE(tokens);
    return tokens->expires_in_s;
  };
  CHECK(lifetime("3600") == 3600);
  CHECK(lifetime("\"3600\"") == 3600);
  CHECK(lifetime("3599.75") == 3599);
  CHECK(lifetime("315705599") == 315705599);
  for (const char* nonsense :
       {"0", "-1", "\"-60\"", "\"soon\"", "\"\"", "true", "1e9", "[]", "{}", "3600.",
        "99999999999999999999999", "1000000000000", "\" 3600\"", "\"3600s\"", "\"0x10\""}) {
    CAPTURE(nonsense);
    if (std::string_view(nonsense) == "3600.") {
      CHECK_FALSE(read_token_answer(answer(200, R"({"access_token":"at","expires_in":3600.})")));
    } else {
      CHECK(lifetime(nonsense) == 0);
    }
  }
}

TEST_CASE("token answer: success with an error in it is no success", "[oauth][token]") {
  SECTION("GitHub") {
    const TokenFailure found = failure(
        answer(200, R"({"error":"bad_verification_code","error_description":"The code passed is )"
                    R"(incorrect or expired.","error_uri":"https://docs.github.com"})"));
    CHECK(found.kind == Kind::kPermanent);
    CHECK(found.code == "bad_verification_code");
    CHECK(found.message == "The code passed is incorrect or expired.");
  }
  SECTION("GitHub, as a form") {
    const TokenFailure found =
        failure(answer(200, "error=incorrect_client_credentials&error_description=The+client_id+is",
                       "application/x-www-form-urlencoded; charset=utf-8"));
    CHECK(found.kind == Kind::kClient);
    CHECK(found.code == "incorrect_client_credentials");
    CHECK(found.message == "The client_id is");
  }
  SECTION("Slack") {
    const TokenFailure found = failure(answer(200, R"({"ok":false,"error":"invalid_code"})"));
    CHECK(found.kind == Kind::kPermanent);
    CHECK(found.code == "invalid_code");
    CHECK(failure(answer(200, R"({"ok":false})")).code == "error");
  }
  SECTION("an error beside a token") {
    const TokenFailure found =
        failure(answer(200, R"({"access_token":"at","error":"invalid_grant"})"));
    CHECK(found.kind == Kind::kPermanent);
  }
  SECTION("an empty error is none") {
    CHECK(read_token_answer(answer(200, R"({"access_token":"at","error":""})")));
    CHECK(read_token_answer(answer(200, R"({"access_token":"at","error":false})")));
  }
}

TEST_CASE("token answer: a form is read like JSON", "[oauth][token]") {
  const std::string_view type = "Application/X-WWW-Form-URLencoded;charset=UTF-8";
  const auto tokens = read_token_answer(answer(
      200, "access_token=gho%5Fabc&scope=repo%2Cgist&token_type=bearer&expires_in=60", type));
  REQUIRE(tokens);
  CHECK(shown(tokens->access_token) == "gho_abc");
  CHECK(tokens->scopes == std::vector<std::string>{"repo", "gist"});
  CHECK(tokens->expires_in_s == 60);
  CHECK(failure(answer(200, "access_token=a&access_token=b", type)).code == "not_json");
  CHECK(failure(answer(200, "access_token=a%0d%0aX:%20y", type)).code == "not_json");
  CHECK(failure(answer(200, "access_token=%zz", type)).code == "not_json");
}

TEST_CASE("token answer: Slack's user tokens stand one level down", "[oauth][token]") {
  const auto user = read_token_answer(answer(
      200, R"({"ok":true,"app_id":"A1","authed_user":{"id":"U1","scope":"chat:write,users:read",)"
           R"("access_token":"xoxe.xoxp-1","token_type":"user","refresh_token":"xoxe-1",)"
           R"("expires_in":43200},"team":{"id":"T1"}})"));
  REQUIRE(user);
  CHECK(shown(user->access_token) == "xoxe.xoxp-1");
  CHECK(shown(user->refresh_token) == "xoxe-1");
  CHECK(user->expires_in_s == 43200);
  CHECK(user->scopes == std::vector<std::string>{"chat:write", "users:read"});
  const auto bot = read_token_answer(
      answer(200, R"({"ok":true,"access_token":"xoxb-1","token_type":"bot","authed_user":)"
                  R"({"id":"U1","access_token":"xoxp-2","token_type":"user"}})"));
  REQUIRE(bot);
  CHECK(shown(bot->access_token) == "xoxb-1");
  // Nobody else's nested members are believed.
  CHECK(failure(answer(200, R"({"authed_user":{"access_token":"at","token_type":"user"}})")).code ==
        "no_access_token");
}

TEST_CASE("token answer: a token that is not a bearer's is refused", "[oauth][token]") {
  for (const char* type : {"mac", "DPoP", "N_A", "bot", "user", "", "bearer "}) {
    CAPTURE(type);
    const TokenFailure found =
        failure(answer(200, R"({"access_token":"at","token_type":")" + std::string(type) + "\"}"));
    CHECK(found.code == "token_type");
    CHECK(found.kind == Kind::kClient);
  }
  for (const char* type : {"bearer", "BEARER", "Bearer"}) {
    CHECK(read_token_answer(
        answer(200, R"({"access_token":"at","token_type":")" + std::string(type) + "\"}")));
  }
}

TEST_CASE("token answer: no token can write a line of a request", "[oauth][token][attack]") {
  for (const char* bad : {R"(a\r\nX-Evil: 1)", R"(a\nb)", R"(a\u0000b)", R"(a b)", R"(a\tb)",
                          R"(caf\u00e9)", R"(\u007f)", "caf\xC3\xA9"}) {
    CAPTURE(bad);
    for (const char* member : {"access_token", "id_token"}) {
      const std::string body = R"({"access_token":"at",")" + std::string(member) + "2\":0,\"" +
                               member + "\":\"" + bad + "\"}";
      // `access_token` twice is refused for that; the control below shows that the shape is good.
      const std::string own = std::string(member) == "access_token"
                                  ? R"({"access_token":")" + std::string(bad) + "\"}"
                                  : body;
      CHECK(failure(answer(200, own)).code == "bad_token");
    }
  }
  CHECK(failure(answer(200, R"({"access_token":"at","refresh_token":"a\r\nb"})")).code ==
        "bad_token");
  CHECK(failure(answer(200, R"({"access_token":["at"]})")).code == "bad_token");
  CHECK(failure(answer(200, R"({"access_token":1})")).code == "bad_token");
  // RFC 6749 appendix A.17 allows blanks in a refresh token; it stands in no field.
  CHECK(read_token_answer(answer(200, R"({"access_token":"at","refresh_token":"a b"})")));
}

TEST_CASE("token answer: a token has at most 64 KiB", "[oauth][token]") {
  const auto with = [](std::size_t size) {
    return answer(200, R"({"access_token":")" + std::string(size, 'a') + "\"}");
  };
  CHECK(read_token_answer(with(64 * 1024)));
  CHECK(failure(with(64 * 1024 + 1)).code == "bad_token");
}

TEST_CASE("token answer: a member twice, however it is spelt, is refused",
          "[oauth][token][attack]") {
  CHECK(failure(answer(200, R"({"access_token":"good","access_token":"evil"})")).code ==
        "not_json");
  CHECK(failure(answer(200, R"({"access_token":"good","access\u005ftoken":"evil"})")).code ==
        "not_json");
}

TEST_CASE("token answer: what is no answer is worth another try", "[oauth][token]") {
  const std::string html = "<!doctype html><title>Sign in to the Wi-Fi</title>";
  CHECK(failure(answer(200, html, "text/html")).kind == Kind::kTransient);
  CHECK(failure(answer(200, html)).code == "not_json");
  // What begins like an object is one, whatever it is called: the old refresh token may be void.
  CHECK(read_token_answer(answer(200, R"({"access_token":"at"})", "text/html")));
  CHECK(read_token_answer(answer(200, R"({"access_token":"at"})", "text/plain")));
  CHECK(read_token_answer(answer(200, R"({"access_token":"at"})", "")));
  CHECK(read_token_answer(answer(200, R"({"access_token":"at"})", "application/vnd.x+json")));
  CHECK(failure(answer(200, "")).code == "not_json");
  CHECK(failure(answer(200, "[]")).code == "not_json");
  CHECK(failure(answer(200, "null")).code == "not_json");
  CHECK(failure(answer(200, "{}")).code == "no_access_token");
  CHECK(failure(answer(200, R"({"access_token":""})")).code == "no_access_token");
  CHECK(failure(answer(200, "{\"access_token\":\"at\"} trailing")).code == "not_json");
  CHECK(failure(answer(200, "{}")).kind == Kind::kTransient);
}

TEST_CASE("token answer: at every length of a cut answer there is no token", "[oauth][token]") {
  const std::string whole = R"({"access_token":"at","token_type":"bearer","expires_in":3600})";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(failure(answer(200, whole.substr(0, size))).kind == Kind::kTransient);
  }
  CHECK(read_token_answer(answer(200, whole)));
}

TEST_CASE("token answer: a redirect is never an answer", "[oauth][token][attack]") {
  for (const int status : {301, 302, 303, 307, 308, 304, 100}) {
    CAPTURE(status);
    const TokenFailure found = failure(answer(status, R"({"access_token":"at"})"));
    CHECK(found.kind == Kind::kTransient);
    CHECK(found.code == "http_" + std::to_string(status));
  }
}

TEST_CASE("token answer: the words of a provider decide what is to be done", "[oauth][token]") {
  struct Row {
    int status;
    const char* body;
    Kind kind;
    const char* code;
  };
  const std::vector<Row> rows = {
      {400, R"({"error":"invalid_grant","error_description":"Token has been expired or revoked."})",
       Kind::kPermanent, "invalid_grant"},
      {401, R"({"error":{"code":"refresh_token_reused","message":"used before"}})",
       Kind::kPermanent, "refresh_token_reused"},
      {400, R"({"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"})",
       Kind::kPermanent, "bad_refresh_token"},
      {403, R"({"error":"unauthorized_client","error_description":"refresh_token is invalid"})",
       Kind::kPermanent, "unauthorized_client"},
      {400, R"({"status":400,"message":"Invalid refresh token"})", Kind::kPermanent, "http_400"},
      {400, R"({"reason":"Invalid Token!","error":"invalid_request"})", Kind::kPermanent,
       "invalid_request"},
      {400, R"({"error":"invalid_request","reason":"bad redirect"})", Kind::kClient,
       "invalid_request"},
      {400, R"({"error":"expired_token"})", Kind::kPermanent, "expired_token"},
      {400, R"({"error":"access_denied"})", Kind::kPermanent, "access_denied"},
      {401, R"({"error":"invalid_client"})", Kind::kClient, "invalid_client"},
      {400, R"({"error":"unauthorized_client"})", Kind::kClient, "unauthorized_client"},
      {400, R"({"error":"invalid_scope"})", Kind::kClient, "invalid_scope"},
      {400, R"({"error":"unsupported_grant_type"})", Kind::kClient, "unsupported_grant_type"},
      {400, R"({"error":true,"message":"no"})", Kind::kTransient, "http_400"},
      {401, R"({"message":"Bad credentials"})", Kind::kClient, "http_401"},
      {400, R"({"error":"authorization_pending"})", Kind::kPending, "authorization_pending"},
      {200, R"({"error":"authorization_pending"})", Kind::kPending, "authorization_pending"},
      {428, R"({"error":"authorization_pending"})", Kind::kPending, "authorization_pending"},
      {400, R"({"error":"slow_down"})", Kind::kSlowDown, "slow_down"},
      {429, R"({"error":"slow_down"})", Kind::kSlowDown, "slow_down"},
      {400, R"({"error":"temporarily_unavailable"})", Kind::kTransient, "temporarily_unavailable"},
      {500, R"({"error":"invalid_grant"})", Kind::kTransient, "invalid_grant"},
      {503, "down", Kind::kTransient, "http_503"},
      {429, R"({"error":"rate_limited"})", Kind::kTransient, "rate_limited"},
      {403, "<html>blocked</html>", Kind::kTransient, "http_403"},
      {404, "", Kind::kTransient, "http_404"},
      {400, R"({"type":"error","error":{"type":"invalid_request_error","message":"m"}})",
       Kind::kClient, "invalid_request_error"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.status, row.body);
    const TokenFailure found = failure(answer(row.status, row.body));
    CHECK(found.kind == row.kind);
    CHECK(found.code == row.code);
    CHECK_FALSE(found.message.empty());
  }
}

TEST_CASE("token answer: Retry-After is kept in seconds, bounded", "[oauth][token]") {
  const auto after = [](std::string_view value) {
    return failure(answer_of({503, "", "", std::string(value), {}})).retry_after_s;
  };
  CHECK(after("120") == 120);
  CHECK(after(" 5 ") == 5);
  CHECK(after("99999999") == 24 * 3600);
  for (const char* bad :
       {"", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "1.5", "99999999999999999999"}) {
    CAPTURE(bad);
    CHECK(after(bad) == 0);
  }
}

TEST_CASE("token answer: words of others are printable and bounded", "[oauth][token][attack]") {
  const TokenFailure escape = failure(
      answer(400, R"({"error":"invalid_grant","error_description":"\u001b[2Jgone\u202eevil\n"})"));
  CHECK(escape.message == "\\x1b[2Jgone\\u{202e}evil\\x0a");
  const TokenFailure endless =
      failure(answer(400, R"({"error":")" + std::string(1000, 'e') + R"(","error_description":")" +
                              std::string(5000, 'd') + "\"}"));
  CHECK(endless.code.size() <= 64);
  CHECK(endless.message.size() <= 400);
  const TokenFailure controls =
      failure(answer(400, R"({"error":"a\u001b]0;x","error_description":")" +
                              std::string(1000, '\x01' + 'a' - 1) + "\"}"));
  CHECK(controls.code == "http_400");
  CHECK(controls.message.size() <= 400);
}

TEST_CASE("token answer: scopes that no request could carry are left out", "[oauth][token]") {
  const auto tokens = read_token_answer(answer(
      200, R"({"access_token":"at","scope":["a b","c","d\"e","f\u0007", "caf\u00e9", 1, null]})"));
  REQUIRE(tokens);
  CHECK(tokens->scopes == std::vector<std::string>{"a", "b", "c"});
  const auto hubspot =
      read_token_answer(answer(200, R"({"access_token":"at","scopes":["oauth"]})"));
  REQUIRE(hubspot);
  CHECK(hubspot->scopes == std::vector<std::string>{"oauth"});
  std::string many;
  for (int i = 0; i < 1000; ++i) {
    many += "s" + std::to_string(i) + " ";
  }
  const auto endless =
      read_token_answer(answer(200, R"({"access_token":"at","scope":")" + many + "\"}"));
  REQUIRE(endless);
  CHECK(endless->scopes.size() == 200);
}

TEST_CASE("token answer: a refresh token without a usable access token is not lost",
          "[oauth][token][attack]") {
  const auto left = [](int status, const std::string& json) {
    const auto shared = failure(answer(status, json)).refresh_token;
    return shared == nullptr ? std::string() : shown(*shared);
  };
  CHECK(left(200, R"({"refresh_token":"r2"})") == "r2");
  CHECK(left(200, R"({"access_token":"at","token_type":"mac","refresh_token":"r2"})") == "r2");
  CHECK(left(200, R"({"access_token":"a\r\nX: y","refresh_token":"r2"})") == "r2");
  CHECK(left(200, R"({"ok":true,"authed_user":{"refresh_token":"r2"}})") == "r2");
  CHECK(left(200, R"({"access_token":"a","token_type":"mac","refresh_token":"r\u0000"})").empty());
  CHECK(left(400, R"({"error":"invalid_grant","refresh_token":"r2"})").empty());
  CHECK(left(200, "{}").empty());
  CHECK(failure(answer(200, R"({"refresh_token":"r2"})")).code == "no_access_token");
}
