#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "cli_fixture.h"

using namespace av;
using namespace av::test;
using nlohmann::json;

TEST_CASE("cli: every command has help, a summary and a unique path", "[cmd][cli]") {
  init_secret_arena();
  std::set<std::string_view> paths;
  for (const cmd::Command& command : cmd::command_table()) {
    CAPTURE(command.path);
    CHECK(paths.insert(command.path).second);
    REQUIRE_FALSE(command.summary.empty());
    CHECK(command.summary.back() != '.');
    CHECK_FALSE((command.summary[0] >= 'A' && command.summary[0] <= 'Z'));
    Cli cli;
    std::vector<std::string> words;
    for (std::size_t begin = 0; begin <= command.path.size();) {
      const std::size_t end = std::min(command.path.find(' ', begin), command.path.size());
      words.emplace_back(command.path.substr(begin, end - begin));
      begin = end + 1;
    }
    words.emplace_back("--help");
    const Outcome outcome = cli(words);
    CHECK(outcome.code == 0);
    CHECK(has(outcome.out, command.path));
    CHECK_FALSE(std::filesystem::exists(cli.root() / "data"));
  }
}

TEST_CASE("cli: help, version and mistakes", "[cmd][cli]") {
  Cli cli;
  CHECK(cli({"--version"}).out == "agent-vault " AV_VERSION "\n");
  const json facts = json::parse(cli({"--version", "--json"}).out);
  CHECK(facts["version"] == AV_VERSION);
  CHECK(facts == json::parse(cli({"version", "--json"}).out));
  const std::string table = cli({"version"}).out;
  CHECK(has(table, "agent-vault " AV_VERSION "\n"));
  for (const auto& [name, version] : facts["libraries"].items()) {
    CHECK(has(table, name));
    CHECK(has(table, version.get<std::string>()));
  }
  CHECK(has(cli({"--help"}).out, "vault"));
  CHECK(has(cli({"vault", "--help"}).out, "credential"));
  CHECK(cli({}).code == 2);

  const Outcome typo = cli({"valut", "list"});
  CHECK(typo.code == 2);
  CHECK(typo.out.empty());
  CHECK(has(typo.err, "agent-vault: error: unknown command 'valut'"));
  CHECK(has(typo.err, "agent-vault: hint: did you mean: agent-vault vault"));
  CHECK(has(cli({"vault", "credential", "sett"}).err, "agent-vault vault credential set"));
  CHECK(has(cli({"vault", "list", "--jsno"}).err, "did you mean --json"));
  CHECK(cli({"vault", "create"}).code == 2);
  CHECK(cli({"vault", "create", "one-vault", "two"}).code == 2);

  const Outcome as_json = cli({"vault", "credential", "get", "NOPE", "--json"});
  CHECK(as_json.code == 3);
  const json error = json::parse(as_json.err);
  CHECK(error["error"] == "not_found");
  CHECK(error["message"].get<std::string>() == "no credential named 'NOPE' in vault 'default'");
  CHECK_FALSE(error["hint"].get<std::string>().empty());
}

TEST_CASE("cli: an argument that may be a value is never repeated", "[cmd][cli][security]") {
  Cli cli;
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"vault", "credential", "get", "A", "B=canary"},
                                             {"vault", "credential", "set", "a=canary"},
                                             {"vault", "credential", "set", "A=canary", "A=canary"},
                                             {"vault", "credential", "set", "A=canary", "B"},
                                             {"creds", "set", "A=canary", "--stdin"},
                                             {"vault", "credential", "set", "A=canary", "--nope"},
                                             {"vault", "list", "--token=canary"}}) {
    const Outcome outcome = cli(words);
    CAPTURE(outcome.err);
    CHECK(outcome.code != 0);
    CHECK_FALSE(has(outcome.out + outcome.err + cli.audit(), "canary"));
  }
}

TEST_CASE("cli: values on the command line are wiped from it", "[cmd][credential]") {
  Cli cli;
  const Outcome outcome =
      cli({"vault", "credential", "set", "OPENAI_API_KEY=sk-canary-one", "OTHER_KEY=canary=two="});
  CHECK(outcome.code == 0);
  for (const std::string& word : cli.argv_after) {
    CHECK_FALSE(has(word, "canary"));
  }
  CHECK(has(outcome.err, "process listings"));
  CHECK(has(outcome.err, "agent-vault vault service add --preset openai"));
  CHECK_FALSE(has(outcome.out + outcome.err + cli.audit(), "canary"));
  CHECK(cli({"vault", "credential", "get", "OPENAI_API_KEY"}).out == "sk-canary-one");
  CHECK(cli({"creds", "get", "OTHER_KEY"}).out == "canary=two=");
  CHECK(has(cli.audit(), R"("event":"credential.reveal")"));
  CHECK_FALSE(has(cli.audit(), "canary"));
}

TEST_CASE("cli: values from files lose one final line feed unless --raw", "[cmd][credential]") {
  Cli cli;
  const std::string file = cli.file("value", "-----BEGIN\nx\n\n");
  REQUIRE(cli({"vault", "credential", "set", "KEY", "--from-file", file}).code == 0);
  CHECK(cli({"vault", "credential", "get", "KEY"}).out == "-----BEGIN\nx\n");
  REQUIRE(cli({"vault", "credential", "set", "KEY", "--from-file", file, "--raw"}).code == 0);
  CHECK(cli({"vault", "credential", "get", "KEY"}).out == "-----BEGIN\nx\n\n");
  const Outcome shown = cli({"vault", "credential", "get", "KEY", "--json"});
  CHECK(json::parse(shown.out)["value"] == "-----BEGIN\nx\n\n");

  REQUIRE(cli({"vault", "credential", "set", "KEY", "--from-file",
               cli.file("a=b", std::string("bin\0\xff\xfe", 6))})
              .code == 0);
  CHECK(json::parse(cli({"vault", "credential", "get", "KEY", "--json"}).out)["value_base64"] ==
        "YmluAP/+");

  CHECK(cli({"vault", "credential", "set", "KEY", "--from-file", cli.file("e", "\n")}).code == 1);
  CHECK(cli({"vault", "credential", "set", "KEY", "--from-file", "missing"}).code == 3);
  CHECK(cli({"vault", "credential", "set", "KEY", "--from-file",
             cli.file("big", std::string((1U << 20) + 2, 'x'))})
            .code == 1);
  CHECK(has(cli({"vault", "credential", "set", "SHORT", "--from-file", cli.file("s", "abc")}).err,
            "shorter than 8 bytes"));
}

TEST_CASE("cli: list, history, rollback and delete", "[cmd][credential]") {
  Cli cli;
  REQUIRE(cli({"creds", "set", "KEY=first value"}).code == 0);
  REQUIRE(cli({"creds", "set", "KEY=second value"}).code == 0);
  Outcome list = cli({"vault", "credential", "list"});
  CHECK(has(list.out, "KEY"));
  CHECK_FALSE(has(list.out, "second"));
  CHECK(has(cli({"vault", "credential", "list", "--reveal"}).out, "second value"));
  CHECK(json::parse(cli({"creds", "list", "--reveal", "--json"}).out)["credentials"][0]["value"] ==
        "second value");
  CHECK(json::parse(cli({"creds", "list", "--json"}).out)["credentials"][0]["version"] == 2);

  CHECK(cli({"creds", "rollback", "KEY"}).code == 0);
  CHECK(cli({"creds", "get", "KEY"}).out == "first value");
  CHECK(json::parse(cli({"creds", "history", "KEY", "--json"}).out)["versions"].size() == 3);
  CHECK(cli({"creds", "rollback", "KEY", "--to", "9"}).code == 3);
  CHECK(cli({"creds", "delete", "KEY", "GONE"}).code == 3);
  CHECK(cli({"creds", "get", "KEY"}).code == 0);
  CHECK(cli({"creds", "delete", "KEY"}).code == 0);
  CHECK(cli({"creds", "get", "KEY"}).code == 3);
}

TEST_CASE("cli: import reports conflicts and changes nothing then", "[cmd][credential]") {
  Cli cli;
  REQUIRE(cli({"creds", "set", "OLD=old value"}).code == 0);
  const std::string file = cli.file(".env", "OLD=new value\nNEW='fresh value'\nNONE=\n");
  const Outcome conflict = cli({"vault", "credential", "import", file});
  CHECK(conflict.code == 5);
  CHECK(has(conflict.err, "OLD is in vault 'default' already"));
  CHECK(cli({"creds", "get", "NEW"}).code == 3);

  const Outcome skipped = cli({"creds", "import", file, "--skip-existing", "--json"});
  CHECK(skipped.code == 0);
  const json report = json::parse(skipped.out);
  CHECK(report["created"] == json::array({"NEW"}));
  CHECK(report["skipped"] == json::array({"OLD"}));
  CHECK(report["empty"] == json::array({"NONE"}));
  CHECK(cli({"creds", "get", "OLD"}).out == "old value");
  CHECK(cli({"creds", "import", file, "--overwrite"}).code == 0);
  CHECK(cli({"creds", "get", "OLD"}).out == "new value");
  CHECK(cli({"creds", "import", file, "--overwrite", "--skip-existing"}).code == 2);

  const Outcome bad = cli({"creds", "import", cli.file("bad.env", "GOOD=1\nlower=canary\n")});
  CHECK(bad.code == 1);
  CHECK(has(bad.err, "bad.env:2:"));
  CHECK_FALSE(has(bad.err, "canary"));
}

TEST_CASE("cli: which vault is meant", "[cmd][vault]") {
  Cli cli;
  for (const char* name : {"saved", "project", "from-env", "flagged"}) {
    REQUIRE(cli({"vault", "create", name}).code == 0);
  }
  const auto current = [&](std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"vault", "current"});
    return cli(more).out;
  };
  CHECK(current() == "default\n");
  REQUIRE(cli({"vault", "use", "saved"}).code == 0);
  CHECK(current() == "saved\n");
  std::filesystem::create_directories(cli.root() / "repo/.git");
  std::filesystem::create_directories(cli.root() / "repo/sub/dir");
  cli.file("repo/agent-vault.json", R"({"vault":"project"})");
  std::filesystem::current_path(cli.root() / "repo/sub/dir");
  CHECK(current() == "project\n");
  ::setenv("AGENT_VAULT_VAULT", "from-env", 1);
  CHECK(current() == "from-env\n");
  CHECK(current({"--vault", "flagged"}) == "flagged\n");
  CHECK(cli({"--vault", "flagged", "vault", "current"}).out == "flagged\n");
  ::unsetenv("AGENT_VAULT_VAULT");
  cli.file("repo/agent-vault.json", "{]");
  CHECK(cli({"vault", "current"}).code == 1);
  std::filesystem::remove(cli.root() / "repo/agent-vault.json");
  cli.file("repo/agent-vault.toml", "vault = \"project\"\n");
  CHECK(current() == "project\n");
  CHECK(cli({"vault", "current", "--vault", "../etc"}).code == 1);
  CHECK(cli({"vault", "current", "--vault", "nowhere"}).code == 3);
}

TEST_CASE("cli: vaults are listed, set and deleted", "[cmd][vault]") {
  Cli cli;
  REQUIRE(cli({"vault", "create", "work"}).code == 0);
  CHECK(cli({"vault", "create", "work"}).code == 5);
  CHECK(json::parse(cli({"vault", "list", "--json"}).out)["vaults"].size() == 2);
  CHECK(has(cli({"vault", "settings", "--vault", "work"}).out, "passthrough"));
  CHECK(cli({"vault", "settings", "--vault", "work", "--unmatched", "deny"}).code == 0);
  CHECK(has(cli({"vault", "settings", "--vault", "work"}).out, "deny"));
  CHECK(cli({"vault", "settings", "--unmatched", "maybe"}).code == 2);
  CHECK(cli({"vault", "rename", "work", "office"}).code == 0);
  CHECK(cli({"vault", "delete", "office", "--yes"}).code == 0);
  CHECK(cli({"vault", "delete", "default", "--yes"}).code == 1);
}

TEST_CASE("cli: services are added, replaced and listed", "[cmd][service]") {
  Cli cli;
  const Outcome added = cli({"vault", "service", "add", "--preset", "openai"});
  CAPTURE(added.err);
  CHECK(added.code == 0);
  CHECK(has(added.err, "agent-vault vault credential set OPENAI_API_KEY"));
  CHECK(has(cli({"vault", "service", "list"}).out, "api.openai.com"));
  CHECK(has(cli({"vault", "service", "add", "--preset", "opnai"}).err, "did you mean 'openai'"));

  REQUIRE(cli({"vault", "service", "add", "--name", "mine", "--host", "api.example.com/v1/*",
               "--auth-type", "api-key", "--api-key-key", "MINE_KEY", "--api-key-header", "X-Key",
               "--method", "GET", "--method", "POST", "--env", "MINE=MINE_KEY"})
              .code == 0);
  const json shown = json::parse(cli({"vault", "service", "show", "mine", "--json"}).out);
  CHECK(shown["host"] == "api.example.com/v1/*");
  CHECK(shown["auth"]["header"] == "X-Key");
  CHECK(shown["methods"] == json::array({"GET", "POST"}));
  CHECK(shown["env"]["MINE"] == "MINE_KEY");
  REQUIRE(
      cli({"vault", "service", "add", "--name", "custom", "--host", "c.example.com", "--auth-type",
           "custom", "--header", "X-One: a {{ ONE }}", "--header", "X-Two:{{ TWO }}"})
          .code == 0);
  CHECK(has(cli({"vault", "service", "show", "custom"}).out, "X-One"));

  CHECK(cli({"vault", "service", "disable", "mine"}).code == 0);
  CHECK(json::parse(cli({"vault", "service", "show", "mine", "--json"}).out)["enabled"] == false);
  CHECK(cli({"vault", "service", "enable", "mine"}).code == 0);

  const std::string before = cli({"vault", "service", "list", "--toml"}).out;
  const std::string file = cli.file("services.toml", before);
  CHECK(
      json::parse(cli({"vault", "service", "set", "-f", file, "--json"}).out)["unchanged"].size() >=
      3);
  CHECK(cli({"vault", "service", "list", "--toml"}).out == before);
  const Outcome replaced = cli({"vault", "service", "set", "-f",
                                cli.file("s.json", R"([{"name":"mine","host":"other.example.com",
                                  "auth":{"type":"passthrough"}}])")});
  CHECK(has(replaced.err, "changed mine"));
  CHECK(has(replaced.err, "removed"));
  CHECK(cli({"vault", "service", "set", "-f", cli.file("bad.json", "[{]")}).code == 1);
  CHECK(cli({"vault", "service", "remove", "mine", "nope"}).code == 3);
  CHECK(cli({"vault", "service", "show", "mine"}).code == 0);
  CHECK(cli({"vault", "service", "remove", "mine"}).code == 0);
  CHECK(cli({"vault", "service", "clear", "--yes"}).code == 0);
  CHECK(json::parse(cli({"vault", "service", "catalog", "--json"}).out)["presets"].size() >= 20);
}

TEST_CASE("cli: key and ca commands", "[cmd][key]") {
  Cli cli;
  REQUIRE(cli({"creds", "set", "KEY=the value"}).code == 0);
  CHECK(json::parse(cli({"key", "status", "--json"}).out)["mode"] == "file");
  CHECK(cli({"key", "rotate"}).code == 0);
  CHECK(json::parse(cli({"key", "status", "--json"}).out)["generation"] == 2);
  CHECK(cli({"creds", "get", "KEY"}).out == "the value");
  CHECK(cli({"key", "set-passphrase", "--remove"}).code == 1);

  const std::string pem = cli({"ca", "show"}).out;
  CHECK(has(pem, "BEGIN CERTIFICATE"));
  CHECK(cli({"ca", "show"}).out == pem);
  const std::string fingerprint = cli({"ca", "show", "--fingerprint"}).out;
  CHECK(cli({"ca", "rotate"}).code == 0);
  CHECK(cli({"ca", "show", "--fingerprint"}).out != fingerprint);
  CHECK(cli({"key", "rotate"}).code == 0);
  CHECK(cli({"ca", "show"}).code == 0);
}

TEST_CASE("cli: the variables with keys open a store and are gone afterwards", "[cmd][key]") {
  Cli cli;
  ::setenv("SECRET_ENCRYPTION_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 1);
  REQUIRE(cli({"creds", "set", "KEY=the value"}).code == 0);
  CHECK(std::getenv("SECRET_ENCRYPTION_KEY") == nullptr);
  CHECK(cli({"creds", "get", "KEY"}).code == 4);
  ::setenv("SECRET_ENCRYPTION_KEY", "c2hvcnQ=", 1);
  const Outcome malformed = cli({"creds", "get", "KEY"});
  CHECK(malformed.code == 1);
  CHECK_FALSE(has(malformed.err, "c2hvcnQ"));
  ::setenv("SECRET_ENCRYPTION_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 1);
  CHECK(cli({"creds", "get", "KEY"}).out == "the value");
}

TEST_CASE("cli: AGENT_VAULT_MASTER_PASSWORD makes and opens a passphrase store", "[cmd][key]") {
  Cli cli;
  ::setenv("AGENT_VAULT_MASTER_PASSWORD", "a long passphrase", 1);
  REQUIRE(cli({"creds", "set", "KEY=the value"}).code == 0);
  CHECK(std::getenv("AGENT_VAULT_MASTER_PASSWORD") == nullptr);
  ::setenv("AGENT_VAULT_MASTER_PASSWORD", "another passphrase", 1);
  CHECK(cli({"creds", "get", "KEY"}).code == 4);
  ::setenv("AGENT_VAULT_MASTER_PASSWORD", "a long passphrase", 1);
  CHECK(json::parse(cli({"key", "status", "--json"}).out)["mode"] == "passphrase");
}

TEST_CASE("cli: inside a run, revealing and changing is refused", "[cmd][security]") {
  Cli cli;
  REQUIRE(cli({"creds", "set", "KEY=canary value"}).code == 0);
  ::setenv("AGENT_VAULT_RUN", "r-1", 1);
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"creds", "get", "KEY"},
                                             {"creds", "list", "--reveal"},
                                             {"creds", "set", "KEY=x"},
                                             {"creds", "delete", "KEY"},
                                             {"vault", "settings", "--unmatched", "passthrough"},
                                             {"vault", "service", "add", "--preset", "openai"},
                                             {"key", "rotate"},
                                             {"ca", "rotate"}}) {
    const Outcome outcome = cli(words);
    CHECK(outcome.code == 4);
    CHECK_FALSE(has(outcome.out + outcome.err, "canary"));
  }
  CHECK(cli({"creds", "list"}).code == 0);
  ::unsetenv("AGENT_VAULT_RUN");
}

TEST_CASE("cli: where the store is hidden, the error says so", "[cmd][security]") {
  Cli cli;
  ::setenv("AGENT_VAULT_TOKEN", "av_sess_x", 1);
  ::setenv("AGENT_VAULT_ADDR", "http://127.0.0.1:1", 1);
  ::setenv("AGENT_VAULT_RUN", "run_1", 1);
  const Outcome outcome = cli({"vault", "list"});
  CHECK(outcome.code == 4);
  CHECK(has(outcome.err, "hides the store"));
  CHECK_FALSE(std::filesystem::exists(cli.root() / "data" / "vault.db"));
}

TEST_CASE("cli: the log shows what was done", "[cmd][log]") {
  Cli cli;
  CHECK(cli({"log"}).code == 0);
  REQUIRE(cli({"creds", "set", "KEY=the value"}).code == 0);
  REQUIRE(cli({"vault", "create", "other"}).code == 0);
  const Outcome log = cli({"log"});
  CHECK(has(log.out, "credential.set"));
  CHECK(has(log.out, "vault.create"));
  const Outcome one = cli({"log", "--limit", "1", "--json"});
  CHECK(json::parse(one.out)["event"] == "vault.create");
  CHECK(cli({"log", "--vault", "other"}).out.find("credential.set") == std::string::npos);
  CHECK(cli({"log", "--since", "1h"}).out == log.out);
  CHECK(cli({"log", "--since", "2999-01-01"}).out.empty());
  CHECK(cli({"log", "--since", "yesterday"}).code == 2);
  CHECK(cli({"log", "--errors"}).out.empty());
}

TEST_CASE("cli: a change that cannot be audited is not made", "[cmd][security]") {
  Cli cli;
  REQUIRE(cli({"creds", "set", "KEY=the value"}).code == 0);
  std::filesystem::remove_all(cli.root() / "data/audit");
  cli.file("data/audit", "not a directory");
  CHECK(cli({"creds", "set", "KEY=another"}).code == 1);
  CHECK(cli({"creds", "get", "KEY"}).code == 1);
  std::filesystem::remove(cli.root() / "data/audit");
  CHECK(cli({"creds", "get", "KEY"}).out == "the value");
}

TEST_CASE("cli: completions know every command and option", "[cmd][completion]") {
  Cli cli;
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome outcome = cli({"completion", shell});
    CHECK(outcome.code == 0);
    for (const cmd::Command& command : cmd::command_table()) {
      CAPTURE(shell, command.path);
      CHECK(has(outcome.out, command.path));
    }
    CHECK(has(outcome.out, "from-file"));
    CHECK(has(outcome.out, "creds"));
  }
  CHECK(cli({"completion", "tcsh"}).code == 2);
}
