#include "cmd/duration.h"

#include <catch2/catch.hpp>

using namespace av;

TEST_CASE("duration: a number and a unit", "[cmd][duration]") {
  CHECK(*cmd::parse_duration("90s") == Millis{90'000});
  CHECK(*cmd::parse_duration("30m") == Millis{1'800'000});
  CHECK(*cmd::parse_duration("8h") == Millis{28'800'000});
  CHECK(*cmd::parse_duration("365d") == Millis{std::int64_t{365} * 86'400'000});
}

TEST_CASE("duration: an age may be nothing, or longer than any option", "[cmd][duration]") {
  CHECK(cmd::read_duration("0s") == Millis{0});
  CHECK(cmd::read_duration("4000d") == Millis{std::int64_t{4000} * 86'400'000});
  CHECK(cmd::parse_duration("31536000s"));
  for (const char* text : {"", "1", "-1s", "1w", "99999999999d"}) {
    CHECK_FALSE(cmd::read_duration(text));
  }
}

TEST_CASE("duration: everything else is a mistake", "[cmd][duration]") {
  for (const char* text : {"", "s", "10", "0s", "-1h", "+1h", "1.5h", "1h30m", " 1h", "1 h", "1H",
                           "366d", "31536001s", "99999999999999999999d", "0x10s", "1w"}) {
    INFO(text);
    const auto parsed = cmd::parse_duration(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == ErrorCode::kUsage);
  }
}

TEST_CASE("duration: in words, the two largest units", "[cmd][duration]") {
  using namespace std::chrono_literals;
  CHECK(cmd::in_words(0ms) == "0 s");
  CHECK(cmd::in_words(999ms) == "0 s");
  CHECK(cmd::in_words(45s) == "45 s");
  CHECK(cmd::in_words(8h) == "8 h");
  CHECK(cmd::in_words(7h + 59min + 58s) == "7 h 59 min");
  CHECK(cmd::in_words(8h + 5s) == "8 h");
  CHECK(cmd::in_words(49h) == "2 d 1 h");
}
