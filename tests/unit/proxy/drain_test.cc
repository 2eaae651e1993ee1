// What becomes of connections when the worker stops with some grace: those between two messages
// end, those with an answer under way get it and then end, and their clients are told.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <future>
#include <string>
#include <thread>

#include "proxy/proxy_server.h"
#include "support/h2_pair.h"

using namespace av;                  // NOLINT: a test
using namespace av::proxy;           // NOLINT
using namespace av::proxy::testing;  // NOLINT

namespace {

constexpr Millis kGrace{20'000};
constexpr int kPatience = 8'000;  // ms, well below the grace
constexpr std::uint8_t kGoaway = 7;

class Forgetful final : public vault::AuditLog {
 public:
  Status append(const vault::AuditRecord& /*record*/) override { return {}; }
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return where;
}

UniqueFd listener(std::uint16_t& port, int flags) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  sockaddr_in where = loopback(0);
  socklen_t size = sizeof where;
  auto* const generic = reinterpret_cast<sockaddr*>(&where);
  REQUIRE(::bind(fd.get(), generic, size) == 0);
  REQUIRE(::listen(fd.get(), 16) == 0);
  REQUIRE(::getsockname(fd.get(), generic, &size) == 0);
  port = ntohs(where.sin_port);
  return fd;
}

// A socket of the test's, with a limit on every wait.
class Peer {
 public:
  explicit Peer(UniqueFd fd) : fd_(std::move(fd)) {}
  static Peer to(std::uint16_t port) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in where = loopback(port);
    REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&where), sizeof where) == 0);
    return Peer(std::move(fd));
  }
  void send(std::string_view bytes) {
    REQUIRE(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  // Until `text` has come; false at the end of the connection, or when nothing comes for long.
  bool until(std::string_view text) {
    while (received.find(text) == std::string::npos) {
      if (!more()) {
        return false;
      }
    }
    return true;
  }
  // The connection ends.
  bool ended() {
    while (more()) {
    }
    return eof_;
  }
  std::string received;

 private:
  bool more() {
    pollfd waiting{fd_.get(), POLLIN, 0};
    char bytes[4096];
    if (::poll(&waiting, 1, kPatience) <= 0) {
      return false;
    }
    const ssize_t got = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    eof_ = got <= 0;
    received.append(bytes, static_cast<std::size_t>(got > 0 ? got : 0));
    return got > 0;
  }
  UniqueFd fd_;
  bool eof_ = false;
};

struct Stopping {
  Stopping() {
    std::signal(SIGPIPE, SIG_IGN);
    upstream = listener(upstream_port, 0);
    ProxyOptions options;
    options.listeners.push_back(listener(port, SOCK_NONBLOCK));
    options.net.allow_net.push_back(*parse_cidr("127.0.0.0/8"));
    auto authority = std::make_shared<CertificateAuthority>(
        *CertificateAuthority::create("test", Millis{3'600'000}, clock));
    SessionGrant grant;
    grant.token_hash = crypto::sha256("token");
    auto snapshot = std::make_shared<vault::PolicySnapshot>();
    snapshot->unmatched = vault::UnmatchedPolicy::kPassthrough;
    auto ring = std::make_shared<vault::KeyRing>(*vault::KeyRing::generate());
    auto started = ProxyServer::start(std::move(options), std::move(authority), std::move(grant),
                                      std::move(snapshot), std::move(ring), audit, clock);
    REQUIRE(started);
    server = std::move(*started);
  }
  Peer client() { return Peer::to(port); }
  // The upstream's end of the next connection.
  Peer accept() {
    pollfd waiting{upstream.get(), POLLIN, 0};
    REQUIRE(::poll(&waiting, 1, kPatience) == 1);
    return Peer(UniqueFd(::accept4(upstream.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  [[nodiscard]] std::string get() const {
    return "GET http://127.0.0.1:" + std::to_string(upstream_port) +
           "/ HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(upstream_port) +
           "\r\nProxy-Authorization: Bearer token\r\n\r\n";
  }
  void tunnel(Peer& client) const {
    const std::string authority = "127.0.0.1:" + std::to_string(upstream_port);
    client.send("CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority +
                "\r\nProxy-Authorization: Bearer token\r\n\r\n");
    REQUIRE(client.until("\r\n\r\n"));
    client.received.clear();
    client.send(std::string(proxy::testing::kPreface) + frame(4, 0, 0));
  }
  void stop() {
    stopped = std::async(std::launch::async, [this] {
      const auto began = std::chrono::steady_clock::now();
      server->stop(kGrace);
      return std::chrono::steady_clock::now() - began;
    });
  }

  SystemClock clock;
  Forgetful audit;
  std::uint16_t port = 0;
  std::uint16_t upstream_port = 0;
  UniqueFd upstream;
  std::unique_ptr<ProxyServer> server;
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
