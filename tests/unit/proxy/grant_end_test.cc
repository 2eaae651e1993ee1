// What becomes of connections when the grant behind them ends: the agent was revoked, deleted,
// taken out of the vault or given a new token, or the session's time is over.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "running_proxy.h"

using namespace av;                  // NOLINT: a test
using namespace av::proxy;           // NOLINT
using namespace av::proxy::testing;  // NOLINT

namespace {

using SteadyClock = std::chrono::steady_clock;

vault::Agent builder() {
  vault::Agent agent;
  agent.name = "builder";
  agent.uid = "0a";
  agent.rotated_ms = 7;
  return agent;
}

std::shared_ptr<vault::PolicySnapshot> snapshot_with(const vault::Agent& agent) {
  auto snapshot = std::make_shared<vault::PolicySnapshot>();
  snapshot->unmatched = vault::UnmatchedPolicy::kPassthrough;
  snapshot->agents.emplace(agent.name, agent);
  return snapshot;
}

void act_for_builder(SessionGrant& grant, ProxyOptions&, vault::PolicySnapshot& snapshot) {
  grant.principal.agent = "builder";
  grant.principal.agent_uid = "0a";
  grant.agent_rotated_ms = 7;
  snapshot.agents.emplace("builder", builder());
}

// One connection in each state that a connection can be in, with its upstream where it has one.
struct Everything {
  explicit Everything(RunningProxy& run) : idle(run.client()) {
    idle.send(run.get());
    upstreams.push_back(run.accept());
    REQUIRE(upstreams.back().until("\r\n\r\n"));
    upstreams.back().send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    REQUIRE(idle.until("\r\n\r\n"));

    // From the pool: the same connection as before.
    Peer& waiting = add(run);
    waiting.send(run.get());
    upstreams.back().received.clear();
    REQUIRE(upstreams.back().until("\r\n\r\n"));

    Peer& events = add(run);
    events.send(run.get());
    upstreams.push_back(run.accept());
    REQUIRE(upstreams.back().until("\r\n\r\n"));
    upstreams.back().send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        "9\r\ndata: 1\n\n\r\n");
    REQUIRE(events.until("data: 1"));

    Peer& socket = add(run);
    std::string opening = run.get();
    opening.insert(opening.size() - 2,
                   "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    socket.send(opening);
    upstreams.push_back(run.accept());
    REQUIRE(upstreams.back().until("\r\n\r\n"));
    upstreams.back().send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    REQUIRE(socket.until("\r\n\r\n"));
    upstreams.back().send(std::string("\x81\x02hi", 4));
    REQUIRE(socket.until("hi"));

    Peer& upload = add(run);
    std::string post = run.get();
    post.replace(0, 3, "POST");
    post.insert(post.size() - 2, "Content-Length: 100\r\n");
    upload.send(post + "first half");
    upstreams.push_back(run.accept());
    REQUIRE(upstreams.back().until("first half"));

    Peer& quiet = add(run);  // a tunnel in which nothing was said
    const std::string authority = "127.0.0.1:" + std::to_string(run.upstream_port);
    quiet.send("CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority +
               "\r\nProxy-Authorization: Bearer token\r\n\r\n");
    REQUIRE(quiet.until("\r\n\r\n"));

    Peer& http2 = add(run);
    run.tunnel(http2);
    const std::string block =
        std::string("\x82\x86\x84\x41") + static_cast<char>(authority.size()) + authority;
    http2.send(frame(1, 5, 1, block));
    upstreams.push_back(run.accept());
    REQUIRE(upstreams.back().until(proxy::testing::kPreface));
    upstreams.back().send(frame(4, 0, 0));
    REQUIRE(upstreams.back().until(std::string_view("\x00\x00\x00\x04\x01", 5)));
    upstreams.back().send(frame(1, 4, 1, "\x88") + frame(0, 0, 1, "half of it"));
    REQUIRE(http2.until("half of it"));
  }
  Peer& add(RunningProxy& run) { return clients.emplace_back(run.client()); }
  // All of it has ended, on both sides.
  void check_cut() {
    CHECK(idle.ended());
    int number = 0;
    for (Peer& client : clients) {
      INFO("client " << ++number);
      CHECK(client.ended());
    }
    number = 0;
    for (Peer& upstream : upstreams) {
      INFO("upstream " << ++number);
      CHECK(upstream.ended());
    }
  }
  Peer idle;
  std::list<Peer> clients;
  std::list<Peer> upstreams;
};

std::string answer(RunningProxy& run, const std::string& request) {
  Peer client = run.client();
  client.send(request);
  CHECK(client.ended());
  return client.received;
}

}  // namespace

TEST_CASE("grant: every connection of an agent ends with it, on both sides, within a second",
          "[proxy][grant]") {
  RunningProxy run(act_for_builder);
  Everything open(run);
  vault::Agent other = builder();
  std::shared_ptr<vault::PolicySnapshot> after;
  SECTION("revoked, deleted or taken out of the vault") {
    after = snapshot_with(other);
    after->agents.clear();
  }
  SECTION("deleted, and another made of its name") {
    other.uid = "0b";
    after = snapshot_with(other);
  }
  SECTION("given a new token") {
    other.rotated_ms = 8;
    after = snapshot_with(other);
  }
  const auto began = SteadyClock::now();
  run.server->publish(after, run.ring);
  open.check_cut();
  CHECK(SteadyClock::now() - began < Millis{1000});

  CHECK(answer(run, run.get()).find("\"error\":\"agent_revoked\"") != std::string::npos);
  CHECK(answer(run,
               "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n"
               "Proxy-Authorization: Bearer token\r\n\r\n")
            .starts_with("HTTP/1.1 407 "));
  CHECK(answer(run,
               "GET /discover HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
               "Authorization: Bearer token\r\n\r\n")
            .starts_with("HTTP/1.1 401 "));
  // Only who has the token learns what became of it.
  std::string wrong = run.get();
  wrong.replace(wrong.find("token"), 5, "other");
  CHECK(answer(run, wrong).find("\"error\":\"proxy_authentication_required\"") !=
        std::string::npos);
}

TEST_CASE("grant: a snapshot in which nothing became of the agent cuts nothing", "[proxy][grant]") {
  RunningProxy run(act_for_builder);
  Everything open(run);
  vault::Agent changed = builder();
  changed.services = {"github"};
  changed.max_concurrent = 1;
  run.server->publish(snapshot_with(changed), run.ring);
  // What is under way goes on; a new request shows that the snapshot has arrived.
  auto upstream = open.upstreams.begin();
  auto client = open.clients.begin();
  upstream->send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
  CHECK(client->until("late"));
  std::advance(upstream, 1);
  std::advance(client, 1);
  upstream->send("9\r\ndata: 2\n\n\r\n");
  CHECK(client->until("data: 2"));
  std::advance(upstream, 1);
  std::advance(client, 1);
  upstream->send(std::string("\x81\x02ho", 4));
  CHECK(client->until("ho"));
  open.upstreams.back().send(frame(0, 1, 1, "the other half"));
  CHECK(open.clients.back().until("the other half"));
}

TEST_CASE("grant: a scope that is given back lets new connections in again", "[proxy][grant]") {
  RunningProxy run(act_for_builder);
  auto without = snapshot_with(builder());
  without->agents.clear();
  run.server->publish(without, run.ring);
  CHECK(answer(run, run.get()).starts_with("HTTP/1.1 407 "));
  run.server->publish(snapshot_with(builder()), run.ring);
  // The worker may be in the middle of accepting when a snapshot is handed to it.
  const std::string discover =
      "GET /discover HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
      "Authorization: Bearer token\r\n\r\n";
  const auto give_up = SteadyClock::now() + Millis{8'000};
  while (!answer(run, discover).starts_with("HTTP/1.1 200 ")) {
    REQUIRE(SteadyClock::now() < give_up);
  }
  Peer client = run.client();
  client.send(run.get());
  Peer upstream = run.accept();
  REQUIRE(upstream.until("\r\n\r\n"));
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  CHECK(client.until("ok"));
}

TEST_CASE("grant: a session's time ends it, with an agent and without one", "[proxy][grant]") {
  const bool agent = GENERATE(false, true);
  std::int64_t expires = 0;
  RunningProxy run(
      [&](SessionGrant& grant, ProxyOptions& options, vault::PolicySnapshot& snapshot) {
        if (agent) {
          act_for_builder(grant, options, snapshot);
        }
        expires = SystemClock().wall_ms() + 1'500;
        grant.expires_ms = expires;
      });
  Everything open(run);
  REQUIRE(SystemClock().wall_ms() < expires);
  open.check_cut();
  const std::int64_t late = SystemClock().wall_ms() - expires;
  CHECK(late >= 0);
  CHECK(late < 1'000);
  CHECK(answer(run, run.get()).find("\"error\":\"session_expired\"") != std::string::npos);
  // Nothing that is published brings it back.
  run.server->publish(snapshot_with(builder()), run.ring);
  CHECK(answer(run, run.get()).find("\"error\":\"session_expired\"") != std::string::npos);
}

namespace {

// Somebody who is asked and has not answered yet.
class SlowDesk final : public vault::ApprovalDesk {
 public:
  Status ask(vault::ApprovalRequest request, Answer answer) override {
    const std::lock_guard lock(mutex);
    answers[request.id] = std::move(answer);
    return {};
  }
  void withdraw(const std::string& id, vault::ApprovalState) override {
    const std::lock_guard lock(mutex);
    withdrawn = withdrawn || answers.contains(id);
  }
  template <typename Look>
  bool within_a_second(Look look) {
    const auto end = SteadyClock::now() + Millis{1000};
    while (SteadyClock::now() < end) {
      {
        const std::lock_guard lock(mutex);
        if (look()) {
          return true;
        }
      }
      std::this_thread::sleep_for(Millis{5});
    }
    return false;
  }
  std::mutex mutex;
  std::map<std::string, Answer> answers;
  bool withdrawn = false;
};

}  // namespace

TEST_CASE("grant: a request that waits for a human is given up, and a late answer sends nothing",
          "[proxy][grant]") {
  const auto desk = std::make_shared<SlowDesk>();
  vault::Rule rule;
  rule.name = "ask";
  rule.uid = "0c";
  rule.action = vault::RuleAction::kApprove;
  RunningProxy run(
      [&](SessionGrant& grant, ProxyOptions& options, vault::PolicySnapshot& snapshot) {
        act_for_builder(grant, options, snapshot);
        snapshot.set_rules({rule});
        options.approvals = desk;
      });
  const bool revoked = GENERATE(true, false);
  Peer client = run.client();
  client.send(run.get());
  REQUIRE(desk->within_a_second([&] { return desk->answers.size() == 1; }));
  if (revoked) {
    auto after = snapshot_with(builder());
    after->agents.clear();
    run.server->publish(after, run.ring);
    CHECK(client.ended());
    CHECK(client.received.empty());
    CHECK(desk->within_a_second([&] { return desk->withdrawn; }));
  }
  desk->answers.begin()->second(vault::ApprovalState::kAllowed);
  pollfd waiting{run.upstream.get(), POLLIN, 0};
  if (revoked) {
    // Another connection of this worker's is served behind the answer.
    CHECK(answer(run, run.get()).find("agent_revoked") != std::string::npos);
    CHECK(::poll(&waiting, 1, 0) == 0);
  } else {
    CHECK(::poll(&waiting, 1, kPatience) == 1);  // the control
  }
}

namespace {

// Lanes in memory; fails on demand.
class Lanes final : public vault::LaneKeeper {
 public:
  Expected<std::optional<std::uint32_t>> take(std::string_view uid, std::uint32_t limit) override {
    if (broken) {
      return make_error(ErrorCode::kIo, "the disk is gone");
    }
    right_agent = right_agent && uid == "0a";
    return used < limit ? std::optional(used++) : std::optional<std::uint32_t>();
  }
  void give_back(std::string_view, std::uint32_t) override { --used; }
  std::atomic<std::uint32_t> used{0};
  std::atomic<bool> broken{false};
  std::atomic<bool> right_agent{true};
};

}  // namespace

TEST_CASE("lanes: one request too many is refused until another has ended", "[proxy][lanes]") {
  const auto lanes = std::make_shared<Lanes>();
  RunningProxy run(
      [&](SessionGrant& grant, ProxyOptions& options, vault::PolicySnapshot& snapshot) {
        act_for_builder(grant, options, snapshot);
        snapshot.agents.at("builder").max_concurrent = 2;
        options.lanes = lanes;
      });
  Peer one = run.client();
  one.send(run.get());
  Peer first = run.accept();
  REQUIRE(first.until("\r\n\r\n"));
  Peer two = run.client();
  two.send(run.get());
  Peer second = run.accept();
  REQUIRE(second.until("\r\n\r\n"));

  Peer three = run.client();
  three.send(run.get());
  REQUIRE(three.until("}\n"));
  CHECK(three.received.starts_with("HTTP/1.1 429 "));
  CHECK(three.received.find("\"error\":\"too_many_concurrent\"") != std::string::npos);
  CHECK(three.received.find("Retry-After: 1\r\n") != std::string::npos);
  CHECK(three.received.find("x-should-retry") == std::string::npos);

  first.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  REQUIRE(one.until("ok"));
  three.received.clear();
  three.send(run.get());
  first.received.clear();
  REQUIRE(first.until("\r\n\r\n"));
  first.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  CHECK(three.until("ok"));

  lanes->broken = true;
  three.received.clear();
  three.send(run.get());
  REQUIRE(three.until("}\n"));
  CHECK(three.received.starts_with("HTTP/1.1 503 "));
  CHECK(three.received.find("\"error\":\"limits_unavailable\"") != std::string::npos);
  second.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  REQUIRE(two.until("ok"));
  run.server.reset();
  CHECK(lanes->used == 0);
  CHECK(lanes->right_agent);
}

TEST_CASE("lanes: an agent with a limit gets nowhere where nothing can be counted",
          "[proxy][lanes]") {
  RunningProxy run([](SessionGrant& grant, ProxyOptions& options, vault::PolicySnapshot& snapshot) {
    act_for_builder(grant, options, snapshot);
    snapshot.agents.at("builder").max_concurrent = 1;
  });
  Peer client = run.client();
  client.send(run.get());
  REQUIRE(client.until("}\n"));
  CHECK(client.received.find("\"error\":\"limits_unavailable\"") != std::string::npos);
}
