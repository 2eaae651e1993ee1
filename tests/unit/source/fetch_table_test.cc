#include "source/fetch_table.h"

#include <catch2/catch.hpp>

namespace av::source {
namespace {

using Why = Failure::Why;

const ItemName kItem{"s1", "item"};

Record record_of(std::string_view value) {
  Record record;
  record.fields.emplace("", *Secret::copy_of(value));
  return record;
}

Record leased(std::string_view id, std::int64_t life_ms, bool renewable = true) {
  Record record = record_of(id);
  record.lease = Lease{std::string(id), life_ms, renewable};
  return record;
}

std::string value_of(const FetchTable::Look& look) {
  const auto* const record = std::get_if<std::shared_ptr<const KeptRecord>>(&look);
  return record == nullptr
             ? "-"
             : (*record)->fields.at("")->reveal([](std::string_view v) { return std::string(v); });
}

bool asks(const FetchTable::Look& look) {
  return std::holds_alternative<FetchTable::Ask>(look);
}

TEST_CASE("a value is kept for a minute and then asked for again") {
  FetchTable table;
  CHECK(asks(table.look(kItem, 0)));
  table.found(kItem, record_of("one"), 1'000);
  CHECK(value_of(table.look(kItem, 60'999)) == "one");
  CHECK(asks(table.look(kItem, 61'000)));
}

TEST_CASE("a value that a store limits is kept no longer than it says, and a second at least") {
  FetchTable table;
  Record code = record_of("123456");
  code.keep_ms = 7'000;
  table.found(kItem, std::move(code), 0);
  CHECK(value_of(table.look(kItem, 6'999)) == "123456");
  CHECK(asks(table.look(kItem, 7'000)));
  Record over = record_of("654321");
  over.keep_ms = 0;
  table.found(kItem, std::move(over), 10'000);
  CHECK(value_of(table.look(kItem, 10'999)) == "654321");
  Record endless = record_of("x");
  endless.keep_ms = 3'600'000;
  table.found(kItem, std::move(endless), 20'000);
  CHECK(asks(table.look(kItem, 80'000)));
}

TEST_CASE("what is not there is known for half a minute, and holds up nothing else of that store") {
  FetchTable table;
  table.failed(kItem, failure(Why::kNotFound, "no such item"), 0);
  const auto look = table.look(kItem, 29'999);
  REQUIRE(std::holds_alternative<Failure>(look));
  CHECK(std::get<Failure>(look).why == Why::kNotFound);
  CHECK(asks(table.look({"s1", "other"}, 1)));
  CHECK(asks(table.look(kItem, 30'000)));
}

TEST_CASE("a store that is locked is left alone for a minute, but what it gave before is used") {
  FetchTable table;
  table.found(kItem, record_of("good"), 0);
  table.failed({"s1", "other"}, failure(Why::kLocked, "locked"), 10'000);
  CHECK(value_of(table.look(kItem, 59'999)) == "good");
  const auto third = table.look({"s1", "third"}, 20'000);
  REQUIRE(std::holds_alternative<Failure>(third));
  CHECK(std::get<Failure>(third).retry_ms == 50'000);
  CHECK(asks(table.look({"s2", "third"}, 20'000)));
  CHECK(asks(table.look({"s1", "third"}, 70'000)));
}

TEST_CASE("which failures are of the store and which of the item") {
  for (const auto& [why, of_store] :
       {std::pair(Why::kNotFound, false), std::pair(Why::kDenied, false),
        std::pair(Why::kMalformed, false), std::pair(Why::kInvalid, false),
        std::pair(Why::kUnreachable, false), std::pair(Why::kTimeout, false),
        std::pair(Why::kBusy, false), std::pair(Why::kRefused, false),
        std::pair(Why::kLocked, true)}) {
    INFO(std::string(to_string(why)));
    FetchTable table;
    table.failed(kItem, failure(why, "no"), 0);
    CHECK(asks(table.look({"s1", "other"}, 1)) != of_store);
    CHECK_FALSE(asks(table.look(kItem, 1)));
  }
}

TEST_CASE("a store that says when to come again is believed, within reason") {
  FetchTable table;
  Failure busy = failure(Why::kBusy, "later");
  busy.retry_ms = 5'000;
  table.failed(kItem, busy, 0);
  CHECK_FALSE(asks(table.look(kItem, 4'999)));
  CHECK(asks(table.look(kItem, 5'000)));
  busy.retry_ms = std::int64_t{1} << 60;
  table.failed(kItem, busy, 0);
  CHECK_FALSE(asks(table.look(kItem, kCooldownMs - 1)));
  CHECK(asks(table.look(kItem, kCooldownMs)));
}

TEST_CASE("one item that a store cannot give does not keep the others from anybody") {
  for (const Why why : {Why::kUnreachable, Why::kTimeout, Why::kRefused, Why::kBusy}) {
    INFO(std::string(to_string(why)));
    FetchTable table;
    table.failed(kItem, failure(why, "no"), 0);
    CHECK_FALSE(asks(table.look(kItem, kCooldownMs - 1)));
    CHECK(asks(table.look({"s1", "other"}, 1)));
    table.failed(kItem, failure(why, "no"), kCooldownMs);  // it is asked for again, and again
    CHECK(asks(table.look({"s1", "other"}, kCooldownMs + 1)));
  }
  // The control: what holds for all of the store does.
  FetchTable table;
  table.failed(kItem, failure(Why::kLocked, "no"), 0);
  CHECK_FALSE(asks(table.look({"s1", "other"}, 1)));
}

TEST_CASE("a store that is too busy for two items is left alone, until it answers for one") {
  FetchTable table;
  table.failed(kItem, failure(Why::kBusy, "later"), 0);
  table.failed({"s1", "other"}, failure(Why::kBusy, "later"), 10);
  CHECK_FALSE(asks(table.look({"s1", "third"}, 20)));
  CHECK(asks(table.look({"s2", "third"}, 20)));
  table.found(kItem, record_of("back"), 30);
  CHECK(asks(table.look({"s1", "third"}, 40)));
}

TEST_CASE("an answer ends the cooldown of its store") {
  FetchTable table;
  table.failed({"s1", "other"}, failure(Why::kLocked, "locked"), 0);
  CHECK_FALSE(asks(table.look({"s1", "other"}, 99)));
  table.found(kItem, record_of("back"), 100);
  CHECK(asks(table.look({"s1", "other"}, 101)));
}

TEST_CASE("the version changes with the values and not with the asking") {
  FetchTable table;
  const auto version = [&] { return table.record_of(kItem)->version; };
  table.found(kItem, record_of("a"), 0);
  const std::uint64_t first = version();
  table.found(kItem, record_of("a"), 60'000);
  CHECK(version() == first);
  table.found(kItem, record_of("b"), 120'000);
  CHECK(version() != first);
  table.found({"s1", "other"}, record_of("b"), 0);
  CHECK(table.record_of({"s1", "other"})->version != version());
}

TEST_CASE("a lease is renewed when two thirds of its life are over, as long as it is used") {
  FetchTable table;
  table.found(kItem, leased("l1", 600'000), 0);
  CHECK(value_of(table.look(kItem, 589'999)) == "l1");
  CHECK(table.due(399'999).empty());
  CHECK(table.next_due() == 400'000);
  const auto due = table.due(400'000);
  REQUIRE(due.size() == 1);
  CHECK(due[0].lease.id == "l1");
  CHECK(table.due(400'001).empty());
  table.renewed(kItem, {"l1", 600'000, true}, 401'000);
  CHECK(value_of(table.look(kItem, 990'000)) == "l1");
  CHECK(table.next_due() == 801'000);
}

TEST_CASE("a lease that nobody uses is not renewed, and is given back when it has ended") {
  FetchTable table;
  table.found(kItem, leased("l1", 3'600'000), 0);
  CHECK(table.due(2'400'000).empty());
  const auto over = table.sweep(3'600'000);
  REQUIRE(over.size() == 1);
  CHECK(over[0].lease.id == "l1");
  CHECK(table.size() == 0);
}

TEST_CASE("a lease that is not renewed is used to its end and replaced then") {
  FetchTable table;
  table.found(kItem, leased("l1", 60'000), 0);
  REQUIRE(table.due(40'000).size() == 1);
  table.not_renewed(kItem);
  CHECK(value_of(table.look(kItem, 53'999)) == "l1");
  CHECK(asks(table.look(kItem, 54'000)));
  const auto replaced = table.found(kItem, leased("l2", 60'000), 54'000);
  REQUIRE(replaced);
  CHECK(replaced->id == "l1");
  REQUIRE(table.leases("s1").size() == 1);
  CHECK(table.leases("s1")[0].lease.id == "l2");
  CHECK(table.leases("s2").empty());
}

TEST_CASE("a store that is paired anew has nothing of before") {
  FetchTable table;
  table.found(kItem, record_of("old"), 0);
  table.failed({"s1", "x"}, failure(Why::kLocked, "locked"), 0);
  table.found({"s2", "item"}, record_of("other"), 0);
  table.forget_store("s1");
  CHECK(asks(table.look(kItem, 1)));
  CHECK(asks(table.look({"s1", "x"}, 1)));
  CHECK(value_of(table.look({"s2", "item"}, 1)) == "other");
}

TEST_CASE("what has ended or is idle is forgotten") {
  FetchTable table;
  for (int i = 0; i < 100; ++i) {
    table.found({"s1", std::to_string(i)}, record_of("v"), 0);
    table.failed({"s1", "n" + std::to_string(i)}, failure(Why::kNotFound, "no"), 0);
  }
  CHECK(table.sweep(10'000).empty());
  CHECK(table.size() == 200);
  const std::weak_ptr<const KeptRecord> value = table.record_of({"s1", "7"});
  CHECK(table.sweep(59'999).empty());
  CHECK_FALSE(value.expired());
  CHECK(table.sweep(60'000).empty());
  CHECK(value.expired());
  CHECK(table.size() == 100);  // that there were values, and which version
  CHECK(table.sweep(kIdleMs).empty());
  CHECK(table.size() == 0);
}

TEST_CASE("a value that comes again after it was swept has the version that it had") {
  FetchTable table;
  const auto version = [&] { return table.record_of(kItem)->version; };
  table.found(kItem, record_of("a"), 0);
  const std::uint64_t first = version();
  CHECK(table.sweep(60'000).empty());
  CHECK(table.record_of(kItem) == nullptr);
  table.found(kItem, record_of("a"), 75'000);
  CHECK(version() == first);
  CHECK(table.sweep(135'000).empty());
  table.found(kItem, record_of("b"), 150'000);
  CHECK(version() != first);
  // The same bytes in other places are another value.
  Record one;
  one.fields.emplace("ab", *Secret::copy_of("c"));
  table.found(kItem, std::move(one), 160'000);
  const std::uint64_t before = version();
  Record other;
  other.fields.emplace("a", *Secret::copy_of("bc"));
  table.found(kItem, std::move(other), 170'000);
  CHECK(version() != before);
}

TEST_CASE("of more items than anybody has written down, those used least lately are forgotten") {
  FetchTable table;
  table.found({"s1", "leased"}, leased("l1", 3'600'000), 0);
  table.found({"s1", "old"}, record_of("v"), 1);
  table.found({"s1", "used"}, record_of("v"), 1);
  for (std::size_t i = 0; i < kMostItems; ++i) {
    const auto now = static_cast<std::int64_t>(2 + i);
    (void)table.look({"s1", "used"}, now);
    table.failed({"s1", "host" + std::to_string(i)}, failure(Why::kNotFound, "no"), now);
  }
  CHECK(table.size() == kMostItems);
  CHECK(value_of(table.look({"s1", "leased"}, 5'000)) == "l1");
  CHECK(value_of(table.look({"s1", "used"}, 5'000)) == "v");
  CHECK(asks(table.look({"s1", "old"}, 5'000)));
}

}  // namespace
}  // namespace av::source
