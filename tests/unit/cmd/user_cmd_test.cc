#include <fcntl.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli_fixture.h"

using namespace av;
using namespace av::test;
using nlohmann::json;

namespace {

// Standard input from a text, for as long as it lives.
class Stdin {
 public:
  explicit Stdin(const std::string& text) : before_(::dup(STDIN_FILENO)) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::close(ends[1]);
    ::dup2(ends[0], STDIN_FILENO);
    ::close(ends[0]);
  }
  ~Stdin() {
    ::dup2(before_, STDIN_FILENO);
    ::close(before_);
  }
  Stdin(const Stdin&) = delete;
  Stdin& operator=(const Stdin&) = delete;

 private:
  int before_;
};

Outcome add(Cli& cli, const std::string& email, bool owner, const std::string& typed) {
  const Stdin input(typed);
  std::vector<std::string> words = {"user", "add", email, "--password-stdin"};
  if (owner) {
    words.emplace_back("--owner");
  }
  return cli(words);
}

}  // namespace

TEST_CASE("user: added, listed and made members; the password is on no stream and no log",
          "[cmd][user]") {
  Cli cli;
  const Outcome added = add(cli, "Root@Example.com", true, "canary-password\n");
  REQUIRE(added.code == 0);
  REQUIRE(add(cli, "bob@example.com", false, "another-password").code == 0);
  REQUIRE(cli({"vault", "create", "project"}).code == 0);
  REQUIRE(
      cli({"vault", "member", "add", "bob@example.com", "--vault", "project", "--role", "admin"})
          .code == 0);
  const json users = json::parse(cli({"user", "list", "--json"}).out)["users"];
  REQUIRE(users.size() == 2);
  CHECK(users[0]["email"] == "bob@example.com");
  CHECK(users[0]["role"] == "member");
  CHECK(users[0]["vaults"] == json::parse(R"([{"vault":"project","role":"admin"}])"));
  CHECK(users[1]["role"] == "owner");
  CHECK(users[1]["vaults"] == json::parse(R"([{"vault":"default","role":"admin"}])"));
  CHECK_FALSE(has(added.out + added.err + cli.audit(), "canary-password"));
  CHECK(has(cli.audit(), "user.create.begin"));
  CHECK(has(cli.audit(), "member.add"));

  CHECK(add(cli, "bob@example.com", false, "again-again").code == 5);
  CHECK(add(cli, "not an address", false, "password").code == 1);
  CHECK(add(cli, "carol@example.com", false, "short\n").code == 1);
  CHECK(add(cli, "carol@example.com", false, std::string(1025, 'x')).code == 1);
  CHECK(cli({"vault", "member", "set", "bob@example.com", "--vault", "project"}).code == 2);
  CHECK(cli({"vault", "member", "set", "bob@example.com", "--vault", "project", "--role", "king"})
            .code == 2);
  CHECK(cli({"vault", "member", "add", "bob@example.com", "--vault", "project"}).code == 5);
  CHECK(cli({"vault", "member", "remove", "bob@example.com", "--vault", "project"}).code == 0);
  CHECK(cli({"vault", "member", "remove", "bob@example.com", "--vault", "project"}).code == 3);
  CHECK(cli({"user", "sessions", "bob@example.com", "--revoke", "x"}).code == 3);
}

TEST_CASE("user: the last owner stays one", "[cmd][user][security]") {
  Cli cli;
  REQUIRE(add(cli, "root@example.com", true, "canary-password").code == 0);
  CHECK(cli({"user", "remove", "-y", "root@example.com"}).code == 5);
  CHECK(cli({"user", "disable", "root@example.com"}).code == 5);
  CHECK(cli({"user", "set-role", "root@example.com", "member"}).code == 5);
  CHECK(cli({"user", "set-role", "root@example.com", "king"}).code == 2);
  CHECK(json::parse(cli({"user", "list", "--json"}).out)["users"][0]["state"] == "active");
}

TEST_CASE("user: the link of an invite is all of stdout, and on no log", "[cmd][user]") {
  Cli cli;
  const Outcome made = cli({"user", "invite", "bob@example.com", "--vault", "default", "--role",
                            "member", "--url", "https://vault.example.com/"});
  REQUIRE(made.code == 0);
  CHECK(made.out.starts_with("https://vault.example.com/invite/av_uinv_"));
  CHECK(made.out.size() == std::string("https://vault.example.com/invite/av_uinv_\n").size() + 43);
  CHECK_FALSE(has(made.err, "av_uinv_"));
  CHECK_FALSE(has(cli.audit(), "av_uinv_"));
  const json again = json::parse(cli({"user", "invite", "bob@example.com", "--json"}).out);
  CHECK(again["link"].get<std::string>().starts_with("http://127.0.0.1:14321/invite/av_uinv_"));
  CHECK(cli({"user", "invite", "bob@example.com", "--role", "admin"}).code == 2);
  CHECK(cli({"user", "invite", "bob@example.com", "--vault", "nowhere"}).code == 3);
  CHECK(cli({"user", "invite", "bob@example.com", "--url", "javascript:alert(1)"}).code == 2);
}

TEST_CASE("user: inside a run nobody is made, let in, changed or even listed",
          "[cmd][user][security]") {
  Cli cli;
  REQUIRE(add(cli, "root@example.com", true, "canary-password").code == 0);
  ::setenv("AGENT_VAULT_RUN", "run_1", 1);
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"user", "add", "eve@example.com", "--owner", "--password-stdin"},
           {"user", "list"},
           {"user", "remove", "-y", "root@example.com"},
           {"user", "set-password", "root@example.com", "--password-stdin"},
           {"user", "set-role", "root@example.com", "member"},
           {"user", "disable", "root@example.com"},
           {"user", "enable", "root@example.com"},
           {"user", "invite", "eve@example.com", "--owner"},
           {"user", "sessions", "root@example.com"},
           {"vault", "member", "add", "root@example.com"},
           {"vault", "member", "list"},
           {"vault", "member", "set", "root@example.com", "--role", "proxy"},
           {"vault", "member", "remove", "root@example.com"}}) {
    INFO(words[0] << " " << words[1]);
    CHECK(cli(words).code == 4);
  }
  ::unsetenv("AGENT_VAULT_RUN");
  CHECK(json::parse(cli({"user", "list", "--json"}).out)["users"].size() == 1);
}
