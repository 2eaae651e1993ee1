#include "api/schema.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace av;
using api::Json;

namespace {

std::string differs(std::string_view schema, const char* value) {
  const auto read = api::schema_from_text(schema);
  REQUIRE(read);
  return api::mismatch_with(*read, Json::parse(value));
}

}  // namespace

TEST_CASE("schema: what fits fits, what does not is told with its place", "[api][schema]") {
  constexpr std::string_view kShape =
      "{name:string, when?:time, list:[{n:integer}], kind:'a'|'b', maybe:string|null}";
  CHECK(differs(kShape, R"({"name":"x","list":[{"n":1}],"kind":"a","maybe":null})").empty());
  CHECK(differs(kShape, R"({"list":[],"kind":"a","maybe":null})") == "body: no name");
  CHECK(differs(kShape, R"({"name":1,"list":[],"kind":"a","maybe":null})") ==
        "body.name: not of type string");
  CHECK(differs(kShape, R"({"name":"x","list":[{"n":"1"}],"kind":"a","maybe":null})") ==
        "body.list[0].n: not of type integer");
  CHECK(differs(kShape, R"({"name":"x","list":[],"kind":"c","maybe":null})") ==
        "body.kind: no such word");
  CHECK(differs(kShape, R"({"name":"x","list":[],"kind":"a","maybe":null,"more":1})") ==
        "body: unexpected more");
  CHECK(differs(kShape, R"({"name":"x","when":"today","list":[],"kind":"a","maybe":"y"})") ==
        "body.when: no time");
  CHECK(differs("{a:any, ...}", R"({"a":[1],"b":2})").empty());
  CHECK(differs("{*:string}", R"({"A":"1","B":"2"})").empty());
  CHECK(differs("{*:string}", R"({"A":1})") == "body.A: not of type string");
}

TEST_CASE("schema: malformed texts are refused", "[api][schema]") {
  for (const char* const bad :
       {"", "{", "{a}", "{a:}", "[string", "strin", "'a", "{a:string,}", "string string"}) {
    CAPTURE(bad);
    CHECK_FALSE(api::schema_from_text(bad));
  }
}
