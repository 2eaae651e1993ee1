#include "vault/rule_codec.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "rule_fixture.h"
#include "vault/rule_review.h"

using namespace av::vault;
using av::test::rule;
using av::test::rule_for;

namespace {

constexpr std::string_view kFull = R"toml([[rules]]
name = "no-deletes"
action = "block"
host = "api.github.com/repos/acme/*"
methods = ["delete", "POST"]
agents = ["claude"]
body = [{ contains = "drop \"table\"\n" }, { pointer = "/model", equals = "gpt-5" }, { pointer = "/n", equals = -1.5 }, { pointer = "", null = true }]
reason = "ask me first"
enabled = false

[[rules]]
action = "rate_limit"
host = "**.example.com:8443"
limit = 100
window = "hour"

[[rules]]
action = "manual_approval"
host = "*"
method = "PUT"
timeout = 60

[[rules]]
action = "allow"

[[expect]]
request = "DELETE https://api.github.com/repos/acme/x"
agent = "claude"
body = '{"model": "gpt-5"}'
decision = "block"
rule = "no-deletes"
service = ""

[[expect]]
request = "https://a.example/%2e%2e%2f"
decision = "deny"
)toml";

std::string message(std::string_view text) {
  const auto file = rules_from_file_text(text);
  return file ? "accepted" : file.error().message + " | " + file.error().hint;
}

}  // namespace

TEST_CASE("rule files: every field is read", "[vault][rules]") {
  const auto file = rules_from_file_text(kFull);
  REQUIRE(file);
  REQUIRE(file->rules.size() == 4);
  const Rule& full = file->rules[0];
  CHECK(full.name == "no-deletes");
  CHECK(full.action == RuleAction::kBlock);
  CHECK(full.host == "api.github.com");
  CHECK(full.path == "/repos/acme/*");
  CHECK(full.methods == std::vector<std::string>{"DELETE", "POST"});
  CHECK(full.agents == std::vector<std::string>{"claude"});
  CHECK_FALSE(full.enabled);
  CHECK(full.reason == "ask me first");
  REQUIRE(full.body.size() == 4);
  CHECK(full.body[0].value == "drop \"table\"\n");
  CHECK(full.body[1] == BodyCondition{BodyCondition::Kind::kJsonEquals, "/model", R"("gpt-5")"});
  CHECK(full.body[2].value == "-1.5");
  CHECK(full.body[3].value == "null");
  CHECK(file->rules[1].limit == RateLimit{100, RateWindow::kHour});
  CHECK(file->rules[1].port == 8443);
  CHECK(file->rules[1].name == "limit-example-com-8443");
  CHECK(file->rules[2].action == RuleAction::kApprove);
  CHECK(file->rules[2].timeout_seconds == 60);
  CHECK(file->rules[2].name == "approve-put");
  CHECK(file->rules[3].name == "allow-all");
  REQUIRE(file->expectations.size() == 2);
  const Expectation& expectation = file->expectations[0];
  CHECK(expectation.request->method == "DELETE");
  CHECK(expectation.agent == "claude");
  CHECK(expectation.body == R"({"model": "gpt-5"})");
  CHECK(expectation.decision == Expectation::Decision::kBlock);
  CHECK(expectation.rule == "no-deletes");
  CHECK(expectation.service == "");
  CHECK(expectation.line == 26);
  CHECK_FALSE(file->expectations[1].request);
  CHECK_FALSE(file->expectations[1].refusal.empty());
}

TEST_CASE("rule files: what is written is what was read", "[vault][rules]") {
  const auto file = rules_from_file_text(kFull);
  REQUIRE(file);
  const std::string json = rules_to_json(file->rules, true);
  const auto from_json = rules_from_file_text(json);
  REQUIRE(from_json);
  CHECK(rules_to_json(from_json->rules, true) == json);
  const auto from_toml = rules_from_file_text(rules_to_toml(file->rules));
  REQUIRE(from_toml);
  CHECK(rules_to_json(from_toml->rules, true) == json);
  for (const Rule& each : file->rules) {
    const auto one = rule_from_json(rule_to_json(each));
    REQUIRE(one);
    CHECK(rule_to_json(*one) == rule_to_json(each));
  }
  CHECK(rules_to_toml({}) == "rules = []\n");
  CHECK(rules_from_file_text("rules = []")->names_rules);
  CHECK(rules_from_file_text(R"([{"action": "block"}])")->rules.size() == 1);
  CHECK(rules_from_file_text(R"({"action": "block"})")->rules.size() == 1);
  CHECK_FALSE(
      rules_from_file_text("[[expect]]\nrequest = \"https://a.test/\"\ndecision = \"allow\"")
          ->names_rules);
}

TEST_CASE("rule files: mistakes are shown where they stand", "[vault][rules]") {
  struct Case {
    std::string text;
    std::vector<std::string> parts;
  };
  const std::vector<Case> cases = {
      {"", {"empty", "rules = []"}},
      {"rules = 1", {"must be a list", "[[rules]]"}},
      {"[[[[rules]]rules]]\naction = \"block\"", {"not valid TOML"}},
      {"[?q\"\n", {"not valid TOML"}},
      {"# mine\nrules:\n  - action: block\n", {"not valid TOML", "YAML is not read"}},
      {"- action: block\n", {"not valid TOML", "YAML is not read"}},
      {"[[rule]]\naction = \"block\"", {"line 1, column 3", "unknown field \"rule\"", "rules"}},
      {"[[rules]]\nhost = \"a.test\"", {"\"action\" is missing"}},
      {"[[rules]]\naction = \"blok\"", {"line 2, column 1", "^", "did you mean \"block\"?"}},
      {"[[rules]]\naction = \"block\"\nmethdos = [\"GET\"]",
       {"line 3, column 1: unknown field \"methdos\"", "\n  methdos = [\"GET\"]\n  ^",
        "did you mean \"methods\"?"}},
      {"action = \"block\"\nhost = \"https://a.test\"", {"line 2", "scheme in front"}},
      {"action = \"block\"\nhost = \"a.*.test\"", {"line 2", "whole first label"}},
      {"action = \"block\"\nhost = \"A.test\"", {"accepted"}},
      {"action = \"block\"\nhost = \"a.test/a/../b\"", {"canonical form"}},
      {"action = \"block\"\nhost = \"\"", {"is empty"}},
      {"action = \"block\"\nmethods = []", {"is empty", "leave it out"}},
      {"action = \"block\"\nagents = []", {"is empty"}},
      {"action = \"block\"\nmethods = [\"A B\"]", {"is no method"}},
      {"action = \"block\"\nmethods = [\"A\"]\nmethod = \"B\"", {"exclude one another"}},
      {"action = \"block\"\nagents = [\"No Slug\"]", {"agent"}},
      {"action = \"block\"\nlimit = 5", {"belongs to the action rate_limit"}},
      {"action = \"block\"\nwindow = \"hour\"", {"belongs to the action rate_limit"}},
      {"action = \"block\"\ntimeout = 5", {"belongs to the action approve"}},
      {"action = \"rate_limit\"\nwindow = \"hour\"", {"\"limit\" is missing"}},
      {"action = \"rate_limit\"\nlimit = 5", {"\"window\" is missing"}},
      {"action = \"rate_limit\"\nlimit = 0\nwindow = \"hour\"", {"from 1 to 1000000"}},
      {"action = \"rate_limit\"\nlimit = 1000001\nwindow = \"hour\"", {"from 1 to 1000000"}},
      {"action = \"rate_limit\"\nlimit = -1\nwindow = \"hour\"", {"from 1 to 1000000"}},
      {"action = \"rate_limit\"\nlimit = 1.5\nwindow = \"hour\"", {"whole number"}},
      {"action = \"rate_limit\"\nlimit = 5\nwindow = \"week\"", {"second, minute, hour or day"}},
      {"action = \"approve\"\ntimeout = 3601", {"from 1 to 3600"}},
      {"action = \"block\"\nbody = \"x\"", {"list of conditions"}},
      {"action = \"block\"\nbody = [{ }]", {"is missing"}},
      {"action = \"block\"\nbody = [{ contains = \"\" }]", {"is empty"}},
      {"action = \"block\"\nbody = [{ contains = \"x\", pointer = \"/a\" }]", {"exclude"}},
      {"action = \"block\"\nbody = [{ contains = \"x\", equals = 1 }]", {"belongs to"}},
      {"action = \"block\"\nbody = [{ pointer = \"/a\" }]", {"\"equals\" is missing"}},
      {"action = \"block\"\nbody = [{ pointer = \"a\", equals = 1 }]", {"no JSON pointer"}},
      {"action = \"block\"\nbody = [{ pointer = \"/~2\", equals = 1 }]", {"no JSON pointer"}},
      {"action = \"block\"\nbody = [{ pointer = \"/a\", equals = [1] }]", {"string, number"}},
      {"action = \"block\"\nbody = [{ pointer = \"/a\", equals = 1979-05-27 }]", {"null = true"}},
      {"action = \"block\"\nbody = [{ pointer = \"/a\", equals = nan }]", {"string, number"}},
      {"action = \"block\"\nbody = [{ pointer = \"/a\", equals = 1, null = true }]", {"\"null\""}},
      {R"({"action": "block", "body": [{"pointer": "/a", "equals": 18446744073709551615}]})",
       {"63"}},
      {"action = \"block\"\nname = \"x\"", {"rule"}},
      {"action = \"block\"\nreason = \"a\\nb\"", {"one line"}},
      {"[[rules]]\naction = \"block\"\n[[rules]]\naction = \"block\"",
       {"line 3", "two rules are named \"block-all\""}},
      {"rules = []\n[[expect]]\ndecision = \"allow\"", {"\"request\" is missing"}},
      {"rules = []\n[[expect]]\nrequest = \"https://a.test/\"", {"\"decision\" is missing"}},
      {"rules = []\n[[expect]]\nrequest = \"ftp://a.test/\"\ndecision = \"allow\"",
       {"line 3", "http and https only"}},
      {"rules = []\n[[expect]]\nrequest = \"G T https://a.test/\"\ndecision = \"allow\"",
       {"line 3"}},
      {"rules = []\n[[expect]]\nrequest = \"https://a.test/\"\ndecision = \"aprove\"",
       {"line 4", "did you mean \"approve\"?"}},
      {"expect = 1", {"must be a list"}},
  };
  for (const Case& each : cases) {
    const std::string got = message(each.text);
    CAPTURE(each.text, got);
    for (const std::string& part : each.parts) {
      CHECK(got.find(part) != std::string::npos);
    }
  }
}

TEST_CASE("rules: what check_rule refuses from any other way in", "[vault][rules]") {
  const Rule good = rule_for(RuleAction::kBlock, "a.test");
  REQUIRE(check_rule(good));
  const auto refused = [&](const auto& spoil) {
    Rule bad = good;
    spoil(bad);
    return !check_rule(bad);
  };
  CHECK(refused([](Rule& r) { r.name = "No Slug"; }));
  CHECK(refused([](Rule& r) { r.methods = {"delete"}; }));
  CHECK(refused([](Rule& r) { r.reason = "a\x1b[2Jb"; }));
  CHECK(refused([](Rule& r) { r.reason = "\xff"; }));
  CHECK(refused([](Rule& r) { r.reason = std::string(501, 'x'); }));
  CHECK(refused([](Rule& r) { r.timeout_seconds = 60; }));
  CHECK(refused([](Rule& r) { r.limit.count = 1; }));
  CHECK(refused([](Rule& r) { r.body.assign(11, {BodyCondition::Kind::kContains, "", "x"}); }));
  CHECK(refused([](Rule& r) { r.body = {{BodyCondition::Kind::kContains, "/x", "x"}}; }));
  CHECK(refused([](Rule& r) { r.body = {{BodyCondition::Kind::kContains, "", "\xff"}}; }));
  CHECK(refused([](Rule& r) { r.body = {{BodyCondition::Kind::kJsonEquals, "/x", "[1]"}}; }));
  CHECK(refused([](Rule& r) { r.body = {{BodyCondition::Kind::kJsonEquals, "/x", "nope"}}; }));
  CHECK(refused([](Rule& r) { r.host.clear(), r.port = 1; }));
  CHECK(refused([](Rule& r) { r.host = "**.*.test"; }));
  CHECK(refused([](Rule& r) { r.path = "x"; }));
}

TEST_CASE("rules: the matcher text comes back as it was written", "[vault][rules]") {
  for (const std::string text : {"*", "/x/*", "a.test", "a.test:8443/x", "*.a.test", "**.a.test/x",
                                 "[2001:db8::1]:8443/x", "192.0.2.1"}) {
    Rule rule;
    REQUIRE(set_matcher_text(rule, text));
    CHECK(rule.matcher_text() == text);
  }
}

TEST_CASE("rules: a review says what will surprise", "[vault][rules]") {
  const std::vector<std::string> agents = {"claude"};
  const auto remarks = [&](const std::vector<Rule>& rules,
                           UnmatchedPolicy unmatched = UnmatchedPolicy::kDeny) {
    std::string out;
    for (const RuleRemark& remark : review_rules(rules, unmatched, &agents)) {
      out += remark.rule + " " + remark.words + "\n";
    }
    return out;
  };
  const Rule block = rule_for(RuleAction::kBlock, "**.a.test/v1/*");
  const Rule allow = rule_for(RuleAction::kAllow, "x.a.test/V1/items");
  CHECK(remarks({block}).empty());
  CHECK(remarks({allow, block}).find("never decides: " + block.name) != std::string::npos);
  CHECK(remarks({allow}).empty());
  CHECK(remarks({allow}, UnmatchedPolicy::kPassthrough).find("--unmatched deny") !=
        std::string::npos);
  CHECK(remarks({rule(R"(action = "block"; agent = "claud")")}).find("is claude meant?") !=
        std::string::npos);
  CHECK(remarks({rule(R"(action = "block"; method = "DELTE")")}).find("is DELETE meant?") !=
        std::string::npos);
  CHECK(remarks({rule(R"(action = "block"; method = "PROPFIND")")}).empty());
  Rule off = block;
  off.enabled = false;
  CHECK(remarks({allow, off}).empty());
}

TEST_CASE("rules: what covers what", "[vault][rules]") {
  const auto block_covers = [](std::string_view a, std::string_view b) {
    return covers(rule_for(RuleAction::kBlock, a), rule_for(RuleAction::kApprove, b));
  };
  CHECK(block_covers("*", "a.test:8443/x"));
  CHECK(block_covers("a.test", "a.test/x"));
  CHECK(block_covers("a.test", "a.test:8443"));
  CHECK(block_covers("**.a.test", "x.y.a.test"));
  CHECK(block_covers("**.a.test", "*.y.a.test"));
  CHECK(block_covers("**.a.test", "*.a.test"));
  CHECK(block_covers("*.a.test", "x.a.test"));
  CHECK(block_covers("a.test/x/*", "a.test/x"));
  CHECK(block_covers("a.test/x/*", "a.test/x/y/*"));
  CHECK(block_covers("a.test/*", "a.test"));
  CHECK_FALSE(block_covers("a.test:8443", "a.test"));
  CHECK_FALSE(block_covers("*.a.test", "x.y.a.test"));
  CHECK_FALSE(block_covers("*.a.test", "**.a.test"));
  CHECK_FALSE(block_covers("**.a.test", "a.test"));
  CHECK_FALSE(block_covers("a.test/x", "a.test/x/*"));
  CHECK_FALSE(block_covers("a.test/x/*", "a.test/xy"));
  CHECK_FALSE(block_covers("a.test", "b.test"));
  CHECK_FALSE(block_covers("a.test", "*"));
}
