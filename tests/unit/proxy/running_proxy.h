#pragma once
// A running proxy and plain sockets on both sides of it, for tests of what becomes of connections.

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <memory>
#include <string>

#include "proxy/api_handler.h"
#include "proxy/proxy_server.h"
#include "support/h2_pair.h"

namespace av::proxy::testing {

inline constexpr int kPatience = 8'000;  // ms

// An audit log that keeps nothing.
class Forgetful final : public vault::AuditLog {
 public:
  Status append(const vault::AuditRecord& /*record*/) override { return {}; }
};

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return where;
}

inline UniqueFd listener(std::uint16_t& port, int flags) {
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
  void end_sending() { REQUIRE(::shutdown(fd_.get(), SHUT_WR) == 0); }
  // Closed in a way that cannot be taken for the end of sending.
  void abort() {
    const linger at_once{1, 0};
    REQUIRE(::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    fd_.reset();
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

// Tells a client whether its token is the run's: 200 or 401.
class WhoAmI final : public ApiHandler {
 public:
  void handle(ApiRequest request, Answer answer, Gone /*gone*/) override {
    LocalReply reply;
    reply.status = request.run != nullptr ? 200 : 401;
    reply.fields.add("Content-Length", "0");
    answer(std::move(reply), false);
  }
};

// A proxy without services, whose upstream is a socket of the test's.
class RunningProxy {
 public:
  // `change` may set what the grant, the options and the snapshot say.
  using Change = std::function<void(SessionGrant&, ProxyOptions&, vault::PolicySnapshot&)>;
  explicit RunningProxy(const Change& change = {}) {
    std::signal(SIGPIPE, SIG_IGN);
    upstream = listener(upstream_port, 0);
    ProxyOptions options;
    options.listeners.push_back(listener(port, SOCK_NONBLOCK));
    options.api = std::make_shared<WhoAmI>();
    options.net.allow_net.push_back(*parse_cidr("127.0.0.0/8"));
    auto authority = std::make_shared<CertificateAuthority>(
        *CertificateAuthority::create("test", Millis{3'600'000}, clock));
    SessionGrant grant;
    grant.token_hash = crypto::sha256("token");
    auto snapshot = std::make_shared<vault::PolicySnapshot>();
    snapshot->unmatched = vault::UnmatchedPolicy::kPassthrough;
    if (change) {
      change(grant, options, *snapshot);
    }
    ring = std::make_shared<vault::KeyRing>(*vault::KeyRing::generate());
    auto started = ProxyServer::start(std::move(options), std::move(authority), std::move(grant),
                                      std::move(snapshot), ring, audit, clock);
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

  SystemClock clock;
  Forgetful audit;
  std::uint16_t port = 0;
  std::uint16_t upstream_port = 0;
  UniqueFd upstream;
  std::shared_ptr<const vault::KeyRing> ring;
  std::unique_ptr<ProxyServer> server;
};

}  // namespace av::proxy::testing
