#include "cmd/key_settings.h"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

using namespace av;
using namespace std::chrono_literals;

TEST_CASE("key settings: how long unlock lasts, and nothing else", "[cmd][key]") {
  std::string pattern = (std::filesystem::temp_directory_path() / "av-key-XXXXXX").string();
  const std::filesystem::path directory = ::mkdtemp(pattern.data());
  const auto file = directory / "config.toml";
  const auto read = [&](const std::string& text) {
    std::ofstream(file) << text;
    return cmd::read_key_settings(file);
  };
  CHECK_FALSE(cmd::read_key_settings(file)->unlock_for);  // no file
  CHECK_FALSE(read("[run]\nisolation = \"store\"\n")->unlock_for);
  const auto both = read("[key]\nunlock_for = \"2h\"\nunlock_idle = \"10m\"\n");
  REQUIRE(both);
  CHECK(both->unlock_for == 2h);
  CHECK(both->unlock_idle == 10min);
  for (const char* const text :
       {"[key]\nunlock_for = 8\n", "[key]\nunlock_for = \"soon\"\n", "[key]\nunlock_for = \"0s\"\n",
        "[key]\nlock = \"1h\"\n", "[key\n"}) {
    CAPTURE(text);
    const auto bad = read(text);
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == ErrorCode::kInvalid);
    CHECK(bad.error().message.find(file.string()) == 0);
  }
  std::filesystem::remove_all(directory);
}
