#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "vault/proposal_codec.h"
#include "vault/secret_members.h"

using namespace av;
using namespace av::vault;

namespace {

Secret secret(std::string_view text) {
  init_secret_arena();
  return std::move(*Secret::copy_of(text));
}

std::string reveal(const Secret& value) {
  return value.reveal([](std::string_view bytes) { return std::string(bytes); });
}

std::string error_of(const std::string& json) {
  const auto read = read_proposal(secret(json));
  return read ? "" : read.error().message;
}

std::string with(const std::string& members) {
  return R"({"credentials":[{"key":"A_KEY",)" + members + "}]}";
}

std::string with_service(const std::string& members) {
  return R"({"services":[{"host":"api.example.com","auth":{"type":"bearer","token":"A_KEY"}})" +
         (members.empty() ? "" : "," + members) + R"(],"credentials":[{"key":"A_KEY"}]})";
}

constexpr const char* kWhole = R"({
  "message": "for the nightly build\nof it",
  "user_message": "please",
  "credentials": [
    {"key": "STRIPE_KEY", "description": "the key", "obtain": "https://dashboard.stripe.com/apikeys",
     "obtain_instructions": "log in\nand copy"},
    {"action": "set", "type": "static", "key": "MADE_KEY", "value": "s3\u0063ret \"q\"\n"},
    {"action": "set", "type": "oauth", "key": "GOOGLE_TOKEN",
     "oauth": {"authorization_url": "https://accounts.google.com/o/oauth2/auth",
               "token_url": "https://oauth2.googleapis.com/token", "client_id": "me",
               "scopes": ["a", "b"], "token_auth_method": "none", "disable_pkce": true}},
    {"action": "delete", "key": "OLD_KEY"}],
  "services": [
    {"action": "set", "name": "stripe", "host": "api.stripe.com/v1/*", "methods": ["get"],
     "auth": {"type": "basic", "username": "STRIPE_KEY"}},
    {"host": "made.example.com", "auth": {"type": "bearer", "token": "MADE_KEY"}},
    {"host": "google.example.com", "auth": {"type": "bearer", "token": "GOOGLE_TOKEN"},
     "substitutions": []},
    {"action": "delete", "name": "old"},
    {"action": "set", "name": "off-one", "enabled": false}]
})";

}  // namespace

TEST_CASE("proposal: all that can be asked for is read", "[vault][proposal]") {
  const auto read = read_proposal(secret(kWhole));
  INFO((read ? "" : read.error().message));
  REQUIRE(read);
  const ProposalRequest& request = read->request;
  CHECK(request.message == "for the nightly build\nof it");
  REQUIRE(request.slots.size() == 4);
  CHECK(request.slots[0].obtain == "https://dashboard.stripe.com/apikeys");
  CHECK_FALSE(request.slots[0].has_value);
  CHECK(request.slots[1].has_value);
  REQUIRE(request.slots[2].oauth);
  CHECK(request.slots[2].oauth->scopes == "a b");
  CHECK(request.slots[3].action == ProposalAction::kDelete);
  REQUIRE(request.services.size() == 5);
  CHECK(request.services[0].service.methods == std::vector<std::string>{"GET"});
  CHECK(request.services[0].named);
  CHECK(request.services[0].keeps_substitutions);
  CHECK_FALSE(request.services[1].named);
  CHECK_FALSE(request.services[2].keeps_substitutions);
  CHECK(request.services[3].action == ProposedService::Action::kDelete);
  CHECK(request.services[4].action == ProposedService::Action::kEnable);
  REQUIRE(read->values.size() == 1);
  CHECK(read->values[0].key == "MADE_KEY");
  CHECK(reveal(read->values[0].value) == "s3cret \"q\"\n");

  SECTION("and comes back from the store, without the values") {
    const std::string text = proposal_request_to_json(request);
    CHECK(text.find("s3cret") == std::string::npos);
    const auto again = proposal_request_from_json(text);
    INFO((again ? "" : again.error().message));
    REQUIRE(again);
    CHECK(proposal_request_to_json(*again) == text);
    CHECK(again->slots[1].has_value);
    CHECK_FALSE(again->services[2].keeps_substitutions);
  }
}

TEST_CASE("proposal: what breaks a rule is refused with the member's name", "[vault][proposal]") {
  struct Case {
    std::string json;
    std::string says;
  };
  const std::string ten(10, 'x');
  const auto many = [](const std::string& one, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) {
      std::string next = one;
      next.replace(next.find('#'), 1, std::to_string(i));
      out += (out.empty() ? "" : ",") + next;
    }
    return out;
  };
  const std::vector<Case> cases = {
      {"", "is empty"},
      {"[]", "must be a table"},
      {"{}", "asks for nothing"},
      {R"({"credentials":[],"services":[]})", "asks for nothing"},
      {R"({"credential":[]})", "unknown field \"credential\""},
      {with(R"("colour":1)"), "unknown field \"colour\""},
      {with(R"("action":"steal")"), "\"action\" must be"},
      {with(R"("type":"dynamic")"), "\"type\" must be"},
      {with(R"("type":"oauth")"), "\"oauth\" is missing"},
      {with(R"("oauth":{"token_url":"https://a.test/t"})"), "\"oauth\" belongs"},
      {with(R"("type":"oauth","oauth":{})"), "\"token_url\" is missing"},
      {with(R"("type":"oauth","oauth":{"token_url":"ftp://a.test"})"),
       "\"token_url\" is not a URL"},
      {with(R"("value":"")"), "\"value\" is empty"},
      {with(R"("value":7)"), "\"value\" must be a string"},
      {with(R"("has_value":true)"), "unknown field \"has_value\""},
      {with(R"("action":"delete","value":"x")"), "unknown field \"value\""},
      {with(R"("description":")" + std::string(501, 'd') + '"'),
       "\"description\" is longer than 500"},
      {with(R"("description":"two\nlines")"), "\"description\" has a character"},
      {with(R"("obtain":"https://a.test/)" + std::string(500, 'o') + '"'), "longer than 500"},
      {with(R"("obtain_instructions":")" + std::string(1001, 'i') + '"'), "longer than 1000"},
      {R"({"message":")" + std::string(2001, 'm') + R"(","credentials":[{"key":"A_KEY"}]})",
       "\"message\" is longer than 2000"},
      {R"({"user_message":")" + std::string(5001, 'm') + R"(","credentials":[{"key":"A_KEY"}]})",
       "\"user_message\" is longer than 5000"},
      {with(R"~("obtain":"javascript:alert(1)")~"), "\"obtain\" is not a URL"},
      {with(R"("obtain":"data:text/html,x")"), "\"obtain\" is not a URL"},
      {with(R"("obtain":"https://me:pw@evil.test/")"), "\"obtain\" has no good host"},
      {with(R"("obtain":"https://evil.test/\" onclick=\"x")"), "\"obtain\" is not a URL"},
      {with(R"("obtain":"https://аpple.com/")"), "\"obtain\" is not a URL"},
      {with(R"("obtain":"https://")"), "\"obtain\" has no good host"},
      {with(R"("description":"\u001b[2J")"), "\"description\" has a character"},
      {with(R"("description":"\u202Egpj.exe")"), "\"description\" has a character"},
      {with(R"("description":"\u200b")"), "\"description\" has a character"},
      {with(R"("description":"\u009b1m")"), "\"description\" has a character"},
      {R"({"message":"\u001b]52;c;x","credentials":[{"key":"A_KEY"}]})", "\"message\" has a char"},
      {R"({"credentials":[{"key":"a_key"}]})", "a credential name has only"},
      {R"({"credentials":[{"key":"A"},{"key":"A"}]})", "is there twice"},
      {R"({"credentials":[)" + many(R"({"key":"K#"})", 11) + "]}", "more than 10 entries"},
      {R"({"services":[)" + many(R"({"action":"delete","name":"svc-#"})", 11) + "]}",
       "more than 10 entries"},
      {R"({"services":[{"host":"a.test.com","auth":{"type":"passthrough"}}],)"
       R"("credentials":[{"key":"UNUSED"}]})",
       "no service of the proposal uses UNUSED"},
      {R"({"services":[{"host":"a.test.com","auth":{"type":"bearer","token":"K"}}],)"
       R"("credentials":[{"key":"K","action":"delete"}]})",
       "which the same proposal deletes"},
      {R"({"services":[{"host":"a.test.com"}]})", "\"auth\" is missing"},
      {R"({"services":[{"host":"*.com","auth":{"type":"passthrough"}}]})", "top-level domain"},
      {R"({"services":[{"action":"delete"}]})", "\"host\" is missing"},
      {R"({"services":[{"action":"delete","name":"abc","auth":{}}]})", "unknown field \"auth\""},
      {R"({"services":[{"enabled":true}]})", "\"name\" is missing"},
      {with_service(
           R"({"name":"api-example-com","host":"b.test.com","auth":{"type":"passthrough"}})"),
       "two services are named"},
      {with_service(R"({"host":"b.test.com","auth":{"type":"passthrough"},"tls":{"ca":)"
                    R"("-----BEGIN CERTIFICATE-----\nx"}})"),
       "\"ca\" of \"tls\" cannot be proposed"},
      {with_service(R"({"host":"b.test.com","auth":{"type":"passthrough"},"grant":"old"})"),
       "\"grant\" cannot be proposed"},
      {with_service(R"({"host":"b.test.com","auth":{"type":"passthrough"},"methods":[)" +
                    many("\"M#\"", 21) + "]}"),
       "more than 20 methods"},
      {R"({"credentials":[{"key":"A_KEY","va\u006cue":"hidden"}]})", "has an escape"},
      {R"({"credentials":[{"key":"A_KEY","value":"\ud800"}]})", "not a well-formed string"},
      {R"({"credentials":[{"key":"A_KEY","value":"a)"
       "\x01"
       R"("}]})",
       "not a well-formed string"},
      {R"({"credentials":[{"key":"A_KEY","value":"open)", "a string does not end"},
      {R"({"credentials":[{"key":"A_KEY","key":"B_KEY"}]})", ""},
  };
  for (const Case& one : cases) {
    INFO(one.json.substr(0, 200));
    const std::string error = error_of(one.json);
    CHECK(!error.empty());
    CHECK_THAT(error, Catch::Contains(one.says));
  }
  CHECK(error_of(with_service("")).empty());
  CHECK(error_of(with(R"("description":"naïve – ütf-8 ✓")")).empty());
  CHECK(error_of(with(R"("description":")" + std::string(500, 'd') + '"')).empty());
}

TEST_CASE("proposal: a limit counts characters, not bytes", "[vault][proposal]") {
  std::string text;
  for (int i = 0; i < 500; ++i) {
    text += "é";
  }
  CHECK(error_of(with(R"("description":")" + text + '"')).empty());
  CHECK_FALSE(error_of(with(R"("description":")" + text + "e\"")).empty());
}

TEST_CASE("proposal: a body beyond 1 MiB is not read", "[vault][proposal]") {
  CHECK_THAT(error_of(std::string((std::size_t{1} << 20) + 1, ' ')), Catch::Contains("1 MiB"));
}

TEST_CASE("proposal: values are cut out wherever they stand", "[vault][proposal]") {
  const auto cut = cut_secret_members(
      secret(
          R"({"a":{"value" : "one"},"value":["value","two"],"b":[{"value":""}],"value":"ü\u00e4"})"),
      "value");
  REQUIRE(cut);
  REQUIRE(cut->values.size() == 2);
  CHECK(reveal(cut->values[0]) == "one");
  CHECK(reveal(cut->values[1]) == "üä");
  CHECK(cut->text ==
        R"({"a":{"value" : "0"  },"value":["value","two"],"b":[{"value":""}],"value":"1"       })");

  SECTION("every kind of escape, and pairs") {
    const auto escapes = cut_secret_members(
        secret(R"({"value":"\"\\\/\b\f\n\r\t\u0041\u20AC\ud83d\ude00"})"), "value");
    REQUIRE(escapes);
    CHECK(reveal(escapes->values[0]) == "\"\\/\b\f\n\r\tA\xE2\x82\xAC\xF0\x9F\x98\x80");
  }
  SECTION("at every length of a broken text nothing is read beyond it") {
    const std::string whole = R"({"value":"a\u0041\"","value": "b" , "c":1})";
    for (std::size_t size = 0; size < whole.size(); ++size) {
      (void)cut_secret_members(secret(whole.substr(0, size)), "value");
    }
  }
  SECTION("an eleventh is too many") {
    std::string many = "[";
    for (int i = 0; i < 11; ++i) {
      many += R"({"value":"x"},)";
    }
    CHECK_FALSE(cut_secret_members(secret(many), "value"));
  }
}

TEST_CASE("proposal: a narrowing is read and written", "[vault][proposal]") {
  const std::string text =
      R"({"services":[{"name":"stripe","host":"api.stripe.com","path":"/v1/*","methods":["GET"]}],)"
      R"("expires_in_seconds":7200,"uses":5})";
  const auto read = narrowing_from_json(text);
  REQUIRE(read);
  CHECK(read->for_ms == 7'200'000);
  CHECK(read->uses == 5);
  CHECK(narrowing_to_json(*read) == text);
  CHECK(narrowing_from_json("")->empty());
  for (const char* bad : {R"({"uses":0})", R"({"uses":10001})", R"({"expires_in_seconds":-1})",
                          R"({"services":{}})", R"({"services":[{"auth":{}}]})", R"({"x":1})"}) {
    INFO(bad);
    CHECK_FALSE(narrowing_from_json(bad));
  }
}
