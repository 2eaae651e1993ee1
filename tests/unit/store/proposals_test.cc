#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "temp_home.h"
#include "vault/service_codec.h"

using namespace av;
using namespace av::test;
using vault::ProposalState;

namespace {

class StillClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return now; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(Millis{now});
  }
  std::int64_t now = 1'700'000'000'000;
};

constexpr const char* kStripe =
    R"({"message":"m","services":[{"name":"stripe","host":"*.stripe.com/v1/*",)"
    R"("auth":{"type":"bearer","token":"SK"}}],"credentials":[{"key":"SK","description":"d"}]})";
constexpr const char* kMade =
    R"({"credentials":[{"key":"MADE","value":"canary-from-agent"},{"key":"ASKED"}]})";
constexpr std::string_view kVault = "default";

struct Fixture {
  TempHome home;
  StillClock clock;
  std::unique_ptr<store::SqliteStore> store = std::move(*open_store(home, clock));
  int links = 0;

  Expected<std::uint64_t> create(const std::string& json, std::string_view vault = kVault,
                                 const vault::Proposer& by = {"", "", "run_1"}) {
    AV_TRY(const vault::ReadProposal read, vault::read_proposal(secret(json)));
    return store->create_proposal(vault, by, read, link(++links));
  }
  static crypto::Digest link(int number) { return crypto::sha256(std::to_string(number)); }

  store::Store::ProposalApproval approval(std::uint64_t number, std::string_view vault = kVault) {
    store::Store::ProposalApproval out;
    out.reviewer = "user:alice@terminal";
    const auto review = store->review_proposal(vault, number, {});
    INFO((review ? "" : review.error().message));
    REQUIRE(review);
    out.fingerprint = review->diff.fingerprint;
    for (const std::string& key : review->diff.needed) {
      out.values.push_back({key, secret("value of " + key)});
    }
    return out;
  }
  ProposalState state(std::uint64_t number) { return store->get_proposal(kVault, number)->state; }
  std::string code(const Status& status) {
    return status ? "" : std::string(to_string(status.error().code));
  }
  // Everything that a proposal could have changed.
  std::string contents() {
    std::string out;
    const auto services = *store->list_services(kVault);
    for (const auto& service : services) {
      out += vault::service_to_json(service) + "\n";
    }
    const auto credentials = *store->list_credentials(kVault);
    for (const auto& credential : credentials) {
      out += credential.key + " " + std::to_string(credential.version) + " " +
             get(*store, credential.key) + "\n";
    }
    const auto proposals = *store->list_proposals(kVault, std::nullopt);
    for (const auto& proposal : proposals) {
      out += vault::proposal_to_json(proposal) + "\n";
    }
    return out;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "proposals: approval applies services and credentials at once",
                 "[store][proposal]") {
  REQUIRE(*create(kStripe) == 1);
  REQUIRE(*create(kMade) == 2);
  const auto review = store->review_proposal(kVault, 1, {});
  REQUIRE(review);
  CHECK(review->diff.needed == std::vector<std::string>{"SK"});
  CHECK(review->proposal.by.run == "run_1");
  CHECK(store->list_proposals("", ProposalState::kPending)->size() == 2);
  CHECK(store->list_services(kVault)->empty());

  store::Store::ProposalApproval yes = approval(1);
  yes.narrowing.services = {{"stripe", "api.stripe.com", "", {"GET"}}};
  yes.narrowing.uses = 5;
  REQUIRE(store->approve_proposal(kVault, 1, yes));
  CHECK(get(*store, "SK") == "value of SK");
  const auto services = *store->list_services(kVault);
  REQUIRE(services.size() == 1);
  CHECK(services[0].host == "api.stripe.com");
  CHECK(services[0].path == "/v1/*");
  CHECK(services[0].methods == std::vector<std::string>{"GET"});
  CHECK(services[0].max_uses == 5);
  CHECK(services[0].grant == "proposal-1");
  const auto done = *store->get_proposal(kVault, 1);
  CHECK(done.state == ProposalState::kApplied);
  CHECK(done.reviewer == "user:alice@terminal");
  CHECK(done.decided_ms == clock.now);
  CHECK_THAT(done.narrowed, Catch::Contains("api.stripe.com"));
  CHECK(store->credential_history(kVault, "SK")->front().origin == "proposal 1");

  // Once.
  CHECK(code(store->approve_proposal(kVault, 1, yes)) == "conflict");
  CHECK(code(store->reject_proposal(kVault, 1, "user:bob", "")) == "conflict");
  CHECK(code(store->approve_proposal(kVault, 9, yes)) == "not_found");

  REQUIRE(store->approve_proposal(kVault, 2, approval(2)));
  CHECK(get(*store, "MADE") == "canary-from-agent");
  CHECK(get(*store, "ASKED") == "value of ASKED");
}

TEST_CASE_METHOD(Fixture, "proposals: nobody approves without a name, nor with foreign values",
                 "[store][proposal]") {
  REQUIRE(create(kStripe));
  store::Store::ProposalApproval yes = approval(1);
  yes.reviewer.clear();
  CHECK_FALSE(store->approve_proposal(kVault, 1, yes));
  yes = approval(1);
  yes.values.push_back({"OTHER", secret("x")});
  CHECK(code(store->approve_proposal(kVault, 1, yes)) == "invalid");
  yes = approval(1);
  yes.values.clear();
  const Status missing = store->approve_proposal(kVault, 1, yes);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message == "these values are missing: SK");
  yes = approval(1);
  yes.values[0].value = secret("");
  CHECK(code(store->approve_proposal(kVault, 1, yes)) == "invalid");
  yes = approval(1);
  yes.narrowing.services = {{"stripe", "*.evil.com", "", {}}};
  CHECK(code(store->approve_proposal(kVault, 1, yes)) == "not_permitted");
  CHECK(store->list_services(kVault)->empty());
  CHECK(store->list_credentials(kVault)->empty());
  CHECK(state(1) == ProposalState::kPending);
}

TEST_CASE_METHOD(Fixture, "proposals: what was looked at is what is applied", "[store][proposal]") {
  REQUIRE(create(kStripe));
  const store::Store::ProposalApproval looked_at = approval(1);
  SECTION("a credential has come") {
    REQUIRE(set(*store, "SK", "mine"));
  }
  SECTION("a service of that name has come") {
    REQUIRE(store->put_services(
        kVault, {*vault::service_from_json(
                    R"({"name":"stripe","host":"a.test.com","auth":{"type":"passthrough"}})")}));
  }
  SECTION("such requests are refused by now") {
    REQUIRE(store->set_unmatched(kVault, vault::UnmatchedPolicy::kDeny));
  }
  CHECK(code(store->approve_proposal(kVault, 1, looked_at)) == "conflict");
  CHECK(state(1) == ProposalState::kPending);
  // Looked at again, it may be.
  REQUIRE(store->approve_proposal(kVault, 1, approval(1)));
}

TEST_CASE_METHOD(Fixture, "proposals: one that does not fit any more cannot be approved",
                 "[store][proposal]") {
  REQUIRE(set(*store, "SK", "mine"));
  REQUIRE(
      create(R"({"services":[{"host":"a.stripe.com","auth":{"type":"bearer","token":"SK"}}]})"));
  const store::Store::ProposalApproval looked_at = approval(1);
  REQUIRE(store->delete_credentials(kVault, {"SK"}));
  CHECK(code(store->approve_proposal(kVault, 1, looked_at)) == "conflict");
  const auto review = store->review_proposal(kVault, 1, {});
  REQUIRE_FALSE(review);
  CHECK(review.error().code == ErrorCode::kConflict);
  REQUIRE(store->reject_proposal(kVault, 1, "user:alice", "too late\nsorry"));
  CHECK(store->get_proposal(kVault, 1)->review_note == "too late\nsorry");
}

TEST_CASE_METHOD(Fixture, "proposals: what refers to nothing is not taken", "[store][proposal]") {
  const auto made =
      create(R"({"services":[{"host":"a.test.com","auth":{"type":"bearer","token":"NO_KEY"}}]})");
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::kInvalid);
  CHECK(create(R"({"credentials":[{"action":"delete","key":"NO_KEY"}]})").error().code ==
        ErrorCode::kNotFound);
  CHECK(create(kStripe, "nowhere").error().code == ErrorCode::kNotFound);
  // A number is not used up by what was refused.
  CHECK(*create(kStripe) == 1);
  CHECK_FALSE(store->reject_proposal(kVault, 1, "user:alice", "\x1b[2J"));
}

TEST_CASE_METHOD(Fixture, "proposals: twenty wait in a vault, and numbers are not given twice",
                 "[store][proposal]") {
  REQUIRE(store->create_vault("other"));
  for (std::uint64_t i = 1; i <= 20; ++i) {
    REQUIRE(*create(kStripe) == i);
  }
  const auto more = create(kStripe);
  REQUIRE_FALSE(more);
  CHECK(more.error().code == ErrorCode::kConflict);
  CHECK(*create(kStripe, "other") == 1);
  REQUIRE(store->reject_proposal(kVault, 20, "user:alice", ""));
  CHECK(*create(kStripe) == 21);
  // Those that have expired make room.
  clock.now += vault::ProposalLimits::kLifetimeMs;
  CHECK(*create(kStripe) == 22);
}

TEST_CASE_METHOD(Fixture, "proposals: ten thousand in a row leave a bounded number",
                 "[store][proposal]") {
  const std::size_t count = 600;  // each is a commit; the bound is what matters
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = create(kStripe);
    REQUIRE(number);
    REQUIRE(store->reject_proposal(kVault, *number, "user:alice", ""));
  }
  CHECK(store->list_proposals(kVault, std::nullopt)->size() <= 501);
  CHECK(*create(kStripe) == count + 1);
}

TEST_CASE_METHOD(Fixture, "proposals: expiry is enforced when it is decided, not when it is listed",
                 "[store][proposal]") {
  REQUIRE(create(kMade));
  const store::Store::ProposalApproval yes = approval(1);
  clock.now += vault::ProposalLimits::kLifetimeMs - 1;
  CHECK(state(1) == ProposalState::kPending);
  clock.now += 1;
  CHECK(code(store->approve_proposal(kVault, 1, yes)) == "conflict");
  CHECK(code(store->reject_proposal(kVault, 1, "user:alice", "")) == "conflict");
  CHECK(state(1) == ProposalState::kExpired);
  CHECK(store->list_proposals(kVault, ProposalState::kPending)->empty());
  CHECK(store->list_proposals(kVault, ProposalState::kExpired)->size() == 1);
  CHECK(store->list_credentials(kVault)->empty());
  // Setting the clock back does not bring it back once that is written down.
  REQUIRE(create(kStripe));
  clock.now -= vault::ProposalLimits::kLifetimeMs;
  CHECK(state(1) == ProposalState::kExpired);
}

TEST_CASE_METHOD(Fixture, "proposals: a link shows one proposal for a day", "[store][proposal]") {
  REQUIRE(create(kStripe));
  REQUIRE(create(kMade));
  CHECK(store->proposal_of_link(link(2))->number == 2);
  CHECK(store->proposal_of_link(link(7)).error().code == ErrorCode::kNotPermitted);
  clock.now += vault::ProposalLimits::kLinkMs;
  CHECK(store->proposal_of_link(link(2)).error().code == ErrorCode::kNotPermitted);
}

TEST_CASE_METHOD(Fixture, "proposals: an agent's value is sealed, and gone when it is decided",
                 "[store][proposal][security]") {
  REQUIRE(create(kMade));
  REQUIRE(create(kMade));
  const auto in_files = [&] {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(home.root())) {
      if (!entry.is_regular_file()) {
        continue;
      }
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(in), {}};
      if (bytes.find("canary-from-agent") != std::string::npos) {
        return true;
      }
    }
    return false;
  };
  CHECK_FALSE(in_files());
  CHECK(reveal(*store->proposed_value(kVault, 1, "MADE")) == "canary-from-agent");
  CHECK(store->proposed_value(kVault, 1, "ASKED").error().code == ErrorCode::kNotFound);

  SECTION("moved to another proposal it cannot be read") {
    tamper(home, "DELETE FROM proposal_value WHERE proposal_id = 2");
    tamper(home, "UPDATE proposal_value SET proposal_id = 2");
    CHECK(store->proposed_value(kVault, 2, "MADE").error().code == ErrorCode::kCorrupt);
    CHECK(code(store->approve_proposal(kVault, 2, approval(2))) == "corrupt");
    CHECK(store->list_credentials(kVault)->empty());
  }
  SECTION("a rotation of the key takes it along") {
    REQUIRE(store->rotate_key({}));
    CHECK(reveal(*store->proposed_value(kVault, 1, "MADE")) == "canary-from-agent");
    store.reset();
    store = std::move(*open_store(home, clock));
    REQUIRE(store->approve_proposal(kVault, 1, approval(1)));
    CHECK(get(*store, "MADE") == "canary-from-agent");
  }
  SECTION("a damaged one stops a rotation, which changes nothing") {
    tamper(home, "UPDATE proposal_value SET sealed = zeroblob(60)");
    CHECK_FALSE(store->rotate_key({}));
    REQUIRE(store->reject_proposal(kVault, 1, "user:alice", ""));
    REQUIRE(store->reject_proposal(kVault, 2, "user:alice", ""));
    CHECK(store->rotate_key({}));
  }
  SECTION("gone") {
    REQUIRE(store->reject_proposal(kVault, 1, "user:alice", ""));
    REQUIRE(store->approve_proposal(kVault, 2, approval(2)));
    SQLite::Database db(home.paths().database().string());
    CHECK(db.execAndGet("SELECT count(*) FROM proposal_value").getInt() == 0);
  }
}

TEST_CASE_METHOD(Fixture, "proposals: what the human gives counts more than what the agent gave",
                 "[store][proposal]") {
  REQUIRE(create(kMade));
  store::Store::ProposalApproval yes = approval(1);
  yes.values.push_back({"MADE", secret("mine")});
  REQUIRE(store->approve_proposal(kVault, 1, yes));
  CHECK(get(*store, "MADE") == "mine");
}

TEST_CASE_METHOD(Fixture, "proposals: an agent that is gone, or out of scope, is told about",
                 "[store][proposal]") {
  vault::Agent agent;
  agent.name = "claude";
  agent.services = {"github"};
  REQUIRE(store->create_agent(agent, crypto::sha256("token")));
  const std::string uid = store->get_agent("claude")->uid;
  REQUIRE(create(kStripe, kVault, {"claude", uid, "run_1"}));
  const auto warns = [&](std::string_view text) {
    const auto review = *store->review_proposal(kVault, 1, {});
    for (const auto& line : review.diff.lines) {
      if (line.kind == vault::DiffLine::Kind::kWarn && line.text.find(text) != std::string::npos) {
        return true;
      }
    }
    return false;
  };
  CHECK(warns("the agent claude may not use it"));
  CHECK_FALSE(warns("revoked or deleted"));
  const store::Store::ProposalApproval looked_at = approval(1);
  REQUIRE(store->revoke_agent("claude"));
  CHECK(warns("revoked or deleted"));
  CHECK(code(store->approve_proposal(kVault, 1, looked_at)) == "conflict");
}

TEST_CASE_METHOD(Fixture, "proposals: of many that approve at once, one does",
                 "[store][proposal][race]") {
  REQUIRE(create(kStripe));
  std::vector<std::thread> threads;
  std::atomic<int> done{0};
  const std::string fingerprint = approval(1).fingerprint;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      auto own = open_store(home, clock);
      store::Store::ProposalApproval yes;
      yes.reviewer = "user:" + std::to_string(i);
      yes.fingerprint = fingerprint;
      yes.values.push_back({"SK", secret("from " + std::to_string(i))});
      done += (*own)->approve_proposal(kVault, 1, yes) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(done == 1);
  CHECK(store->credential_history(kVault, "SK")->size() == 1);
}

TEST_CASE_METHOD(Fixture, "proposals: kill -9 at any moment leaves all of it or nothing",
                 "[store][proposal][crash]") {
  // Many keys, so that there is something to be half of.
  std::string keys;
  for (int i = 0; i < 9; ++i) {
    keys += (i == 0 ? "" : ",") + std::string(R"({"key":"K)") + std::to_string(i) +
            R"(","value":")" + std::string(20'000, 'v') + "\"}";
  }
  int applied = 0;
  for (int round = 0; round < 30; ++round) {
    REQUIRE(create(R"({"credentials":[)" + keys + "]}"));
    const auto number = store->list_proposals(kVault, ProposalState::kPending)->front().number;
    const store::Store::ProposalApproval yes = approval(number);
    const std::size_t before = store->list_credentials(kVault)->size();
    store.reset();
    const pid_t child = ::fork();
    if (child == 0) {
      auto own = open_store(home, clock);
      (void)(*own)->approve_proposal(kVault, number, yes);
      ::_exit(0);
    }
    // From before it has opened the store until after it has committed.
    ::usleep(static_cast<useconds_t>(round) * 700);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    store = std::move(*open_store(home, clock));
    const bool is_applied = state(number) == ProposalState::kApplied;
    const auto after = *store->list_credentials(kVault);
    applied += is_applied ? 1 : 0;
    if (is_applied) {
      CHECK(after.size() == 9);
      for (const auto& credential : after) {
        CHECK(credential.version == after.front().version);
      }
    } else {
      CHECK(after.size() == before);
      REQUIRE(store->reject_proposal(kVault, number, "user:alice", ""));
    }
  }
  INFO(applied << " of 30 were applied");
}

TEST_CASE_METHOD(Fixture, "proposals: a full disk applies nothing", "[store][proposal]") {
  REQUIRE(create(R"({"services":[{"host":"a.test.com","auth":{"type":"bearer","token":"BIG"}}],)"
                 R"("credentials":[{"key":"BIG"}]})"));
  store::Store::ProposalApproval yes = approval(1);
  yes.values[0].value = secret(std::string(900'000, 'x'));
  const std::string before = contents();
  struct rlimit old {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small { 300'000, old.rlim_max };
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const Status full = store->approve_proposal(kVault, 1, yes);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
  ::signal(SIGXFSZ, handler);
  CHECK_FALSE(full);
  CHECK(contents() == before);
  REQUIRE(store->approve_proposal(kVault, 1, approval(1)));
}
