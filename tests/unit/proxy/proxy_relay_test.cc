// The way from a machine to the proxy of a server elsewhere: what goes over the wire, who may be at
// its end, and that neither side loses what the other had to say.
#include "proxy/proxy_relay.h"

#include <catch2/catch.hpp>
#include <string>

#include "core/encoding.h"
#include "proxy/metrics.h"
#include "proxy/tenants.h"
#include "running_proxy.h"

using namespace av;                  // NOLINT: a test
using namespace av::proxy;           // NOLINT
using namespace av::proxy::testing;  // NOLINT

namespace {

constexpr std::string_view kToken = "av_sess_on-the-wire";

std::shared_ptr<const CertificateAuthority> authority() {
  static const SystemClock clock;
  return std::make_shared<const CertificateAuthority>(
      *CertificateAuthority::create("test", Millis{3'600'000}, clock));
}

struct Relay {
  explicit Relay(std::uint16_t to, ossl::SslCtx tls = nullptr) {
    RelayTarget target;
    target.host = "127.0.0.1";
    target.port = to;
    target.tls = std::move(tls);
    RelaySockets sockets;
    sockets.proxy.push_back(listener(port, SOCK_NONBLOCK));
    auto started = ProxyRelay::start(std::move(sockets), std::move(target));
    REQUIRE(started);
    relay = std::move(*started);
  }
  std::uint16_t port = 0;
  std::unique_ptr<ProxyRelay> relay;
};

struct Far {
  Far() { fd = listener(port, 0); }
  Peer accept() {
    pollfd waiting{fd.get(), POLLIN, 0};
    REQUIRE(::poll(&waiting, 1, kPatience) == 1);
    return Peer(UniqueFd(::accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  [[nodiscard]] bool reached() const {
    pollfd waiting{fd.get(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 1;
  }
  std::uint16_t port = 0;
  UniqueFd fd;
};

// A server of many with one token, and an upstream behind it.
class Server {
 public:
  Server() {
    ProxyOptions options;
    options.listeners.push_back(listener(port, SOCK_NONBLOCK));
    options.net.allow_net.push_back(*parse_cidr("127.0.0.0/8"));
    auto plan = std::make_shared<TenantPlan>(ring_);
    Tenancy one;
    one.grant.token_hash = crypto::sha256(kToken);
    one.grant.principal.run_id = "ses_1";
    auto snapshot = std::make_shared<vault::PolicySnapshot>();
    snapshot->vault_name = "default";
    snapshot->vault_uid = "uid";
    one.snapshot = std::move(snapshot);
    plan->add(std::move(one));
    auto started =
        ProxyServer::start_shared(std::move(options), ca, std::move(plan), audit_, clock_);
    REQUIRE(started);
    server_ = std::move(*started);
  }
  [[nodiscard]] std::string get() const {
    const std::string host = "127.0.0.1:" + std::to_string(upstream.port);
    return "GET http://" + host + "/ HTTP/1.1\r\nHost: " + host +
           "\r\nProxy-Authorization: Bearer " + std::string(kToken) + "\r\n\r\n";
  }
  std::shared_ptr<const CertificateAuthority> ca = authority();
  std::uint16_t port = 0;
  Far upstream;

 private:
  SystemClock clock_;
  Forgetful audit_;
  std::shared_ptr<const vault::KeyRing> ring_ =
      std::make_shared<vault::KeyRing>(*vault::KeyRing::generate());
  std::unique_ptr<ProxyServer> server_;
};

ossl::SslCtx trusting(const CertificateAuthority& ca) {
  auto context = relay_context(ca.certificate_pem());
  REQUIRE(context);
  return std::move(*context);
}

}  // namespace

TEST_CASE("proxy relay: to another machine the token is not on the wire", "[proxy][relay]") {
  Far far;
  const bool tls = GENERATE(true, false);
  Relay relay(far.port, tls ? trusting(*authority()) : nullptr);
  Peer client = Peer::to(relay.port);
  client.send("GET / HTTP/1.1\r\nProxy-Authorization: Bearer " + std::string(kToken) + "\r\n\r\n");
  Peer server = far.accept();
  if (tls) {
    REQUIRE(server.until(std::string(1, '\x16')));
    server.end_sending();
    CHECK(server.ended());
  } else {
    CHECK(server.until(kToken));  // the control: in clear it is there to read
  }
  CHECK((server.received.find(kToken) == std::string::npos) == tls);
}

TEST_CASE("proxy relay: what a client asks reaches the server of the pinned authority",
          "[proxy][relay]") {
  Server server;
  Relay relay(server.port, trusting(*server.ca));
  Peer client = Peer::to(relay.port);
  client.send(server.get());
  Peer upstream = server.upstream.accept();
  REQUIRE(upstream.until("\r\n\r\n"));
  CHECK(upstream.received.find(kToken) == std::string::npos);
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  CHECK(client.until("ok"));
  SECTION("and its end cuts what is under way") {
    relay.relay.reset();
    CHECK(client.ended());
  }
}

TEST_CASE("proxy relay: whoever has another authority's key is told nothing", "[proxy][relay]") {
  Server server;
  Relay relay(server.port, trusting(*authority()));
  Peer client = Peer::to(relay.port);
  client.send(server.get());
  CHECK(client.ended());
  CHECK(client.received.starts_with("HTTP/1.1 502 "));
  CHECK(client.received.find("server_unreachable") != std::string::npos);
  CHECK_FALSE(server.upstream.reached());
}

TEST_CASE("proxy relay: a server that is not there is an answer, not a silence", "[proxy][relay]") {
  std::uint16_t port = 0;
  listener(port, 0).reset();
  Relay relay(port);
  Peer client = Peer::to(relay.port);
  client.send("CONNECT echo.test:443 HTTP/1.1\r\nHost: echo.test:443\r\n\r\n");
  CHECK(client.ended());
  CHECK(client.received.starts_with("HTTP/1.1 502 "));
  CHECK(client.received.find("X-Agent-Vault-Proxy-Error: true") != std::string::npos);
}

TEST_CASE("proxy relay: an answer to a client that is still sending is not lost",
          "[proxy][relay]") {
  Far far;
  Relay relay(far.port);
  Peer client = Peer::to(relay.port);
  client.send("POST / HTTP/1.1\r\n\r\n");
  {
    Peer server = far.accept();
    REQUIRE(server.until("\r\n\r\n"));
    server.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  }
  client.send(std::string(300'000, 'x'));
  CHECK(client.until("413 Too Large"));
  CHECK(client.ended());
}

TEST_CASE("proxy relay: a client that has said all still gets its answer", "[proxy][relay]") {
  Far far;
  Relay relay(far.port);
  Peer client = Peer::to(relay.port);
  client.send("question");
  client.end_sending();
  Peer server = far.accept();
  CHECK(server.ended());
  CHECK(server.received == "question");
  server.send("answer");
  server.end_sending();
  CHECK(client.ended());
  CHECK(client.received == "answer");
}

TEST_CASE("proxy relay: a program that knows of no proxy gets a tunnel to where it connected",
          "[proxy][relay]") {
  Far far;
  RelayTarget target;
  target.host = "127.0.0.1";
  target.port = far.port;
  target.user.append("av_sess_x:default");
  RelaySockets sockets;
  std::uint16_t proxy = 0;
  std::uint16_t door = 0;
  std::uint16_t ssh = 0;
  sockets.proxy.push_back(listener(proxy, SOCK_NONBLOCK));
  sockets.direct.push_back(listener(door, SOCK_NONBLOCK));
  sockets.ssh.push_back(listener(ssh, SOCK_NONBLOCK));
  auto relay = ProxyRelay::start(std::move(sockets), std::move(target));
  REQUIRE(relay);
  SECTION("it is asked for as the command, and then carries both ways") {
    Peer client = Peer::to(door);
    client.send("client hello");
    Peer server = far.accept();
    REQUIRE(server.until("\r\n\r\n"));
    const std::string name = "127.0.0.1:" + std::to_string(door);
    CHECK(server.received == "CONNECT " + name + " HTTP/1.1\r\nHost: " + name +
                                 "\r\nProxy-Authorization: Basic " +
                                 encoding::base64("av_sess_x:default") + "\r\n\r\n");
    server.send("HTTP/1.1 200 Connection established\r\n\r\nserver hello");
    CHECK(client.until("server hello"));
    CHECK(client.received == "server hello");
    CHECK(server.until("client hello"));
  }
  SECTION("an answer in pieces is one") {
    Peer client = Peer::to(door);
    Peer server = far.accept();
    REQUIRE(server.until("\r\n\r\n"));
    for (const char* piece : {"HTTP/1.1 200 OK\r\nX: y\r", "\n\r", "\nab", "c"}) {
      server.send(piece);
    }
    CHECK(client.until("abc"));
    CHECK(client.received == "abc");
  }
  SECTION("a refusal ends it: what a proxy says is nothing for the client") {
    Peer client = Peer::to(door);
    Peer server = far.accept();
    REQUIRE(server.until("\r\n\r\n"));
    server.send("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    CHECK(client.ended());
    CHECK(client.received.empty());
  }
  SECTION("an answer without an end is one, too") {
    Peer client = Peer::to(door);
    Peer server = far.accept();
    REQUIRE(server.until("\r\n\r\n"));
    server.send("HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x'));
    CHECK(client.ended());
    CHECK(client.received.empty());
  }
  SECTION("ssh is told that there is no way") {
    Peer client = Peer::to(ssh);
    client.send("SSH-2.0-test\r\n");
    CHECK(client.ended());
    CHECK(client.received.starts_with("SSH-2.0-agent_vault"));
    CHECK(client.received.find("use https") != std::string::npos);
    CHECK_FALSE(far.reached());
  }
}

TEST_CASE("proxy relay: what is no certificate is refused before anything listens",
          "[proxy][relay]") {
  CHECK_FALSE(relay_context("").has_value());
  CHECK_FALSE(relay_context("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
}
