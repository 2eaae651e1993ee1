#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "temp_home.h"
#include "vault/rule_codec.h"

using namespace av;
using namespace av::test;

namespace {

vault::Rule rule(const std::string& name, const std::string& host,
                 const std::string& action = "block") {
  return *vault::rule_from_json(R"({"name":")" + name + R"(","action":")" + action +
                                R"(","host":")" + host + R"("})");
}

std::vector<vault::Rule> stored(store::Store& store, std::string_view vault = "default") {
  auto rules = store.list_rules(vault);
  REQUIRE(rules);
  return std::move(*rules);
}

std::string names(store::Store& store, std::string_view vault = "default") {
  std::string out;
  for (const vault::Rule& each : stored(store, vault)) {
    out += (out.empty() ? "" : " ") + each.name;
  }
  return out;
}

}  // namespace

TEST_CASE("store: rules keep order and place, and survive a restart", "[store][rules]") {
  const TempHome home;
  const TickingClock clock;
  const vault::Rule full = *vault::rule_from_json(
      R"({"name":"full","action":"rate_limit","host":"**.a.test:8443/x/*","methods":["GET"],)"
      R"("agents":["claude"],"body":[{"contains":"x\"\n"},{"pointer":"/m","equals":null}],)"
      R"("limit":7,"window":"day","reason":"why","enabled":false})");
  {
    auto store = open_store(home, clock);
    REQUIRE(store);
    REQUIRE((*store)->put_rules("default", {rule("one", "a.test"), full, rule("three", "c.test")}));
    CHECK(names(**store) == "one full three");
    REQUIRE((*store)->put_rules("default", {rule("one", "z.test"), rule("four", "d.test")}));
  }
  auto store = open_store(home, clock);
  REQUIRE(store);
  CHECK(names(**store) == "one full three four");
  const auto rules = stored(**store);
  CHECK(rules[0].host == "z.test");
  CHECK(vault::rule_to_json(rules[1]) == vault::rule_to_json(full));
}

TEST_CASE("store: a rule keeps its uid as long as one of its name is there", "[store][rules]") {
  const TempHome home;
  const TickingClock clock;
  auto opened = open_store(home, clock);
  REQUIRE(opened);
  store::Store& store = **opened;
  REQUIRE(store.put_rules("default", {rule("one", "a.test"), rule("two", "b.test")}));
  const auto before = stored(store);
  CHECK(before[0].uid.size() == 32);
  CHECK(before[0].uid != before[1].uid);

  REQUIRE(store.put_rules("default", {rule("one", "z.test")}));
  CHECK(stored(store)[0].uid == before[0].uid);
  REQUIRE(store.enable_rule("default", "one", false));
  CHECK(stored(store)[0].uid == before[0].uid);
  CHECK_FALSE(stored(store)[0].enabled);
  CHECK(stored(store)[0].host == "z.test");

  // Another order, one more and one less.
  REQUIRE(store.replace_rules("default", {rule("new", "n.test"), rule("two", "y.test")}));
  CHECK(names(store) == "new two");
  CHECK(stored(store)[1].uid == before[1].uid);
  CHECK(stored(store)[1].host == "y.test");
  REQUIRE(store.put_rules("default", {rule("last", "l.test")}));
  CHECK(names(store) == "new two last");

  // Removed and added again it is another one: its counters begin anew.
  REQUIRE(store.remove_rules("default", {"two"}));
  REQUIRE(store.put_rules("default", {rule("two", "b.test")}));
  CHECK(stored(store)[2].uid != before[1].uid);
}

TEST_CASE("store: changes of rules are all or none", "[store][rules]") {
  const TempHome home;
  const TickingClock clock;
  auto opened = open_store(home, clock);
  REQUIRE(opened);
  store::Store& store = **opened;
  REQUIRE(store.create_vault("other"));
  REQUIRE(store.put_rules("default", {rule("one", "a.test"), rule("two", "b.test")}));
  REQUIRE(store.put_rules("other", {rule("one", "c.test")}));

  vault::Rule bad = rule("bad", "a.test");
  bad.methods = {"lower"};
  CHECK_FALSE(store.put_rules("default", {rule("three", "c.test"), bad}));
  CHECK_FALSE(store.replace_rules("default", {bad}));
  const Status removed = store.remove_rules("default", {"one", "tow"});
  REQUIRE_FALSE(removed);
  CHECK(removed.error().code == ErrorCode::kNotFound);
  CHECK(removed.error().hint.find("did you mean 'two'?") != std::string::npos);
  CHECK(store.enable_rule("default", "three", true).error().code == ErrorCode::kNotFound);
  CHECK(store.put_rules("none", {}).error().code == ErrorCode::kNotFound);
  CHECK(store.list_rules("none").error().code == ErrorCode::kNotFound);
  CHECK(names(store) == "one two");

  REQUIRE(store.replace_rules("default", {}));
  CHECK(names(store).empty());
  CHECK(names(store, "other") == "one");
  REQUIRE(store.delete_vault("other"));
}

TEST_CASE("store: the snapshot has the enabled rules, with their uids", "[store][rules]") {
  const TempHome home;
  const TickingClock clock;
  auto opened = open_store(home, clock);
  REQUIRE(opened);
  store::Store& store = **opened;
  REQUIRE(store.put_rules("default", {rule("one", "a.test"), rule("two", "b.test")}));
  REQUIRE(store.enable_rule("default", "one", false));
  const auto snapshot = store.load_snapshot("default");
  REQUIRE(snapshot);
  REQUIRE((*snapshot)->rules.rules().size() == 1);
  CHECK((*snapshot)->rules.rules()[0].name == "two");
  CHECK((*snapshot)->rules.rules()[0].uid == stored(store)[1].uid);
}

TEST_CASE("store: a rule that cannot be read is an error, never left out", "[store][rules]") {
  const TempHome home;
  const TickingClock clock;
  auto opened = open_store(home, clock);
  REQUIRE(opened);
  store::Store& store = **opened;
  REQUIRE(store.put_rules("default", {rule("one", "a.test"), rule("two", "b.test")}));
  tamper(home,
         "UPDATE rule SET body = '{\"action\":\"block\",\"hots\":\"a.test\"}'"
         " WHERE name = 'one'");
  CHECK(store.list_rules("default").error().code == ErrorCode::kCorrupt);
  const auto snapshot = store.load_snapshot("default");
  REQUIRE_FALSE(snapshot);
  CHECK(snapshot.error().code == ErrorCode::kCorrupt);
  CHECK(snapshot.error().hint == "agent-vault rule remove one");
  REQUIRE(store.remove_rules("default", {"one"}));
  CHECK(names(store) == "two");
}
