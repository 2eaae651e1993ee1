#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "temp_home.h"
#include "vault/rule_codec.h"

using namespace av;
using namespace av::test;
using vault::ApprovalState;

namespace {

// A clock that stands still until it is told.
class StillClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return now; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(Millis{now});
  }
  std::int64_t now = 1'700'000'000'000;
};

struct Fixture {
  TempHome home;
  StillClock clock;
  std::unique_ptr<store::SqliteStore> store = std::move(*open_store(home, clock));
  std::string rule_uid = add_rule();

  std::string add_rule() {
    REQUIRE(store->put_rules(
        "default",
        {*vault::rule_from_json(R"({"name":"ask","action":"approve","host":"a.test"})")}));
    return store->list_rules("default")->front().uid;
  }
  [[nodiscard]] vault::ApprovalRequest request(const std::string& id,
                                               const std::string& agent = "claude") const {
    vault::ApprovalRequest out;
    out.id = id;
    out.vault = "default";
    out.run = "run_1";
    out.agent = agent;
    out.rule = "ask";
    out.agent_uid = agent + "-uid";
    out.rule_uids = {rule_uid};
    out.method = "POST";
    out.url = "https://a.test/pay?x=1";
    out.url_no_query = "https://a.test/pay";
    out.preview = "{\"a\": 1}\nb";
    out.body_size = 10;
    out.created_ms = clock.now;
    out.expires_ms = clock.now + 180'000;
    return out;
  }
  [[nodiscard]] vault::ApprovalGrant grant(const std::string& id) const {
    return {id, rule_uid, "claude-uid", "POST", "https://a.test/pay", 3, clock.now + 60'000};
  }
  [[nodiscard]] std::size_t waiting(std::string_view vault = "default") const {
    return store->list_approvals(vault, true)->size();
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "store: a request waits until it is decided, once", "[store][approval]") {
  REQUIRE(store->add_approval(request("apr_1")));
  CHECK(waiting() == 1);
  CHECK(waiting("") == 1);
  const auto read = store->get_approval("apr_1");
  REQUIRE(read);
  CHECK(read->request.url == "https://a.test/pay?x=1");
  CHECK(read->request.preview == "{\"a\": 1}\nb");
  CHECK(read->state == ApprovalState::kPending);
  REQUIRE(store->decide_approval("apr_1", ApprovalState::kDenied, {}));
  CHECK(waiting() == 0);
  for (const ApprovalState state : {ApprovalState::kAllowed, ApprovalState::kDenied}) {
    const Status again = store->decide_approval("apr_1", state, {});
    REQUIRE_FALSE(again);
    CHECK(again.error().code == ErrorCode::kConflict);
  }
  CHECK(store->get_approval("apr_1")->state == ApprovalState::kDenied);
  CHECK(store->get_approval("apr_2").error().code == ErrorCode::kNotFound);
}

TEST_CASE_METHOD(Fixture, "store: nobody decides after the time is up", "[store][approval]") {
  REQUIRE(store->add_approval(request("apr_1")));
  clock.now += 180'000;
  CHECK(waiting() == 0);
  const Status late = store->decide_approval("apr_1", ApprovalState::kAllowed, {grant("apr_1")});
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::kConflict);
  CHECK(store->load_snapshot("default").value()->grants.empty());
  // The run itself notes that.
  CHECK(store->decide_approval("apr_1", ApprovalState::kExpired, {}));
}

TEST_CASE_METHOD(Fixture, "store: an agent has at most 32 requests waiting", "[store][approval]") {
  for (int i = 0; i < 32; ++i) {
    REQUIRE(store->add_approval(request("apr_" + std::to_string(i))));
  }
  const Status full = store->add_approval(request("apr_more"));
  REQUIRE_FALSE(full);
  CHECK(full.error().code == ErrorCode::kConflict);
  CHECK(store->add_approval(request("apr_other", "codex")));
  REQUIRE(store->decide_approval("apr_7", ApprovalState::kAllowed, {}));
  CHECK(store->add_approval(request("apr_more")));
}

TEST_CASE_METHOD(Fixture, "store: a grant is in the snapshot until it expires or its rule goes",
                 "[store][approval]") {
  REQUIRE(store->add_approval(request("apr_1")));
  REQUIRE(store->decide_approval("apr_1", ApprovalState::kAllowed, {grant("apr_1")}));
  const auto grants = store->load_snapshot("default").value()->grants;
  REQUIRE(grants.size() == 1);
  CHECK(grants[0].rule_uid == rule_uid);
  CHECK(grants[0].uses == 3);
  CHECK(grants[0].url_no_query == "https://a.test/pay");
  SECTION("time") {
    clock.now += 60'000;
    CHECK(store->load_snapshot("default").value()->grants.empty());
  }
  SECTION("rule") {
    REQUIRE(store->remove_rules("default", {"ask"}));
    CHECK(store->load_snapshot("default").value()->grants.empty());
  }
  SECTION("a revoked agent") {
    vault::Agent agent;
    agent.name = "claude";
    REQUIRE(store->create_agent(agent, crypto::sha256("token")));
    tamper(home, "UPDATE approval_grant SET agent_uid = (SELECT uid FROM agent)");
    CHECK(store->load_snapshot("default").value()->grants.size() == 1);
    REQUIRE(store->revoke_agent("claude"));
    CHECK(store->load_snapshot("default").value()->grants.empty());
  }
  SECTION("it is listed, and revoked") {
    CHECK(store->list_grants("default")->empty());  // its agent is not there any more
    tamper(home, "UPDATE approval_grant SET agent_uid = ''");
    const auto listed = store->list_grants("default");
    REQUIRE(listed);
    REQUIRE(listed->size() == 1);
    CHECK(listed->front().rule == "ask");
    CHECK(listed->front().vault == "default");
    CHECK(listed->front().grant.id == "apr_1");
    CHECK(store->list_grants("")->size() == 1);
    CHECK(store->list_grants("nowhere").error().code == ErrorCode::kNotFound);
    // All of them or none.
    CHECK(store->revoke_grants({"apr_1", "apr_2"}).error().code == ErrorCode::kNotFound);
    CHECK(store->load_snapshot("default").value()->grants.size() == 1);
    REQUIRE(store->revoke_grants({"apr_1"}));
    CHECK(store->load_snapshot("default").value()->grants.empty());
    CHECK(store->list_grants("")->empty());
  }
  SECTION("a new rule of that name is another one") {
    REQUIRE(store->remove_rules("default", {"ask"}));
    CHECK(add_rule() != rule_uid);
    CHECK(store->load_snapshot("default").value()->grants.empty());
  }
}

TEST_CASE_METHOD(Fixture, "store: a rule that is gone gives no grant, and the request still waits",
                 "[store][approval]") {
  REQUIRE(store->add_approval(request("apr_1")));
  REQUIRE(store->remove_rules("default", {"ask"}));
  const Status granted = store->decide_approval("apr_1", ApprovalState::kAllowed, {grant("apr_1")});
  REQUIRE_FALSE(granted);
  CHECK(granted.error().code == ErrorCode::kConflict);
  CHECK(waiting() == 1);
  CHECK(store->decide_approval("apr_1", ApprovalState::kAllowed, {}));
}
