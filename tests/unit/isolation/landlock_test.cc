#include "isolation/landlock.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "isolation/everything_but.h"

using namespace av::isolation;  // NOLINT: a test

namespace {

struct Tree {
  Tree() {
    std::string pattern = "/tmp/av-landlock-XXXXXX";
    path = std::filesystem::canonical(::mkdtemp(pattern.data()));
    for (const char* each : {"home/store", "home/work", "home/share/store", "other"}) {
      std::filesystem::create_directories(path / each);
    }
    std::ofstream(path / "home/store/key") << "secret";
    std::ofstream(path / "home/file") << "public";
    std::filesystem::create_symlink("store", path / "home/link");
  }
  ~Tree() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string at(const char* name) const { return path / name; }
  std::filesystem::path path;
};

bool in_child(const std::function<bool()>& attempt) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::_Exit(attempt() ? 0 : 1);
  }
  int status = 1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool can_read(const std::string& path) {
  return std::ifstream(path).good();
}

}  // namespace

TEST_CASE("landlock: everything but what is hidden is its siblings and those of what is above it",
          "[isolation]") {
  const Tree tree;
  auto all = everything_but({tree.at("home/store"), tree.at("home/share/store")}, tree.path);
  std::sort(all.begin(), all.end());
  // Not the link: it is judged by where it leads.
  CHECK(all ==
        std::vector<std::string>{tree.at("home/file"), tree.at("home/work"), tree.at("other")});
  // A name that begins alike is another.
  CHECK(everything_but({tree.at("oth")}, tree.path).size() == 2);
  CHECK(everything_but({tree.at("home"), tree.at("other")}, tree.path).empty());
}

TEST_CASE("landlock: a directory that cannot be listed still leads to what lies in it",
          "[isolation]") {
  const Tree tree;
  if (::geteuid() == 0) {
    WARN("skipped, root can list everything");
    return;
  }
  ::chmod(tree.at("home").c_str(), 0300);
  auto all = everything_but({tree.at("home/share/store")}, tree.path);
  ::chmod(tree.at("home").c_str(), 0700);
  CHECK(all == std::vector<std::string>{tree.at("other")});
}

TEST_CASE("landlock: what is hidden cannot be read, changed or brought elsewhere", "[isolation]") {
  if (landlock_abi() < kLandlockHides) {
    WARN("skipped, no Landlock here");
    return;
  }
  const Tree tree;
  const std::string key = tree.at("home/store/key");
  const auto shut_in = [&](const std::function<bool()>& attempt, bool defended) {
    return in_child([&] {
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      return (!defended || !hide_by_landlock({tree.at("home/store")})) && attempt();
    });
  };
  const std::pair<const char*, std::function<bool()>> attacks[] = {
      {"read", [&] { return can_read(key); }},
      {"read by the link", [&] { return can_read(tree.at("home/link/key")); }},
      {"read by /proc", [&] { return can_read("/proc/self/root" + key); }},
      {"append", [&] { return std::ofstream(key, std::ios::app).good(); }},
      {"truncate", [&] { return ::truncate(key.c_str(), 6) == 0; }},
      {"make", [&] { return std::ofstream(tree.at("home/store/new")).good(); }},
      {"link", [&] { return ::link(key.c_str(), tree.at("home/work/stolen").c_str()) == 0; }},
      {"move", [&] { return ::rename(key.c_str(), tree.at("home/work/key").c_str()) == 0; }},
  };
  for (const auto& [name, attempt] : attacks) {
    INFO(name);
    CHECK_FALSE(shut_in(attempt, true));
  }
  const auto move_directory = [&] {
    return ::rename(tree.at("home/store").c_str(), tree.at("home/work/store").c_str()) == 0;
  };
  CHECK_FALSE(shut_in(move_directory, true));
  const auto remove = [&] { return ::unlink(key.c_str()) == 0; };
  CHECK_FALSE(shut_in(remove, true));
  // What is not hidden is as it was.
  const auto work = [&] {
    return can_read(tree.at("home/file")) && std::ofstream(tree.at("home/work/new")).good() &&
           std::ofstream(tree.at("home/file")).good() &&
           ::rename(tree.at("home/work/new").c_str(), tree.at("other/new").c_str()) == 0;
  };
  CHECK(shut_in(work, true));
  // All of it works without the defence.
  for (const auto& [name, attempt] : attacks) {
    INFO(name);
    CHECK(shut_in(attempt, false));
  }
}
