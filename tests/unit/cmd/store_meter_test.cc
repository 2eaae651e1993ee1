#include "cmd/store_meter.h"

#include <catch2/catch.hpp>

namespace av::cmd {
namespace {

using Why = source::Failure::Why;

class HandClock final : public Clock {
 public:
  std::int64_t wall_ms() const override { return ms; }
  std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(Millis(ms));
  }
  std::int64_t ms = 1'000'000;
};

// Takes a quarter of a second, and fails as it is told.
class SlowStore final : public source::Provider {
 public:
  explicit SlowStore(HandClock& clock) : clock_(clock) {}
  source::Result<source::About> pair() override { return source::About{}; }
  source::Result<source::About> test() override { return source::About{"me", ""}; }
  source::Result<source::Record> fetch(const std::string& item) override {
    clock_.ms += 250;
    if (trouble) {
      return source::failure(*trouble, "no " + item);
    }
    return source::Record{};
  }
  [[nodiscard]] std::string item_of_host(std::string_view host) const override {
    return "of " + std::string(host);
  }
  std::optional<Why> trouble;

 private:
  HandClock& clock_;
};

bool has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("questions to stores are counted by kind and by why, and by store") {
  HandClock clock;
  StoreMeter meter(clock);
  const auto slow = std::make_shared<SlowStore>(clock);
  const auto vault = meter.metered(slow, "xst_1", "vault");
  const auto other = meter.metered(slow, "xst_2", "vault");
  CHECK(vault->item_of_host("a.example") == "of a.example");
  CHECK(vault->test()->account == "me");
  CHECK(meter.health("xst_1").asked == 0);  // no value was asked for
  REQUIRE(vault->fetch("secret/a"));
  slow->trouble = Why::kDenied;
  CHECK_FALSE(vault->fetch("secret/b"));
  CHECK(meter.health("xst_1").last_failure == "denied");
  slow->trouble = Why::kNotFound;
  CHECK_FALSE(vault->fetch("secret/c"));
  CHECK_FALSE(other->fetch("secret/d"));
  const api::StoreHealth health = meter.health("xst_1");
  CHECK(health.asked == 3);
  CHECK(health.failed == 1);
  CHECK(health.missing == 1);
  CHECK(health.last_failure.empty());  // it answers
  CHECK(health.answer_us == 750'000);
  source::Fetcher::Counts counts;
  counts.hits = 7;
  counts.misses = 3;
  counts.leases = 2;
  counts.cooldowns = 1;
  const std::string text = meter.text(counts);
  for (const char* const line :
       {"agent_vault_store_cache_hits_total 7", "agent_vault_store_cache_misses_total 3",
        "agent_vault_store_leases 2", "agent_vault_store_cooldowns_total 1",
        "agent_vault_store_fetch_seconds_sum{kind=\"vault\"} 1.000000",
        "agent_vault_store_fetch_seconds_count{kind=\"vault\"} 4",
        "agent_vault_store_fetch_failures_total{kind=\"vault\",why=\"denied\"} 1",
        "agent_vault_store_fetch_failures_total{kind=\"vault\",why=\"not_found\"} 2",
        "agent_vault_store_fetch_failures_total{kind=\"vault\",why=\"timeout\"} 0"}) {
    CAPTURE(line, text);
    CHECK(has(text, line));
  }
  CHECK(text.find("secret/") == std::string::npos);
  CHECK(text.find("xst_") == std::string::npos);
}

TEST_CASE("the counts of a store go with it, those of its kind stay") {
  HandClock clock;
  StoreMeter meter(clock);
  const auto store = meter.metered(std::make_shared<SlowStore>(clock), "xst_1", "vault");
  REQUIRE(store->fetch("a"));
  meter.keep_only({{"xst_1", 1}});
  CHECK(meter.health("xst_1").asked == 1);
  meter.keep_only({});
  CHECK(meter.health("xst_1").asked == 0);
  CHECK(has(meter.text({}), "agent_vault_store_fetch_seconds_count{kind=\"vault\"} 1"));
}

}  // namespace av::cmd
