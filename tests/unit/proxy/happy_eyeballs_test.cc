#include "proxy/happy_eyeballs.h"

#include <catch2/catch.hpp>

#include "net_fixture.h"

using namespace av;               // NOLINT: a test
using namespace av::proxy;        // NOLINT
using namespace av::proxy::test;  // NOLINT

namespace {

constexpr Millis kNever{60'000};

std::vector<Endpoint> at(std::vector<const char*> addresses, std::uint16_t port) {
  std::vector<Endpoint> endpoints;
  for (const char* const text : addresses) {
    endpoints.push_back(Endpoint{ip(text), port});
  }
  return endpoints;
}

Outcome<UpstreamPtr> race(Net& net, std::vector<Endpoint> endpoints, Millis limit, Millis delay) {
  return net.run(race_connect(net.executor(), net.deadlines, std::move(endpoints), "host.test",
                              ConnectBudget(limit), delay));
}

std::string text_of(const std::vector<Endpoint>& endpoints) {
  std::string text;
  for (const Endpoint& endpoint : endpoints) {
    text += to_string(endpoint) + ' ';
  }
  return text;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("happy eyeballs: families take turns, the resolver's first one begins", "[proxy][race]") {
  CHECK(text_of(interleave(at({"2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"}, 1))) ==
        "[2001:db8::1]:1 192.0.2.1:1 [2001:db8::2]:1 192.0.2.2:1 ");
  CHECK(text_of(interleave(at({"192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"}, 1))) ==
        "192.0.2.1:1 [2001:db8::1]:1 192.0.2.2:1 192.0.2.3:1 ");
  CHECK(text_of(interleave(at({"192.0.2.1"}, 1))) == "192.0.2.1:1 ");
  CHECK(interleave({}).empty());
  const std::vector<Endpoint> many(100, Endpoint{ip("192.0.2.1"), 1});
  CHECK(interleave(many).size() == kMaxEndpoints);
}

TEST_CASE("happy eyeballs: an address that does not answer costs the attempt delay, no more",
          "[proxy][race]") {
  Net net;
  const BlackHole silent("127.0.0.3");
  Server server(net, "127.0.0.4", silent.port());
  const std::size_t streams = net.deadlines.size();
  {
    const auto start = std::chrono::steady_clock::now();
    auto won = race(net, at({"127.0.0.3", "127.0.0.4"}, server.port()), kNever, Millis{100});
    REQUIRE(won);
    CHECK((*won)->address == "127.0.0.4:" + std::to_string(server.port()));
    CHECK(seconds_since(start) >= 0.095);
    CHECK(seconds_since(start) < 2);
    net.settle();
    // The winner and the server's end of it; the attempt that lost is gone.
    CHECK(net.deadlines.size() == streams + 2);
  }
  net.settle();
  CHECK(net.deadlines.size() == streams);
  // Without a second address, the silence lasts as long as it may.
  auto lost = race(net, at({"127.0.0.3"}, server.port()), Millis{200}, Millis{100});
  CHECK(code_of(lost) == "connect_timeout");
  net.settle();
  CHECK(net.deadlines.size() == streams);
}

TEST_CASE("happy eyeballs: a failure starts the next attempt at once", "[proxy][race]") {
  Net net;
  Server server(net, "127.0.0.4");
  const auto start = std::chrono::steady_clock::now();
  auto won = race(net, at({"127.0.0.3", "127.0.0.5", "127.0.0.4"}, server.port()), kNever, kNever);
  REQUIRE(won);
  CHECK((*won)->address == "127.0.0.4:" + std::to_string(server.port()));
  CHECK(seconds_since(start) < 5);
  CHECK(server.accepted == 1);
}

TEST_CASE("happy eyeballs: the other family is tried too", "[proxy][race]") {
  Net net;
  Server server(net, "127.0.0.4");
  auto won = race(net, at({"::1", "127.0.0.4"}, server.port()), kNever, kNever);
  REQUIRE(won);
  CHECK((*won)->address == "127.0.0.4:" + std::to_string(server.port()));
}

TEST_CASE("happy eyeballs: later addresses are not bothered when the first answers",
          "[proxy][race]") {
  Net net;
  Server first(net, "127.0.0.4");
  Server second(net, "127.0.0.5", first.port());
  REQUIRE(race(net, at({"127.0.0.4", "127.0.0.5"}, first.port()), kNever, Millis{250}));
  net.settle();
  CHECK(first.accepted == 1);
  CHECK(second.accepted == 0);
}

TEST_CASE("happy eyeballs: when all fail, the most telling failure is the answer",
          "[proxy][race]") {
  Net net;
  const BlackHole silent("127.0.0.3");
  const std::size_t streams = net.deadlines.size();
  auto refused = race(net, at({"127.0.0.3", "127.0.0.4"}, silent.port()), Millis{300}, Millis{10});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "connect_refused");
  CHECK(refused.error().status == 502);
  CHECK(refused.error().transient);
  CHECK(refused.error().message.find("127.0.0.4") != std::string::npos);
  CHECK(refused.error().message.find("1 other address") != std::string::npos);
  // No route to anywhere says less than silence.
  auto late =
      race(net, at({"255.255.255.255", "127.0.0.3"}, silent.port()), Millis{300}, Millis{10});
  REQUIRE_FALSE(late);
  CHECK(late.error().code == "connect_timeout");
  CHECK(late.error().status == 504);
  net.settle();
  CHECK(net.deadlines.size() == streams);
}

TEST_CASE("happy eyeballs: all attempts share one limit", "[proxy][race]") {
  Net net;
  const BlackHole silent("127.0.0.3");
  const std::vector<Endpoint> many(8, Endpoint{ip("127.0.0.3"), silent.port()});
  const auto start = std::chrono::steady_clock::now();
  auto late = race(net, many, Millis{300}, Millis{100});
  CHECK(code_of(late) == "connect_timeout");
  CHECK(seconds_since(start) < 1.5);
}

TEST_CASE("happy eyeballs: a worker that stops is not kept by attempts", "[proxy][race]") {
  Net net;
  const BlackHole silent("127.0.0.3");
  const std::size_t streams = net.deadlines.size();
  const std::vector<Endpoint> many(8, Endpoint{ip("127.0.0.3"), silent.port()});
  std::optional<Outcome<UpstreamPtr>> result;
  asio::co_spawn(net.io,
                 keep_result(race_connect(net.executor(), net.deadlines, many, "host.test",
                                          ConnectBudget(kNever), kNever),
                             &result),
                 asio::detached);
  net.settle();
  REQUIRE_FALSE(result);
  REQUIRE(net.deadlines.size() == streams + 1);
  net.deadlines.close_all();
  net.settle();
  REQUIRE(result);
  CHECK_FALSE(*result);
  CHECK(net.deadlines.size() == streams);
}
