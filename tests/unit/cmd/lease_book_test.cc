#include "cmd/lease_book.h"

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

#include "unit/store/temp_home.h"

using namespace av;
using namespace av::test;

namespace {

// A store that makes a lease for each question.
class Leasing final : public source::Provider {
 public:
  source::Result<source::About> pair() override { return source::About{}; }
  source::Result<source::About> test() override { return source::About{}; }
  source::Result<source::Record> fetch(const std::string& item) override {
    source::Record out;
    out.fields.emplace("", secret(item));
    out.lease = source::Lease{"lease-" + std::to_string(++made), 60'000, true};
    return out;
  }
  source::Result<source::Lease> renew(const source::Lease& lease) override {
    return source::Lease{lease.id, 90'000, true};
  }
  source::Result<void> revoke(const source::Lease& lease) override {
    revoked.push_back(lease.id);
    if (fails) {
      return source::failure(*fails, "no");
    }
    return {};
  }
  int made = 0;
  std::optional<source::Failure::Why> fails;
  std::vector<std::string> revoked;
};

class World {
 public:
  World() {
    for (const char* const name : {"corp", "other"}) {
      vault::ExternalStore paired;
      paired.uid = "xst_" + std::string(name);
      paired.name = name;
      paired.kind = "vault";
      REQUIRE(store->pair_store("default", paired, {}));
    }
  }
  std::unique_ptr<cmd::LeaseBook> book() {
    return std::make_unique<cmd::LeaseBook>(home.paths(), clock, [this](const auto& use) {
      if (usable) {
        use(*store);
      }
    });
  }
  std::vector<store::Store::LeaseInfo> leases() { return *store->list_leases({}); }

  TempHome home;
  TickingClock clock;
  std::unique_ptr<store::SqliteStore> store = std::move(*open_store(home, clock));
  std::shared_ptr<Leasing> provider = std::make_shared<Leasing>();
  bool usable = true;
};

std::vector<std::string> ids_of(const std::vector<cmd::LeaseBook::Left>& left) {
  std::vector<std::string> out;
  for (const auto& one : left) {
    out.push_back(one.store_uid + " " + one.lease.id);
  }
  return out;
}

bool everything(const std::string& /*store_uid*/) {
  return true;
}

}  // namespace

TEST_CASE("leases: one is noted before it is handed out, until it is given back", "[leases]") {
  World world;
  const auto book = world.book();
  const auto noted = book->noted(world.provider, "xst_corp");
  const auto record = noted->fetch("item");
  REQUIRE(record);
  REQUIRE(world.leases().size() == 1);
  CHECK(*world.store->open_lease(world.leases()[0].uid) == "lease-1");
  const std::int64_t ends_ms = world.leases()[0].ends_ms;
  REQUIRE(noted->renew(*record->lease));
  CHECK(world.leases()[0].ends_ms > ends_ms);
  REQUIRE(noted->revoke(*record->lease));
  CHECK(world.leases().empty());
  CHECK(world.provider->revoked == std::vector<std::string>{"lease-1"});
}

TEST_CASE("leases: one that cannot be noted is given back, and not used", "[leases]") {
  World world;
  const auto book = world.book();
  const auto nobody = book->noted(world.provider, "xst_nobody")->fetch("item");
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().message.find("could not be noted") != std::string::npos);
  CHECK(world.provider->revoked == std::vector<std::string>{"lease-1"});
  world.usable = false;
  CHECK_FALSE(book->noted(world.provider, "xst_corp")->fetch("item"));
  CHECK(world.provider->revoked.size() == 2);
}

TEST_CASE("leases: what the store does not know is forgotten, what it refuses is kept",
          "[leases]") {
  World world;
  const auto book = world.book();
  const auto noted = book->noted(world.provider, "xst_corp");
  const auto record = noted->fetch("item");
  world.provider->fails = source::Failure::Why::kUnreachable;
  CHECK_FALSE(noted->revoke(*record->lease));
  CHECK(world.leases().size() == 1);
  world.provider->fails = source::Failure::Why::kDenied;
  CHECK_FALSE(noted->revoke(*record->lease));
  CHECK(world.leases().size() == 1);
  world.provider->fails = source::Failure::Why::kNotFound;
  CHECK_FALSE(noted->revoke(*record->lease));
  CHECK(world.leases().empty());
}

TEST_CASE("leases: what one that is gone has left is another's, and only then", "[leases]") {
  World world;
  auto gone = world.book();
  REQUIRE(gone->noted(world.provider, "xst_corp")->fetch("a"));
  REQUIRE(gone->noted(world.provider, "xst_other")->fetch("b"));
  const auto heir = world.book();
  REQUIRE(heir->noted(world.provider, "xst_corp")->fetch("its own"));
  CHECK(heir->take_left(everything).empty());
  CHECK(*cmd::count_left(*world.store, world.home.paths(), "xst_corp") == 0);
  gone.reset();
  CHECK(*cmd::count_left(*world.store, world.home.paths(), "xst_corp") == 1);
  const auto late = world.book();
  CHECK(ids_of(heir->take_left([](const std::string& uid) { return uid == "xst_corp"; })) ==
        std::vector<std::string>{"xst_corp lease-1"});
  // Nobody else has it now, nor it itself at once again.
  CHECK(ids_of(late->take_left(everything)) == std::vector<std::string>{"xst_other lease-2"});
  CHECK(heir->take_left(everything).empty());
  REQUIRE(heir->noted(world.provider, "xst_corp")->revoke({"lease-1", 0, false}));
  CHECK(world.leases().size() == 2);
}

TEST_CASE("leases: what could not be given back is tried again later, by whoever is there",
          "[leases]") {
  World world;
  auto gone = world.book();
  REQUIRE(gone->noted(world.provider, "xst_corp")->fetch("a"));
  gone.reset();
  auto heir = world.book();
  REQUIRE(heir->take_left(everything).size() == 1);
  tamper(world.home, "UPDATE store_lease SET retry_ms = 1");
  CHECK(heir->take_left(everything).size() == 1);  // it itself, when the time is over
  heir.reset();
  CHECK(world.book()->take_left(everything).empty());  // not at once
  tamper(world.home, "UPDATE store_lease SET retry_ms = 9000000000000000");
  CHECK(world.book()->take_left(everything).size() == 1);  // of a clock that was wrong
}
