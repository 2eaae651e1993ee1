// Which server commands speak to, who they are to it, and what is kept of it.
#include "cmd/remote.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "cli_fixture.h"
#include "cmd/remote_proxy.h"

using namespace av;        // NOLINT: a test
using namespace av::cmd;   // NOLINT
using namespace av::test;  // NOLINT

namespace {

std::string shown(const Secret& secret) {
  return secret.reveal([](std::string_view bytes) { return std::string(bytes); });
}

struct Home : Cli {
  Home() { context.paths = fs::Paths{root() / "data", root() / "config"}; }
  ~Home() {
    for (const char* const name : {"AGENT_VAULT_ADDR", "AGENT_VAULT_TOKEN", "AGENT_VAULT_RUN",
                                   "AGENT_VAULT_TOKEN_FILE", "AGENT_VAULT_ALLOW_CLEARTEXT"}) {
      ::unsetenv(name);
    }
  }
  Context context;
};

}  // namespace

TEST_CASE("remote: without an address, with --local and inside a run there is no server",
          "[cmd][remote]") {
  Home home;
  CHECK_FALSE(is_remote(home.context));
  ::setenv("AGENT_VAULT_ADDR", "https://vault.test", 1);
  CHECK(is_remote(home.context));
  home.context.local = true;
  CHECK_FALSE(is_remote(home.context));
  home.context.local = false;
  ::setenv("AGENT_VAULT_RUN", "run_1", 1);
  CHECK_FALSE(is_remote(home.context));
}

TEST_CASE("remote: a token comes from the environment, else from a file, else from the login",
          "[cmd][remote]") {
  Home home;
  ::setenv("AGENT_VAULT_ADDR", "https://vault.test/", 1);
  const auto found = [&] { return find_remote(home.context); };
  const auto none = found();
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::kUsage);
  CHECK(has(none.error().hint, "agent-vault login"));

  const auto url = *server_url(home.context, "https://vault.test");
  ServerFiles::Login login;
  login.email = "ann@example.com";
  login.expires = "2027-01-01T00:00:00.000Z";
  login.token = *Secret::copy_of(std::string_view("av_sess_login"));
  const ServerFiles files(home.context.paths, url);
  REQUIRE(files.keep_login(login));
  CHECK(shown((*found())->token) == "av_sess_login");
  CHECK(has((*found())->token_from, "ann@example.com"));
  // Of this server, and not of one that is called almost the same.
  ::setenv("AGENT_VAULT_ADDR", "https://vault.test:8443", 1);
  CHECK_FALSE(found());
  ::setenv("AGENT_VAULT_ADDR", "https://vault.test", 1);

  std::ofstream(home.root() / "token") << "av_sess_file\n";
  ::setenv("AGENT_VAULT_TOKEN_FILE", (home.root() / "token").c_str(), 1);
  CHECK(shown((*found())->token) == "av_sess_file");
  CHECK((*found())->token_files.size() == 1);
  ::setenv("AGENT_VAULT_TOKEN", "av_sess_given", 1);
  CHECK(shown((*found())->token) == "av_sess_given");
  CHECK((*found())->token_files.size() == 1);  // hidden all the same

  ::setenv("AGENT_VAULT_TOKEN", "two\r\nlines", 1);
  const auto injected = found();
  REQUIRE_FALSE(injected);
  CHECK_FALSE(has(injected.error().message, "lines"));
}

TEST_CASE("remote: clear text goes to this machine, or where somebody says so", "[cmd][remote]") {
  Home home;
  for (const char* const near : {"http://127.0.0.1:1", "http://localhost", "http://[::1]:14321"}) {
    CHECK(server_url(home.context, near));
  }
  for (const char* const far :
       {"http://vault.test", "http://192.0.2.1", "http://127.0.0.1.vault.test", "http://0.0.0.0"}) {
    const auto url = server_url(home.context, far);
    REQUIRE_FALSE(url);
    CHECK(has(url.error().message, "another machine"));
    home.context.allow_cleartext = true;
    CHECK(server_url(home.context, far));
    home.context.allow_cleartext = false;
    ::setenv("AGENT_VAULT_ALLOW_CLEARTEXT", "1", 1);
    CHECK(server_url(home.context, far));
    ::unsetenv("AGENT_VAULT_ALLOW_CLEARTEXT");
  }
  CHECK_FALSE(server_url(home.context, "vault.test"));
  CHECK_FALSE(server_url(home.context, "https://ann@vault.test"));
}

TEST_CASE("remote: what is kept of a server is private, and a damaged login says what to type",
          "[cmd][remote]") {
  Home home;
  const auto url = *server_url(home.context, "https://vault.test");
  const ServerFiles files(home.context.paths, url);
  CHECK_FALSE(*files.login());
  CHECK_FALSE(*files.forget_login());
  CHECK(files.authority()->empty());
  CHECK(files.roots_file().empty());
  ServerFiles::Login login;
  login.token = *Secret::copy_of(std::string_view("av_sess_x"));
  REQUIRE(files.keep_login(login));
  REQUIRE(files.keep_authority("pem"));
  CHECK(*files.authority() == "pem");
  const auto place = home.context.paths.data / "servers" / "https%3A%2F%2Fvault.test";
  struct stat info {};
  REQUIRE(::stat((place / "login").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0600);
  REQUIRE(::stat(place.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0700);
  std::ofstream(place / "login") << "https://vault.test\nann";
  const auto damaged = files.login();
  REQUIRE_FALSE(damaged);
  CHECK(has(damaged.error().hint, "agent-vault login"));
  CHECK(*files.forget_login());
}

TEST_CASE("remote: a fingerprint is read as it is printed, and nothing else is one",
          "[cmd][remote]") {
  const std::string hex = "00ff" + std::string(60, 'a');
  const auto read = read_fingerprint(hex);
  REQUIRE(read);
  CHECK(read->starts_with("00:FF:AA:"));
  CHECK(read->size() == 95);
  CHECK(*read_fingerprint(*read) == *read);
  CHECK(*read_fingerprint("sha256:" + hex) == *read);
  for (const std::string& bad :
       {std::string(), hex.substr(2), hex + "00", "zz" + hex.substr(2), std::string("sha256:")}) {
    CHECK_FALSE(read_fingerprint(bad));
  }
}

TEST_CASE("remote: what belongs to the store's machine says so, and makes no store",
          "[cmd][remote]") {
  Home cli;
  ::setenv("AGENT_VAULT_ADDR", "https://vault.test", 1);
  for (const std::vector<std::string>& words : {std::vector<std::string>{"key", "status"},
                                                {"key", "rotate"},
                                                {"ca", "rotate"},
                                                {"audit", "verify"},
                                                {"audit", "export"},
                                                {"serve"}}) {
    const Outcome outcome = cli(words);
    CHECK(outcome.code == 2);
    CHECK(has(outcome.err, "--local"));
  }
  CHECK_FALSE(std::filesystem::exists(cli.root() / "data" / "vault.db"));
  CHECK(cli({"key", "status", "--local"}).code == 0);
  CHECK(std::filesystem::exists(cli.root() / "data" / "vault.db"));
}
