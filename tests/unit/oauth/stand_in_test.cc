#include "oauth/stand_in.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "core/encoding.h"
#include "unit/oauth/fake_port.h"

using namespace av;
using namespace av::test;
using Json = nlohmann::json;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;
const oauth::StandIns kPlaced{"av_ph_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                              "av_ph_RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR",
                              "av_ph_IIIIIIIIIIIIIIIIIIIIIIIIIIIIIIII"};

std::string jwt(const std::string& claims, const std::string& signature = "c2lnbmF0dXJl") {
  return encoding::base64(R"({"alg":"RS256"})", encoding::Base64::kUrl) + "." +
         encoding::base64(claims, encoding::Base64::kUrl) + "." + signature;
}

Json claims_of(const std::string& token) {
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  REQUIRE(first != last);
  const std::string part = token.substr(first + 1, last - first - 1);
  std::string text(encoding::base64_decoded_bound(part.size()), '\0');
  const auto size = encoding::from_base64(
      part, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}, encoding::Base64::kUrl);
  REQUIRE(size);
  return Json::parse(text.substr(0, *size));
}

Expected<oauth::ProgramAnswer> given(const oauth::HttpAnswer& answer) {
  const auto tokens = oauth::read_token_answer(answer);
  REQUIRE(tokens);
  return oauth::program_answer(answer, *tokens, kPlaced, kNow);
}

}  // namespace

TEST_CASE("stand-in: of the shape of a token, without anything of it", "[oauth][login]") {
  CHECK(oauth::stand_in_of(secret("gho_realrealreal"), kPlaced.access, kNow) ==
        "gho_" + kPlaced.access);
  CHECK(oauth::stand_in_of(secret("xoxe.xoxb-1-abc"), kPlaced.access, kNow) ==
        "xoxe.xoxb-" + kPlaced.access);
  // What only looks like a prefix may be a part of the secret.
  CHECK(oauth::stand_in_of(secret("ab-realrealreal"), kPlaced.access, kNow) == kPlaced.access);
  CHECK(oauth::is_stand_in("gho_" + kPlaced.access));
  CHECK_FALSE(oauth::is_stand_in("gho_av_ph_short"));
  CHECK_FALSE(oauth::is_stand_in("gho_realrealrealrealrealrealrealreal"));
}

TEST_CASE("stand-in: a JWT stays one, with its claims and no signature", "[oauth][login]") {
  const std::string real = jwt(
      R"({"email":"a@b.c","exp":1,"jti":"real-id","at_hash":"real-hash","n":{"x":[1,"eyJh.b.c"]}})");
  const std::string fake = oauth::stand_in_of(secret(real), kPlaced.id, kNow);
  const Json claims = claims_of(fake);
  CHECK(claims["email"] == "a@b.c");
  CHECK(claims["exp"] == kNow / 1000 + 365 * 24 * 3600);
  CHECK(claims["jti"] == kPlaced.id);
  CHECK_FALSE(claims.contains("at_hash"));
  CHECK(claims["n"]["x"][1].is_null());  // a token inside of a token
  // The proxy finds the placeholder as it stands.
  CHECK(fake.ends_with("." + kPlaced.id));
  CHECK(oauth::is_stand_in(fake));
  CHECK(fake.find("c2lnbmF0dXJl") == std::string::npos);
}

TEST_CASE("stand-in: an answer keeps what is known to be no secret", "[oauth][login]") {
  const auto shown = given(answer(
      200, R"({"access_token":"real-access","refresh_token":"real-refresh","token_type":"bearer",)"
           R"("expires_in":60,"scope":"a b","id_token":")" +
               jwt(R"({"sub":"1"})", "cmVhbC1zaWduYXR1cmU") +
               R"(","team":{"id":"T1","name":"Team","secret":"real-other"},"webhook":"real-hook",)"
               R"("account":{"uuid":"u","email_address":"a@b.c"},"otp":123456,"ok":true})"));
  REQUIRE(shown);
  const Json out = Json::parse(shown->body);
  CHECK(out["access_token"] == kPlaced.access);
  CHECK(out["refresh_token"] == kPlaced.refresh);
  CHECK(claims_of(out["id_token"])["sub"] == "1");
  CHECK(out["scope"] == "a b");
  CHECK(out["expires_in"] == 365 * 24 * 3600);
  CHECK(out["team"] == Json({{"id", "T1"}, {"name", "Team"}}));
  CHECK(out["account"]["email_address"] == "a@b.c");
  CHECK_FALSE(out.contains("webhook"));
  CHECK_FALSE(out.contains("otp"));
  CHECK(shown->body.find("real") == std::string::npos);
}

TEST_CASE("stand-in: a form stays a form, Slack's tokens stay where they were", "[oauth][login]") {
  const auto form = given(answer(200, "access_token=gho_real&scope=repo%2Cgist&token_type=bearer",
                                 "application/x-www-form-urlencoded; charset=utf-8"));
  REQUIRE(form);
  CHECK(form->content_type.starts_with("application/x-www-form-urlencoded"));
  CHECK(form->body ==
        "access_token=gho_" + kPlaced.access + "&scope=repo%2Cgist&token_type=bearer");

  const auto user = given(answer(
      200,
      R"({"ok":true,"authed_user":{"id":"U1","access_token":"xoxp-real","token_type":"user"}})"));
  REQUIRE(user);
  CHECK(Json::parse(user->body)["authed_user"]["access_token"] == "xoxp-" + kPlaced.access);
  // The second one, which is not kept, is not given either.
  const auto both = given(answer(200, R"({"ok":true,"access_token":"xoxb-real","token_type":"bot",)"
                                      R"("authed_user":{"id":"U1","access_token":"xoxp-real2"}})"));
  REQUIRE(both);
  CHECK(Json::parse(both->body)["authed_user"] == Json({{"id", "U1"}}));
  CHECK(both->body.find("real") == std::string::npos);
}

TEST_CASE("stand-in: a token that is repeated elsewhere is not given", "[oauth][login]") {
  CHECK_FALSE(given(answer(200, R"({"access_token":"real-access","scope":"x real-access"})")));
  CHECK_FALSE(given(answer(200, R"({"access_token":"real-a","refresh_token":"real-refresh",)"
                                R"("instance_url":"https://x/?t=real-refresh"})")));
  CHECK(given(answer(200, R"({"access_token":"real-access","scope":"x"})")));
  // Written otherwise in the answer that is made of it.
  CHECK_FALSE(given(answer(200, R"({"access_token":"re\"al\\1","team":{"name":"is re\"al\\1"}})")));
  CHECK_FALSE(given(answer(200, R"({"access_token":"re\"al","scope":["x","re\"al"]})")));
  const auto form = [](const std::string& body) {
    oauth::HttpAnswer out = answer(200, body);
    out.content_type = "application/x-www-form-urlencoded";
    return out;
  };
  CHECK_FALSE(given(form("access_token=real%2B%2F%3D&name=real%2B%2F%3D")));
  CHECK(given(form("access_token=real%2B%2F%3D&name=real")));
}

TEST_CASE("stand-in: a number beyond all numbers leaves the answer JSON", "[oauth][login]") {
  const auto shown = given(answer(200, R"({"access_token":"real-access","id":1e999,"gid":12})"));
  REQUIRE(shown);
  const Json read = Json::parse(shown->body);
  CHECK(read["id"].is_null());
  CHECK(read["gid"] == 12);
}

TEST_CASE("stand-in: a refusal has a refusal's members and no others", "[oauth][login]") {
  const auto refused = [](const oauth::HttpAnswer& from) {
    const auto tokens = oauth::read_token_answer(from);
    REQUIRE_FALSE(tokens);
    return oauth::program_refusal(from, tokens.error());
  };
  const auto pending = refused(
      answer(400, R"({"error":"authorization_pending","error_description":"wait","interval":5,)"
                  R"("access_token":"real-access","note":"real-note"})"));
  CHECK(Json::parse(pending.body) ==
        Json({{"error", "authorization_pending"}, {"error_description", "wait"}, {"interval", 5}}));
  // As GitHub has it: status 200.
  const auto github = refused(answer(200, "error=slow_down&interval=10&access_token=real",
                                     "application/x-www-form-urlencoded"));
  CHECK(github.body == "error=slow_down&interval=10");
  const auto page = refused(answer(502, "<html>real-token</html>", "text/html"));
  CHECK(page.body.find("real") == std::string::npos);
  CHECK(Json::parse(page.body)["error"] == "http_502");
}

TEST_CASE("stand-in: a refresh is answered with the same ones", "[oauth][login]") {
  const Json out = Json::parse(oauth::refreshed_answer("A", "R", {"a", "b"}));
  CHECK(out["access_token"] == "A");
  CHECK(out["refresh_token"] == "R");
  CHECK(out["scope"] == "a b");
}
