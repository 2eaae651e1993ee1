#include "cmd/store_suggest.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "unit/store/temp_home.h"
#include "vault/host_mapping.h"

using namespace av;
using namespace av::test;

namespace {

struct World {
  TempHome home;
  TickingClock clock;
  cmd::Context context;
  std::map<std::string, std::vector<source::Listed>> lists;
  std::vector<std::string> asked;

  World() { context.store = std::move(*open_store(home, clock)); }
  Expected<std::vector<cmd::Suggestion>> suggest(std::string_view scheme = "op") {
    return cmd::suggest_mappings(
        context, "default", scheme,
        [this](const std::string& reference) -> Expected<std::vector<source::Listed>> {
          asked.push_back(reference);
          return lists[reference];
        });
  }
};

}  // namespace

TEST_CASE("suggestions: the websites of logins, in every vault of the store", "[suggest]") {
  World world;
  world.lists[""] = {{"op://Agents", "Agents", {}, true}, {"op://Other", "Other", {}, true}};
  world.lists["op://Agents"] = {
      {"op://Agents/GitHub", "GitHub", {"github.com", "gist.github.com"}, true},
      {"op://Agents/Note", "Note", {}, true}};
  world.lists["op://Other"] = {
      {"op://Other/Router", "Router", {"192.168.1.1"}, true},
      {"op://Other/Bad", "Bad", {"not a host", "a/b.example", "tld"}, true}};
  const auto out = world.suggest();
  REQUIRE(out);
  std::vector<std::string> lines;
  for (const cmd::Suggestion& one : *out) {
    lines.push_back(one.host + " " + one.reference);
  }
  CHECK(lines == std::vector<std::string>{"192.168.1.1 op://Other/Router/password",
                                          "gist.github.com op://Agents/GitHub/password",
                                          "github.com op://Agents/GitHub/password"});
  // Items are not looked into: their values would be in the answer.
  CHECK(world.asked == std::vector<std::string>{"", "op://Agents", "op://Other"});
}

TEST_CASE("suggestions: what is covered is said, and not suggested", "[suggest]") {
  World world;
  vault::Service service;
  service.name = "example";
  REQUIRE(vault::set_matcher_text(service, "api.example.com"));
  REQUIRE(world.context.store->put_services("default", {service}));
  world.lists[""] = {{"bw://id/1", "One", {"api.example.com"}, false},
                     {"bw://id/2", "Two", {"b.example.com"}, false}};
  const auto out = world.suggest("bw");
  REQUIRE(out);
  const std::string text = cmd::suggestions_text(*out, "default", "corp");
  CHECK(text ==
        "# One; the host has the service example\n"
        "# agent-vault vault store map 'api.example.com' 'bw://id/1' --store 'corp' --vault "
        "'default'\n"
        "# Two\n"
        "agent-vault vault store map 'b.example.com' 'bw://id/2' --store 'corp' --vault "
        "'default'\n");
}

TEST_CASE("suggestions: nothing that a store says leaves its quotes or its line", "[suggest]") {
  World world;
  world.lists[""] = {{"bw://id/x'; touch /tmp/pwned; '", "a\nrm -rf ~ #", {"a.example.com"}, false},
                     {"bw://id/$(id)`id`", "\x1b[2J\u202e", {"b.example.com"}, false},
                     {"bw://id/a\nrm -rf ~", "c", {"c.example.com"}, false}};
  const auto out = world.suggest("bw");
  REQUIRE(out);
  const std::string text = cmd::suggestions_text(*out, "default", "corp");
  CHECK(text.find("\nrm -rf") == std::string::npos);
  CHECK(text.find("c.example.com") == std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("'bw://id/x'\\''; touch /tmp/pwned; '\\'''") != std::string::npos);
  CHECK(text.find("'bw://id/$(id)`id`'") != std::string::npos);
}
