#include "cmd/nested_sandbox.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

using namespace av;  // NOLINT: a test
using cmd::can_nest;
using isolation::Level;

namespace {

using Words = std::vector<std::string>;

struct Home {
  Home() {
    std::string pattern = "/tmp/av-nested-XXXXXX";
    path = ::mkdtemp(pattern.data());
    std::filesystem::create_directories(path / ".claude");
    env.set("HOME", path.native());
  }
  ~Home() { std::filesystem::remove_all(path); }
  void settings(const char* text) const { std::ofstream(path / ".claude/settings.json") << text; }
  std::filesystem::path path;
  cmd::EnvBlock env;
};

cmd::NestedSandbox without_own_sandbox(const Words& words, const cmd::EnvBlock& env) {
  return cmd::settle_own_sandbox(words, env, Level::kStrict);
}

}  // namespace

TEST_CASE("nested sandbox: where namespaces can be made, agents keep theirs") {
  CHECK(can_nest(Level::kOff, true));
  CHECK(can_nest(Level::kStore, false));
  CHECK(can_nest(Level::kNetwork, false));
  CHECK_FALSE(can_nest(Level::kStore, true));
  CHECK_FALSE(can_nest(Level::kStrict, false));
  CHECK_FALSE(can_nest(Level::kLandlock, false));
}

TEST_CASE("nested sandbox: codex's is switched off before what it is told to do") {
  const Home home;
  const auto plain = without_own_sandbox({"/usr/bin/codex", "exec", "--", "-s"}, home.env);
  CHECK(plain.argv ==
        Words{"/usr/bin/codex", "-c", "sandbox_mode=\"danger-full-access\"", "exec", "--", "-s"});
  CHECK(plain.notice.find("switched off") != std::string::npos);
  SECTION("one that was asked for is left, and said to fail") {
    for (const Words& words :
         {Words{"codex", "--sandbox", "workspace-write"}, Words{"codex", "-s", "read-only"},
          Words{"codex", "--sandbox=read-only", "exec"}, Words{"codex", "--full-auto"},
          Words{"codex", "-c", "sandbox_mode=\"read-only\""}}) {
      const auto out = without_own_sandbox(words, home.env);
      CHECK(out.argv == words);
      CHECK(out.notice.find("will fail") != std::string::npos);
    }
  }
  SECTION("settings that are narrower than what stands in its place are kept to") {
    std::filesystem::create_directories(home.path / ".codex");
    std::ofstream(home.path / ".codex/config.toml") << "sandbox_mode = \"workspace-write\"\n";
    CHECK(without_own_sandbox({"codex"}, home.env).argv.size() == 3);
    std::ofstream(home.path / ".codex/config.toml")
        << "model = \"m\"\n[profiles.x]\n  sandbox_mode = \"read-only\"\n";
    CHECK(without_own_sandbox({"codex"}, home.env).argv == Words{"codex"});
    CHECK(without_own_sandbox({"codex"}, home.env).notice.find("will fail") != std::string::npos);
  }
  SECTION("where the run keeps less, it is left to fail") {
    for (const Level level : {Level::kLandlock, Level::kStore, Level::kNetwork}) {
      const auto out = cmd::settle_own_sandbox({"codex", "exec"}, home.env, level);
      CHECK(out.argv == Words{"codex", "exec"});
      CHECK(out.notice.find("will fail") != std::string::npos);
    }
  }
  SECTION("one that is off already is nothing to speak of") {
    for (const Words& words :
         {Words{"codex", "-s", "danger-full-access"}, Words{"codex", "--yolo"},
          Words{"codex", "--dangerously-bypass-approvals-and-sandbox", "exec"}}) {
      const auto out = without_own_sandbox(words, home.env);
      CHECK(out.argv == words);
      CHECK(out.notice.empty());
    }
  }
}

TEST_CASE("nested sandbox: claude's is switched off where its settings switch it on") {
  const Home home;
  const Words words{"claude", "-p", "hi"};
  CHECK(without_own_sandbox(words, home.env).argv == words);
  for (const char* text : {R"({"sandbox":{"enabled":false}})", R"({"sandbox":true})", "[]", "{",
                           R"({"sandbox":{"enabled":"yes"}})", ""}) {
    home.settings(text);
    CHECK(without_own_sandbox(words, home.env).argv == words);
    CHECK(without_own_sandbox(words, home.env).notice.empty());
  }
  home.settings(R"({"sandbox":{"enabled":true}})");
  const auto out = without_own_sandbox(words, home.env);
  CHECK(out.argv == Words{"claude", "--settings", R"({"sandbox":{"enabled":false}})", "-p", "hi"});
  CHECK_FALSE(out.notice.empty());
  CHECK(cmd::settle_own_sandbox(words, home.env, Level::kLandlock).argv == words);
  const Words own{"claude", "--settings", "mine.json"};
  CHECK(without_own_sandbox(own, home.env).argv == own);
  CHECK(without_own_sandbox(own, home.env).notice.find("--settings") != std::string::npos);
  CHECK(without_own_sandbox({"node"}, home.env).argv == Words{"node"});
}
