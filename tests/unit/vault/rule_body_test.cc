// Conditions on bodies: what is seen, behind which disguises, and what is in doubt.

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "rule_fixture.h"
#include "vault/body_conditions.h"

using namespace av::vault;
using namespace av::test;

namespace {

std::string answer(const Rule& rule, const BodyView& view) {
  switch (check_body(rule, view)) {
    case BodyAnswer::kNo:
      return "no";
    case BodyAnswer::kYes:
      return "yes";
    case BodyAnswer::kUnreadable:
      return "unreadable";
  }
  return "?";
}

std::string contains(std::string_view text, std::string_view body,
                     RuleAction action = RuleAction::kBlock) {
  Rule rule = rule_for(action, "*");
  rule.body.push_back({BodyCondition::Kind::kContains, "", std::string(text)});
  BodyView view;
  view.bytes = body;
  return answer(rule, view);
}

std::string equals(std::string_view pointer, std::string_view value, std::string_view body,
                   RuleAction action = RuleAction::kBlock) {
  Rule rule = rule_for(action, "*");
  rule.body.push_back({BodyCondition::Kind::kJsonEquals, std::string(pointer), std::string(value)});
  REQUIRE(check_rule(rule));
  BodyView view;
  view.bytes = body;
  return answer(rule, view);
}

std::string utf16le(std::string_view ascii) {
  std::string out;
  for (const char c : ascii) {
    out += c;
    out += '\0';
  }
  return out;
}

}  // namespace

TEST_CASE("rule conditions: a text is found behind the escapes that bodies have",
          "[vault][rules][security]") {
  const std::vector<std::string> bodies = {
      "drop table",
      R"({"q":"drop table"})",
      R"({"q":"dr\u006fp table"})",
      R"({"q":"dr\u006Fp\u0020table"})",
      R"({"drop table":1})",
      R"({"dr\u006fp table":1})",
      R"({"a":{"b":[1,{"c":"x drop\u0020table y"}]}})",
      "\xef\xbb\xbf{\"q\":\"dr\\u006fp table\"}",         // a byte order mark
      R"({"q":"dr\u006fp table",})",                      // a comma too many
      R"({"q":"dr\u006fp table")",                        // cut short
      R"({'q':'dr\x6fp table'})",                         // JSON5
      "{\"q\":\"drop\\\n table\"}",                       // JSON5: a line that goes on
      "{}\n{\"q\":\"dr\\u006fp table\"}",                 // a line of JSON each
      "// x\n{\"q\":\"dr\\u006fp table\"}",               // a comment
      R"({"arguments":"{\"q\":\"dr\\u006fp table\"}"})",  // JSON in JSON
      R"({"a":"{\"b\":\"{\\\"q\\\":\\\"dr\\\\u006fp table\\\"}\"}"})",  // in JSON
      "q=drop+table",
      "q=drop%20table",
      "q=%64rop%20tabl%65&x=1",
      "[q]=dr%6fp+table",  // looks like JSON
      "payload=%7B%22q%22%3A%22dr%5Cu006fp+table%22%7D",
      std::string(1000, '[') + "\"dr\\u006fp table\"",  // deeper than parsers go
  };
  for (const std::string& body : bodies) {
    CAPTURE(body);
    CHECK(contains("drop table", body) == "yes");
  }
  for (const std::string body :
       {"", "{}", "drop  table", R"({"q":"dr\u0070p table"})", "DROP TABLE",
        R"({"a":"drop","b":" table"})", "\\", "%", "%4", "\\u12", "{\"a\":\"\\ud83d\"}"}) {
    CAPTURE(body);
    CHECK(contains("drop table", body) == "no");
  }
  CHECK(contains("\xf0\x9f\x98\x80", R"({"a":"\ud83d\ude00"})") == "yes");
  CHECK(contains("caf\xc3\xa9", R"({"a":"caf\u00e9"})") == "yes");
  CHECK(contains("a/b", R"({"a":"a\/b"})") == "yes");
  CHECK(contains("a\nb", R"({"a":"a\nb"})") == "yes");
  // Bytes are found as they are, too.
  CHECK(contains("\\u0041", R"({"a":"\u0041"})") == "yes");
}

TEST_CASE("rule conditions: a permission sees the very bytes only", "[vault][rules]") {
  constexpr auto kAllow = RuleAction::kAllow;
  CHECK(contains("select", "select 1", kAllow) == "yes");
  CHECK(contains("select", R"({"q":"s\u0065lect"})", kAllow) == "no");
  CHECK(contains("a b", "q=a+b", kAllow) == "no");
}

TEST_CASE("rule conditions: what is not UTF-8 text is in doubt", "[vault][rules][security]") {
  const std::string json = R"({"q":"drop table"})";
  CHECK(contains("drop table", utf16le(json)) == "unreadable");
  CHECK(contains("drop table", "\xff\xfe" + utf16le(json)) == "unreadable");
  CHECK(contains("drop table", std::string(1, '\0') + utf16le(json)) == "unreadable");
  CHECK(contains("drop table", "\xfe\xff\x4e\x2d") == "unreadable");
  CHECK(contains("drop table", utf16le(json), RuleAction::kAllow) == "no");
  CHECK(equals("/q", R"("x")", utf16le(json)) == "unreadable");
}

TEST_CASE("rule conditions: a part or a form in another charset or encoding is in doubt",
          "[vault][rules][security][attack]") {
  const auto part = [](const std::string& head) {
    return "--b\r\nContent-Disposition: form-data; name=\"q\"\r\n" + head +
           "\r\n\r\nwhatever\r\n--b--\r\n";
  };
  CHECK(contains("drop table", part("Content-Type: text/plain")) == "no");
  CHECK(contains("drop table", part("Content-Type: text/plain; charset=utf-8")) == "no");
  CHECK(contains("drop table", part("Content-Type: text/plain; charset=\"UTF-8\"")) == "no");
  CHECK(contains("drop table", part("Content-Transfer-Encoding: 8bit")) == "no");
  for (const char* const head :
       {"Content-Type: text/plain; charset=utf-16", "content-type:text/plain;charset=\"utf-7\"",
        "Content-Type: text/plain;\r\n charset=ibm500", "Content-Type: text/plain; CHARSET = x",
        "Content-Type: text/plain; charset*=us-ascii''utf-16", "Content-Transfer-Encoding: base64",
        "Content-Transfer-Encoding: quoted-printable"}) {
    CAPTURE(head);
    CHECK(contains("drop table", part(head)) == "unreadable");
    CHECK(contains("whatever", part(head)) == "yes");
    CHECK(contains("drop table", part(head), RuleAction::kAllow) == "no");
  }
  CHECK(contains("drop table", "_charset_=utf-16&q=x") == "unreadable");
  CHECK(contains("drop table", "_charset_=UTF-8&q=x") == "no");
}

TEST_CASE("rule conditions: forms in forms are read, and too many layers are in doubt",
          "[vault][rules][security][attack]") {
  std::string once = "q=drop+table";
  std::string twice = "x=q%3Ddrop%2Btable";
  CHECK(contains("drop table", once) == "yes");
  CHECK(contains("drop table", twice) == "yes");
  CHECK(contains("drop table", "x=%7B%22q%22%3A%22dr%5Cu006fp%20table%22%7D") == "yes");
  CHECK(contains("drop table", R"({"form":"q=dr%6Fp%20t\u0061ble"})") == "yes");
  CHECK(contains("drop table", "x=dr%25256Fp%252520table") == "yes");
  const auto escaped = [](int layers) {
    std::string text = "%6F";
    for (int layer = 1; layer < layers; ++layer) {
      text.replace(0, 1, "%25");
    }
    return "q=dr" + text + "p table";
  };
  CHECK(contains("drop table", escaped(4)) == "yes");
  CHECK(contains("drop table", escaped(6)) == "unreadable");
  CHECK(contains("drop table", "discount=5%&x=100%25") == "no");
}

TEST_CASE("rule conditions: a value is compared where the pointer leads", "[vault][rules]") {
  const std::string body =
      R"({"model":"gpt-5","n":5,"on":true,"none":null,"list":[{"role":"user"},{"role":"tool"}],)"
      R"("a/b":1,"m~n":2,"":3,"nested":{"deep":{"x":-7}},"f":1.5})";
  struct Case {
    std::string pointer, value, want;
  };
  const std::vector<Case> cases = {
      {"/model", R"("gpt-5")", "yes"},
      {"/model", R"("gpt-4")", "no"},
      {"/model", "5", "no"},
      {"/n", "5", "yes"},
      {"/n", R"("5")", "no"},
      {"/on", "true", "yes"},
      {"/on", "false", "no"},
      {"/none", "null", "yes"},
      {"/list/0/role", R"("user")", "yes"},
      {"/list/1/role", R"("tool")", "yes"},
      {"/list/0/role", R"("tool")", "no"},
      {"/list/2/role", R"("tool")", "no"},
      {"/list/00/role", R"("user")", "no"},
      {"/a~1b", "1", "yes"},
      {"/m~0n", "2", "yes"},
      {"/", "3", "yes"},
      {"/nested/deep/x", "-7", "yes"},
      {"/nested/deep", "-7", "no"},
      {"/nested/x", "-7", "no"},
      {"/f", "1.5", "yes"},
      {"/missing", "null", "no"},
      {"", "5", "no"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.pointer, each.value);
    CHECK(equals(each.pointer, each.value, body) == each.want);
  }
  CHECK(equals("", "5", "5") == "yes");
  CHECK(equals("", R"("x")", R"( "x" )") == "yes");
  CHECK(equals("/x", "1", "") == "no");
}

TEST_CASE("rule conditions: other spellings of a value are the value", "[vault][rules][security]") {
  CHECK(equals("/model", R"("gpt-5")", R"({"model":"g\u0070t-5"})") == "yes");
  CHECK(equals("/model", R"("gpt-5")", R"({"mod\u0065l":"gpt-5"})") == "yes");
  CHECK(equals("/model", R"("g\u0070t-5")", R"({"model":"gpt-5"})") == "yes");
  CHECK(equals("/model", R"("gpt-5")", "\xef\xbb\xbf{\"model\":\"gpt-5\"}") == "yes");
  // Some readers take these for 5, and some for something else: a restriction takes them for it.
  CHECK(equals("/n", "5", R"({"n":5.0})") == "unreadable");
  CHECK(equals("/n", "5", R"({"n":0.5e1})") == "unreadable");
  CHECK(equals("/n", "9007199254740992", R"({"n":9007199254740993})") == "unreadable");
  CHECK(equals("/n", "5", R"({"n":6.0})") == "no");
}

TEST_CASE("rule conditions: where two readers could differ the answer is in doubt",
          "[vault][rules][security]") {
  const std::string gpt = R"("gpt-5")";
  for (const std::string body :
       {R"({"model":"gpt-5","model":"x"})", R"({"model":"x","model":"gpt-5"})",
        R"({"Model":"gpt-5"})", R"({"MODEL":"gpt-5","model":"x"})", R"({"model":"gpt-5",})",
        R"({"model":"gpt-5")", R"({model:"gpt-5"})", R"({'model':'gpt-5'})",
        R"(/**/{"model":"gpt-5"})", "model=gpt-5", R"({"model":"gpt-5"}{"model":"x"})",
        R"({"model":"gpt-5"} trailing)", "{\"model\":\"gpt-5\",\"x\":\"\xff\"}",
        R"({"model":"gpt-5","x":"\ud800"})", R"({"x":NaN,"model":"gpt-5"})",
        R"({"model":"gpt-5","x":1e999})"}) {
    CAPTURE(body);
    CHECK(equals("/model", gpt, body) == "unreadable");
    CHECK(equals("/model", gpt, body, RuleAction::kAllow) == "unreadable");
  }
  // Readers that fold names fold these letters too.
  CHECK(equals("/model/task", "1", "{\"model\":{\"ta\xc5\xbf\xe2\x84\xaa\":1}}") == "unreadable");
  // Whichever of them a server takes, it is none that is looked for.
  CHECK(equals("/model", gpt, R"({"model":"x","model":"y"})") == "no");
  CHECK(equals("/model", gpt, R"({"Model":"x","model":"y"})") == "no");
  // Members of one name in different objects are not the same member.
  CHECK(equals("/a/b", "1", R"({"a":{"b":1},"c":{"b":1}})") == "yes");
  CHECK(equals("/a", "1", R"({"a":1,"c":{"a":2,"a":3}})") == "yes");
  CHECK(equals("/a/b", "1", R"({"a":{"b":2},"a":{"b":1}})") == "unreadable");
  CHECK(equals("/a", "1", R"({"a":{"":1,"":2}})") == "no");
}

TEST_CASE("rule conditions: nesting costs no stack, and too much of it is in doubt",
          "[vault][rules][security]") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + "1" + std::string(depth, ']');
  };
  CHECK(equals("/model", "1", nested(400)) == "no");
  CHECK(equals("/model", "1", nested(600)) == "unreadable");
  CHECK(equals("/model", "1", nested(500'000)) == "unreadable");
  CHECK(equals("/0/0/0", "1", nested(3)) == "yes");
}

TEST_CASE("rule conditions: all must hold; one that does not settles it", "[vault][rules]") {
  const Rule both =
      rule(R"(action = "block"; body = [{ contains = "x" }, { pointer = "/n", equals = 1 }])");
  BodyView view;
  view.bytes = R"({"n":1,"t":"x"})";
  CHECK(answer(both, view) == "yes");
  view.bytes = R"({"n":2,"t":"x"})";
  CHECK(answer(both, view) == "no");
  view.bytes = R"({"n":1,"t":"y"})";
  CHECK(answer(both, view) == "no");
  view.bytes = R"({"n":1,"t":"x")";
  CHECK(answer(both, view) == "unreadable");
  view.bytes = R"({"n":1,"t":"y")";
  CHECK(answer(both, view) == "no");
}

TEST_CASE("rule conditions: a body that cannot be read is taken for the worst",
          "[vault][rules][security]") {
  BodyView view;
  view.state = BodyView::State::kUnreadable;
  const auto found = [&](RuleAction action) {
    Rule rule = rule_for(action, "*");
    rule.body.push_back({BodyCondition::Kind::kContains, "", "x"});
    return RuleSet({rule}).find(request("POST https://a.test/"), "", &view);
  };
  CHECK(found(RuleAction::kBlock).block != nullptr);
  CHECK(found(RuleAction::kBlock).body_unreadable);
  CHECK(found(RuleAction::kApprove).approvals.size() == 1);
  CHECK(found(RuleAction::kRateLimit).limits.size() == 1);
  CHECK(found(RuleAction::kAllow).allow == nullptr);
  // A rule that looks at no body does not care.
  CHECK(RuleSet({rule_for(RuleAction::kAllow, "*")})
            .find(request("POST https://a.test/"), "", &view)
            .allow != nullptr);
}

TEST_CASE("rule conditions: without a body a rule asks for one, unless a block needs none",
          "[vault][rules]") {
  const Rule looks = rule(R"(action = "block"; host = "a.test"; body = [{ contains = "x" }])");
  const Rule plain = rule(R"(action = "block"; host = "a.test"; name = "plain")");
  CHECK(RuleSet({looks}).find(request("GET https://a.test/"), "", nullptr).needs_body);
  CHECK_FALSE(RuleSet({looks}).find(request("GET https://b.test/"), "", nullptr).needs_body);
  const RuleSet both({looks, plain});
  const auto found = both.find(request("GET https://a.test/"), "", nullptr);
  REQUIRE(found.block != nullptr);
  CHECK(found.block->name == "plain");
}
