// The table of what browsers have begun, when somebody floods it.

#include "api/flow_table.h"

#include <catch2/catch.hpp>

using namespace av;
using api::Flow;
using api::FlowTable;

namespace {

crypto::Digest number(std::size_t of) {
  return crypto::sha256(std::to_string(of));
}

Flow flow_of(const std::string& session) {
  Flow out;
  out.id = session + "-flow";
  out.owner.session = session;
  out.owner.uid = session;
  return out;
}

}  // namespace

TEST_CASE("flows: strangers make room for one another, and for nobody else",
          "[api][oauth][attack]") {
  SystemClock clock;
  FlowTable table(clock);
  REQUIRE(table.add(number(0), flow_of("ann")));
  for (std::size_t i = 1; i <= FlowTable::kMostStrangers + 10; ++i) {
    REQUIRE(table.add(number(i), flow_of("")));
  }
  // The oldest strangers are gone, the newest are there, and whoever is known is untouched.
  CHECK_FALSE(table.take(number(1)));
  CHECK_FALSE(table.take(number(10)));
  CHECK(table.take(number(11)));
  CHECK(table.take(number(FlowTable::kMostStrangers + 10)));
  CHECK(table.outcome("ann-flow", "ann") != nullptr);
  CHECK(table.take(number(0)));
  // And they take no place of people who are known.
  for (std::size_t i = 0; i < FlowTable::kMost; ++i) {
    REQUIRE(table.add(number(100'000 + i), flow_of("s" + std::to_string(i))));
  }
  CHECK_FALSE(table.add(number(200'000), flow_of("late")));
  CHECK(table.add(number(200'001), flow_of("")));
}
