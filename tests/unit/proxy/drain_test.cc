// What becomes of connections when the worker stops with some grace: those between two messages
// end, those with an answer under way get it and then end, and their clients are told.
#include <catch2/catch.hpp>
#include <chrono>
#include <future>
#include <string>

#include "running_proxy.h"

using namespace av;                  // NOLINT: a test
using namespace av::proxy;           // NOLINT
using namespace av::proxy::testing;  // NOLINT

namespace {

constexpr Millis kGrace{20'000};
constexpr std::uint8_t kGoaway = 7;

struct Stopping : RunningProxy {
  void stop() {
    stopped = std::async(std::launch::async, [this] {
      const auto began = std::chrono::steady_clock::now();
      server->stop(kGrace);
      return std::chrono::steady_clock::now() - began;
    });
  }
  std::future<std::chrono::steady_clock::duration> stopped;
};

bool has_goaway(const std::string& bytes) {
  for (std::size_t at = 0; at + 9 <= bytes.size();) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[at + i]); };
    if (byte(3) == kGoaway) {
      return true;
    }
    at += 9 + (static_cast<std::size_t>(byte(0)) << 16U | byte(1) << 8U | byte(2));
  }
  return false;
}

}  // namespace

TEST_CASE("drain: over HTTP/1 idle connections end, and answers under way say that it is the last",
          "[proxy][drain]") {
  Stopping run;
  Peer idle = run.client();
  idle.send(run.get());
  Peer first = run.accept();
  REQUIRE(first.until("\r\n\r\n"));
  first.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  REQUIRE(idle.until("\r\n\r\n"));
  CHECK(idle.received.find("Connection: close") == std::string::npos);

  Peer busy = run.client();
  busy.send(run.get());
  first.received.clear();
  REQUIRE(first.until("\r\n\r\n"));  // from the pool
  Peer halfway = run.client();
  halfway.send(run.get());
  Peer second = run.accept();
  REQUIRE(second.until("\r\n\r\n"));
  second.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
  REQUIRE(halfway.until("\r\n\r\na"));

  run.stop();
  CHECK(idle.ended());
  first.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast");
  CHECK(busy.ended());
  CHECK(busy.received == "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast");
  // Its head went out before anybody knew; the connection ends behind the body all the same.
  second.send("b");
  CHECK(halfway.ended());
  CHECK(halfway.received == "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab");
  CHECK(run.stopped.get() < kGrace / 2);
}

TEST_CASE("drain: HTTP/2 connections are told, finish their streams and end", "[proxy][drain]") {
  Stopping run;
  Peer idle = run.client();
  run.tunnel(idle);
  REQUIRE(idle.until(std::string_view("\x04\x00", 2)));  // its SETTINGS
  Peer busy = run.client();
  run.tunnel(busy);
  // GET http://127.0.0.1:port/
  const std::string authority = "127.0.0.1:" + std::to_string(run.upstream_port);
  const std::string block =
      std::string("\x82\x86\x84\x41") + static_cast<char>(authority.size()) + authority;
  busy.send(frame(1, 5, 1, block));
  Peer upstream = run.accept();
  REQUIRE(upstream.until(proxy::testing::kPreface));
  upstream.send(frame(4, 0, 0));
  REQUIRE(upstream.until(std::string_view("\x00\x00\x00\x04\x01", 5)));  // took ours: it listens

  run.stop();
  CHECK(idle.ended());
  CHECK(has_goaway(idle.received));
  upstream.send(frame(1, 4, 1, "\x88") + frame(0, 1, 1, "the last answer"));
  CHECK(busy.ended());
  CHECK(has_goaway(busy.received));
  CHECK(busy.received.find("the last answer") != std::string::npos);
  CHECK(run.stopped.get() < kGrace / 2);
}
