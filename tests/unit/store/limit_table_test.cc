#include "store/limit_table.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <vector>

#include "temp_home.h"

using namespace av;
using store::LimitTable;
using vault::LimitKey;

namespace {

constexpr std::int64_t kMinute = 60'000;
// The beginning of a minute.
constexpr std::int64_t kNow = std::int64_t{1'800'000'000'000} / kMinute * kMinute;

LimitKey key(std::string_view rule, std::string_view agent = "agent") {
  return LimitKey::of("vault", rule, agent, kMinute);
}

std::uint32_t granted_of(LimitTable& table, LimitKey of, std::uint32_t limit, int tries,
                         std::int64_t now) {
  std::uint32_t granted = 0;
  for (int i = 0; i < tries; ++i) {
    const auto count = table.take(of, limit, kMinute, now);
    REQUIRE(count);
    granted += count->granted ? 1 : 0;
  }
  return granted;
}

// In processes of their own; the sum of what each of them was granted.
std::uint32_t granted_by_processes(const std::filesystem::path& path, int processes, int tries,
                                   std::uint32_t limit) {
  int pipe_fds[2];
  REQUIRE(::pipe(pipe_fds) == 0);
  for (int i = 0; i < processes; ++i) {
    if (::fork() == 0) {
      LimitTable table(path);
      std::uint32_t granted = 0;
      for (int t = 0; t < tries; ++t) {
        const auto count = table.take(key("shared"), limit, kMinute, kNow);
        granted += count && count->granted ? 1 : 0;
      }
      const bool told = ::write(pipe_fds[1], &granted, sizeof granted) == sizeof granted;
      ::_exit(told ? 0 : 1);
    }
  }
  std::uint32_t sum = 0;
  for (int i = 0; i < processes; ++i) {
    std::uint32_t granted = 0;
    REQUIRE(::read(pipe_fds[0], &granted, sizeof granted) == sizeof granted);
    sum += granted;
    int status = 0;
    REQUIRE(::wait(&status) > 0);
  }
  ::close(pipe_fds[0]);
  ::close(pipe_fds[1]);
  return sum;
}

}  // namespace

TEST_CASE("limits: a window lets exactly its number pass, the next one as many again",
          "[store][limits]") {
  const test::TempHome home;
  LimitTable table(home.root() / "limits");
  CHECK(granted_of(table, key("r"), 5, 20, kNow) == 5);
  CHECK(granted_of(table, key("r"), 5, 20, kNow + kMinute - 1) == 0);
  CHECK(granted_of(table, key("r"), 5, 20, kNow + kMinute) == 5);
  const auto refused = table.take(key("r"), 5, kMinute, kNow + kMinute + 1);
  REQUIRE(refused);
  CHECK_FALSE(refused->granted);
  CHECK(refused->used == 5);
  CHECK(refused->window_end_ms == kNow + 2 * kMinute);
}

TEST_CASE("limits: rules, agents and windows count by themselves", "[store][limits]") {
  const test::TempHome home;
  LimitTable table(home.root() / "limits");
  CHECK(granted_of(table, key("r"), 2, 3, kNow) == 2);
  CHECK(granted_of(table, key("s"), 2, 3, kNow) == 2);
  CHECK(granted_of(table, key("r", "other"), 2, 3, kNow) == 2);
  CHECK(granted_of(table, LimitKey::of("vault", "r", "agent", 1000), 2, 3, kNow) == 2);
  CHECK(granted_of(table, LimitKey::of("elsewhere", "r", "agent", kMinute), 2, 3, kNow) == 2);
}

TEST_CASE("limits: a clock that is set back gives nothing twice", "[store][limits]") {
  const test::TempHome home;
  LimitTable table(home.root() / "limits");
  CHECK(granted_of(table, key("r"), 3, 3, kNow) == 3);
  CHECK(granted_of(table, key("r"), 3, 3, kNow - 1) == 0);
  CHECK(granted_of(table, key("r"), 3, 3, kNow - kMinute) == 0);
  // A clock that was a year ahead must not shut the agent out for a year.
  CHECK(granted_of(table, key("y"), 3, 3, kNow + 500'000 * kMinute) == 3);
  CHECK(granted_of(table, key("y"), 3, 9, kNow) == 3);
}

TEST_CASE("limits: counts survive the process, also one that is killed", "[store][limits]") {
  const test::TempHome home;
  const auto path = home.root() / "limits";
  const pid_t child = ::fork();
  if (child == 0) {
    LimitTable table(path);
    (void)table.take(key("r"), 4, kMinute, kNow);
    (void)table.take(key("r"), 4, kMinute, kNow);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  LimitTable table(path);
  CHECK(granted_of(table, key("r"), 4, 9, kNow) == 2);
}

TEST_CASE("limits: eight processes together get what one would", "[store][limits]") {
  const test::TempHome home;
  for (int round = 0; round < 5; ++round) {
    const auto path = home.root() / ("limits" + std::to_string(round));
    CHECK(granted_by_processes(path, 8, 1000, 3001) == 3001);
    CHECK(granted_by_processes(path, 8, 100, 4000) == 800);
  }
}

TEST_CASE("limits: what is given back can be had again, in its own window", "[store][limits]") {
  const test::TempHome home;
  LimitTable table(home.root() / "limits");
  const auto first = table.take(key("r"), 1, kMinute, kNow);
  REQUIRE((first && first->granted));
  CHECK(granted_of(table, key("r"), 1, 1, kNow) == 0);
  table.give_back(key("r"), kMinute, *first);
  CHECK(granted_of(table, key("r"), 1, 2, kNow) == 1);
  CHECK(granted_of(table, key("r"), 1, 2, kNow + kMinute) == 1);
  table.give_back(key("r"), kMinute, *first);  // too late
  CHECK(granted_of(table, key("r"), 1, 1, kNow + kMinute) == 0);
}

TEST_CASE("limits: looking takes nothing", "[store][limits]") {
  const test::TempHome home;
  LimitTable table(home.root() / "limits");
  const auto before = table.look(key("r"), 2, kMinute, kNow);
  REQUIRE(before);
  CHECK((before->granted && before->used == 0 && before->window_end_ms == kNow + kMinute));
  CHECK(granted_of(table, key("r"), 2, 2, kNow) == 2);
  const auto after = table.look(key("r"), 2, kMinute, kNow);
  REQUIRE(after);
  CHECK((!after->granted && after->used == 2));
}

TEST_CASE("limits: a counter without windows never begins anew", "[store][limits]") {
  const test::TempHome home;
  LimitTable table(home.root() / "limits");
  const LimitKey grant = LimitKey::of("vault", "grant", "", 0);
  const auto first = table.take(grant, 1, 0, kNow);
  REQUIRE(first);
  CHECK((first->granted && first->window_end_ms == 0));
  const auto second = table.take(grant, 1, 0, kNow + 10'000'000 * kMinute);
  REQUIRE(second);
  CHECK_FALSE(second->granted);
}

TEST_CASE("limits: a damaged file, a directory in its place and a full table refuse",
          "[store][limits]") {
  const test::TempHome home;
  const auto path = home.root() / "limits";
  SECTION("another file") {
    std::ofstream(path) << "something else";
  }
  SECTION("cut short") {
    { CHECK(LimitTable(path).take(key("r"), 1, kMinute, kNow)); }
    std::filesystem::resize_file(path, 5000);
  }
  SECTION("a directory") {
    std::filesystem::create_directory(path);
  }
  SECTION("a link") {
    std::filesystem::create_symlink(home.root() / "elsewhere", path);
  }
  LimitTable table(path);
  CHECK_FALSE(table.take(key("r"), 1, kMinute, kNow));
  CHECK_FALSE(table.look(key("r"), 1, kMinute, kNow));
}

TEST_CASE("limits: counters that nobody has used for weeks make room", "[store][limits]") {
  const test::TempHome home;
  const auto path = home.root() / "limits";
  constexpr std::int64_t kDay = 86'400'000;
  const std::int64_t long_ago = std::int64_t{::time(nullptr)} * 1000 - 60 * kDay;
  {
    LimitTable table(path);
    for (std::size_t i = 0; i < LimitTable::kSlots; ++i) {
      REQUIRE(table.take(key("rule" + std::to_string(i)), 1, kMinute, long_ago));
    }
    CHECK_FALSE(table.take(key("one more"), 1, kMinute, long_ago));
    CHECK(table.take(key("rule7"), 1, kMinute, long_ago + 60 * kDay));
  }
  LimitTable table(path);
  CHECK(table.take(key("one more"), 1, kMinute, kNow));
  // What was used today has kept its count.
  const auto kept = table.look(key("rule7"), 1, kMinute, long_ago + 60 * kDay);
  REQUIRE(kept);
  CHECK(kept->used == 1);
}
