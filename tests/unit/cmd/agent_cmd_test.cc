#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli_fixture.h"

using namespace av;
using namespace av::test;
using nlohmann::json;

TEST_CASE("agent: the token is all of stdout, and on no other stream or log", "[cmd][agent]") {
  Cli cli;
  const Outcome made = cli({"agent", "create", "builder"});
  REQUIRE(made.code == 0);
  CHECK(made.out.size() == 51);
  CHECK(made.out.starts_with("av_agt_"));
  CHECK(made.out.ends_with("\n"));
  const std::string token = made.out.substr(0, 50);
  CHECK_FALSE(has(made.err, "av_agt_"));
  const Outcome rotated = cli({"agent", "rotate", "builder", "--json"});
  REQUIRE(rotated.code == 0);
  CHECK(json::parse(rotated.out)["token"].get<std::string>() != token);
  CHECK_FALSE(has(cli.audit(), "av_agt_"));
  CHECK(has(cli.audit(), "agent.create"));
  CHECK_FALSE(has(cli({"agent", "show", "builder"}).out, "av_agt_"));
}

TEST_CASE("agent: set changes what it is given and leaves the rest", "[cmd][agent]") {
  Cli cli;
  REQUIRE(cli({"agent", "create", "builder", "--vault", "default", "--service", "github",
               "--service", "github", "--limit", "10/minute"})
              .code == 0);
  REQUIRE(cli({"agent", "set", "builder", "--max-concurrent", "2"}).code == 0);
  json shown = json::parse(cli({"agent", "show", "builder", "--json"}).out);
  CHECK(shown["services"] == json({"github"}));
  CHECK(shown["vaults"] == json({"default"}));
  CHECK(shown["limit"] == "10/minute");
  CHECK(shown["max_concurrent"] == 2);
  REQUIRE(cli({"agent", "set", "builder", "--service", "*", "--limit", "0"}).code == 0);
  shown = json::parse(cli({"agent", "show", "builder", "--json"}).out);
  CHECK(shown["services"] == json::array());
  CHECK(shown["limit"].is_null());
  CHECK(shown["max_concurrent"] == 2);
}

TEST_CASE("agent: what makes no sense is refused and changes nothing", "[cmd][agent]") {
  Cli cli;
  REQUIRE(cli({"agent", "create", "builder", "--limit", "10/minute"}).code == 0);
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--limit", "10"},
                                             {"--limit", "/hour"},
                                             {"--limit", "1/week"},
                                             {"--limit", "-1/hour"},
                                             {"--limit", "10/hour/day"},
                                             {"--max-concurrent", "x"},
                                             {"--max-concurrent", "-1"},
                                             {"--max-concurrent", "1001"},
                                             {"--limit", "1000001/day"},
                                             {"--vault", "No Slug"},
                                             {"--credential", "lower"},
                                             {"--service", "*", "--service", "github"}}) {
    std::vector<std::string> all = {"agent", "set", "builder"};
    all.insert(all.end(), words.begin(), words.end());
    INFO(words.back());
    CHECK(cli(all).code != 0);
  }
  const json shown = json::parse(cli({"agent", "show", "builder", "--json"}).out);
  CHECK(shown["limit"] == "10/minute");
  CHECK(shown["max_concurrent"] == 0);
  CHECK(shown["services"] == json::array());
}

TEST_CASE("agent: inside a run none is made, changed or revoked", "[cmd][agent][security]") {
  Cli cli;
  REQUIRE(cli({"agent", "create", "builder"}).code == 0);
  ::setenv("AGENT_VAULT_RUN", "run_1", 1);
  for (const char* command : {"create", "set", "rotate", "revoke", "delete"}) {
    INFO(command);
    CHECK(cli({"agent", command, "builder"}).code == 4);
  }
  CHECK(cli({"agent", "list"}).code == 0);
  ::unsetenv("AGENT_VAULT_RUN");
}
