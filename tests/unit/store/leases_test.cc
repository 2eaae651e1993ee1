#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <string>

#include "store/lease_owner.h"
#include "temp_home.h"

using namespace av;
using namespace av::test;

namespace {

constexpr std::int64_t kFar = 9'000'000'000'000;
constexpr std::string_view kLease = "database/creds/app/2f6a614c-4aa2";

struct World {
  TempHome home;
  TickingClock clock;
  std::unique_ptr<store::SqliteStore> store = std::move(*open_store(home, clock));

  World() { pair("corp"); }
  void pair(const std::string& name) {
    vault::ExternalStore paired;
    paired.uid = "xst_" + name;
    paired.name = name;
    paired.kind = "vault";
    REQUIRE(store->pair_store("default", paired, {}));
  }
  std::string add(std::string_view id = kLease, std::int64_t owner = 7, std::int64_t ends = kFar,
                  std::string_view of = "xst_corp") {
    const auto uid = store->add_lease(of, id, owner, ends);
    REQUIRE(uid);
    return *uid;
  }
  std::vector<store::Store::LeaseInfo> all(std::string_view of = {}) {
    auto out = store->list_leases(of);
    REQUIRE(out);
    return std::move(*out);
  }
};

std::string file_text(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

}  // namespace

TEST_CASE("store: a lease is kept sealed until it is given back", "[store][leases]") {
  World world;
  const std::string uid = world.add();
  CHECK(*world.store->open_lease(uid) == kLease);
  CHECK(world.store->get_store("default", "corp")->leases == 1);
  for (const char* const suffix : {"", "-wal"}) {
    CHECK(file_text(world.home.paths().database().string() + suffix).find(kLease) ==
          std::string::npos);
  }
  REQUIRE(world.all("xst_corp").size() == 1);
  CHECK(world.all()[0].owner == 7);
  CHECK(world.all()[0].retry_ms == 0);
  CHECK(world.all("xst_other").empty());
  REQUIRE(world.store->extend_lease(uid, kFar + 1));
  CHECK(world.all()[0].ends_ms == kFar + 1);
  REQUIRE(world.store->rotate_key({}));
  world.store = std::move(*open_store(world.home, world.clock));
  CHECK(*world.store->open_lease(uid) == kLease);
  REQUIRE(world.store->remove_lease(uid));
  CHECK(world.all().empty());
  CHECK(world.store->open_lease(uid).error().code == ErrorCode::kNotFound);
  CHECK(world.store->remove_lease(uid));
  CHECK(world.store->add_lease("xst_nobody", kLease, 7, kFar).error().code == ErrorCode::kNotFound);
}

TEST_CASE("store: a lease that has ended is forgotten, when no clock can be wrong about it",
          "[store][leases]") {
  World world;
  const std::int64_t now = world.clock.wall_ms();
  world.add("just-ended", 7, now - 60'000);
  world.add("long-ended", 7, now - 7'200'000);
  REQUIRE(world.all().size() == 1);
  CHECK(*world.store->open_lease(world.all()[0].uid) == "just-ended");
}

TEST_CASE("store: leases go with their store", "[store][leases]") {
  World world;
  world.pair("other");
  world.add();
  world.add("kept", 7, kFar, "xst_other");
  REQUIRE(world.store->remove_store("default", "corp"));
  REQUIRE(world.all().size() == 1);
  CHECK(world.all()[0].store_uid == "xst_other");
}

TEST_CASE("store: a lease cannot be put in the place of another", "[store][leases]") {
  World world;
  const std::string mine = world.add();
  const std::string other = world.add("another/lease");
  tamper(world.home,
         "UPDATE store_lease SET sealed = (SELECT sealed FROM store_lease WHERE uid = '" + other +
             "') WHERE uid = '" + mine + "'");
  CHECK(world.store->open_lease(mine).error().code == ErrorCode::kCorrupt);
  CHECK(*world.store->open_lease(other) == "another/lease");
  // Nor does it stand in the way of a new key.
  CHECK(world.store->rotate_key({}));
  CHECK(*world.store->open_lease(other) == "another/lease");
}

TEST_CASE("store: what one has left becomes another's, once", "[store][leases]") {
  World world;
  const std::string uid = world.add();
  CHECK(*world.store->adopt_lease(uid, 7, 8, 1'000));
  CHECK_FALSE(*world.store->adopt_lease(uid, 7, 9, 1'000));
  CHECK(world.all()[0].owner == 8);
  CHECK(world.all()[0].retry_ms == 1'000);
  CHECK(*world.store->adopt_lease(uid, 8, 8, 2'000));
  CHECK_FALSE(*world.store->adopt_lease("lse_nobody", 7, 8, 1'000));
}

TEST_CASE("store: the owner of leases is alive until its lock is gone", "[store][leases]") {
  const TempHome home;
  REQUIRE(fs::make_private_directory(home.paths().data));
  auto first = store::LeaseOwner::make(home.paths());
  auto second = store::LeaseOwner::make(home.paths());
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->number() != second->number());
  CHECK(first->number() >= 0);
  CHECK_FALSE(store::LeaseOwner::take_over(home.paths(), first->number())->has_value());
  const std::int64_t number = first->number();
  { const store::LeaseOwner gone = std::move(*first); }
  const auto taken = store::LeaseOwner::take_over(home.paths(), number);
  REQUIRE(taken);
  REQUIRE(taken->has_value());
  // By one at a time, and the other one lives on.
  CHECK_FALSE(store::LeaseOwner::take_over(home.paths(), number)->has_value());
  CHECK_FALSE(store::LeaseOwner::take_over(home.paths(), second->number())->has_value());
}
