// Files that are not as they should be: an error of their own, and nothing overwritten.

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "store/migrations.h"
#include "temp_home.h"

using namespace av;
using namespace av::test;

namespace {

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {(std::istreambuf_iterator<char>(file)), {}};
}

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

void fill(const TempHome& home, const Clock& clock) {
  auto store = open_store(home, clock);
  REQUIRE(store);
  for (int i = 0; i < 40; ++i) {
    REQUIRE(set(**store, "KEY_" + std::to_string(i), std::string(2000, 'x')));
  }
}

}  // namespace

TEST_CASE("damage: a file that is no database is refused and left alone", "[store][damage]") {
  const TempHome home;
  const TickingClock clock;
  fill(home, clock);
  const auto path = home.paths().database();
  const std::string whole = contents(path);
  std::string damaged;
  SECTION("empty") {
    damaged = "";
  }
  SECTION("a few bytes") {
    damaged = whole.substr(0, 10);
  }
  SECTION("text") {
    damaged = "this is not a database, it is a shopping list\n";
  }
  SECTION("half of it") {
    damaged = whole.substr(0, whole.size() / 2);
  }
  SECTION("one page") {
    damaged = whole.substr(0, 4096);
  }
  SECTION("cut within a page") {
    damaged = whole.substr(0, whole.size() - 100);
  }
  SECTION("a header and noise") {
    damaged = whole.substr(0, 100) + std::string(whole.size() - 100, '\x5a');
  }
  write(path, damaged);
  auto store = open_store(home, clock);
  if (store) {
    // Damage that opening does not meet is met by reading what it hit.
    int damaged_values = 0;
    for (int i = 0; i < 40; ++i) {
      const auto value = (*store)->get_credential("default", "KEY_" + std::to_string(i));
      if (value) {
        CHECK(reveal(*value) == std::string(2000, 'x'));
      } else {
        CHECK(value.error().code == ErrorCode::kCorrupt);
        ++damaged_values;
      }
    }
    CHECK(damaged_values > 0);
  } else {
    CHECK(store.error().code == ErrorCode::kCorrupt);
    CHECK_FALSE(store.error().hint.empty());
  }
  store = make_error(ErrorCode::kInternal, "closed");
  CHECK((contents(path) == damaged));
}

TEST_CASE("damage: another program's database is refused", "[store][damage]") {
  const TempHome home;
  const TickingClock clock;
  REQUIRE(fs::make_private_directory(home.paths().data));
  {
    SQLite::Database db(home.paths().database().string(),
                        SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    db.exec("CREATE TABLE notes (text)");
  }
  const auto store = open_store(home, clock);
  REQUIRE_FALSE(store);
  CHECK(store.error().code == ErrorCode::kCorrupt);
}

TEST_CASE("damage: a store of a newer version is refused", "[store][damage]") {
  const TempHome home;
  const TickingClock clock;
  fill(home, clock);
  tamper(home, "PRAGMA user_version = 999");
  const auto store = open_store(home, clock);
  REQUIRE_FALSE(store);
  CHECK(store.error().code == ErrorCode::kTooNew);
}

TEST_CASE("damage: a log without its database is not replayed into a new one", "[store][damage]") {
  const TempHome home;
  const TickingClock clock;
  fill(home, clock);
  std::filesystem::remove(home.paths().database());
  write(home.paths().database().string() + "-wal", "something");
  const auto store = open_store(home, clock);
  REQUIRE_FALSE(store);
  CHECK(store.error().code == ErrorCode::kCorrupt);
}

TEST_CASE("damage: a lost database does not lose the key file", "[store][damage]") {
  const TempHome home;
  const TickingClock clock;
  fill(home, clock);
  const std::string key = contents(home.paths().key_file());
  std::filesystem::remove(home.paths().database());
  REQUIRE(open_store(home, clock));
  CHECK(contents(home.paths().key_file()) == key);
}

TEST_CASE("damage: a place that cannot be written is a clear error", "[store][damage]") {
  const TempHome home;
  const TickingClock clock;
  write(home.root() / "file", "x");
  const fs::Paths paths{home.root() / "file" / "data", home.root() / "config"};
  const auto store = store::SqliteStore::open(paths, {}, clock);
  REQUIRE_FALSE(store);
  CHECK_FALSE(store.error().message.empty());
}

TEST_CASE("damage: what SQLite reports becomes our codes", "[store][damage]") {
  const std::filesystem::path path = "/x/vault.db";
  const auto code = [&](int sqlite, int os = 0) {
    return store::sqlite_error("cannot save", sqlite, "detail", os, path).code;
  };
  CHECK(code(11) == ErrorCode::kCorrupt);  // SQLITE_CORRUPT
  CHECK(code(26) == ErrorCode::kCorrupt);  // SQLITE_NOTADB
  CHECK(code(13) == ErrorCode::kNoSpace);  // SQLITE_FULL
  CHECK(code(10, ENOSPC) == ErrorCode::kNoSpace);
  CHECK(code(10 | (19 << 8), EDQUOT) == ErrorCode::kNoSpace);
  CHECK(code(10, EIO) == ErrorCode::kIo);
  CHECK(code(5) == ErrorCode::kBusy);  // SQLITE_BUSY
  CHECK(code(5 | (2 << 8)) == ErrorCode::kBusy);
  CHECK(code(8) == ErrorCode::kNotPermitted);  // SQLITE_READONLY
  CHECK(code(14, EACCES) == ErrorCode::kNotPermitted);
  CHECK(code(14) == ErrorCode::kIo);  // SQLITE_CANTOPEN
}

TEST_CASE("migrations: every earlier version comes up to the latest", "[store][migrations]") {
  for (int from = 0; from <= store::latest_schema(); ++from) {
    const TempHome home;
    const auto path = home.root() / "x.db";
    auto database = store::Database::create(path);
    REQUIRE(database);
    REQUIRE(store::migrate(*database, from));
    const auto version = [&] {
      return *database->read("x", [&]() -> Expected<std::int64_t> {
        return database->integer("PRAGMA user_version");
      });
    };
    CHECK(version() == from);
    REQUIRE(store::migrate(*database));
    CHECK(version() == store::latest_schema());
    const auto check = database->plain("x", [&]() -> Expected<std::int64_t> {
      return database->integer(
          "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'");
    });
    CHECK(*check == 1);
  }
}
