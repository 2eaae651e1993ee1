// A server that many agents share: whose token it is decides what a connection may do, and what one
// agent has is out of the others' reach.
#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <thread>

#include "core/encoding.h"
#include "proxy/api_handler.h"
#include "proxy/metrics.h"
#include "proxy/tenants.h"
#include "running_proxy.h"

using namespace av;                  // NOLINT: a test
using namespace av::proxy;           // NOLINT
using namespace av::proxy::testing;  // NOLINT

namespace {

// Repeats what it was asked, from a thread of its own; "/slow" is never answered.
class Echo final : public ApiHandler {
 public:
  ~Echo() override { wait(); }
  void wait() {
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }
  void handle(ApiRequest request, Answer answer, Gone gone) override {
    if (request.path == "/slow") {
      gone_ = std::move(gone);
      kept_ = std::move(answer);
      slow.store(true);  // the test may look now
      return;
    }
    threads_.emplace_back([request = std::move(request), answer = std::move(answer)] {
      LocalReply reply;
      const std::string text = request.method + ' ' + request.path + '?' + request.query +
                               " run=" + (request.run ? request.run->run_id : "-") +
                               " bearer=" + std::to_string(request.bearer.size()) +
                               " cookie=" + std::to_string(request.cookie.size()) +
                               (request.vault.empty() ? "" : " vault=" + request.vault) +
                               " x=" + std::string(request.field("x-vault")) +
                               " hidden=" + std::string(request.field("authorization")) +
                               std::string(request.field("cookie")) + " peer=" + request.peer +
                               " body=" + std::string(request.body.view());
      reply.body.append(text);
      reply.fields.add("Content-Length", std::to_string(reply.body.size()));
      answer(std::move(reply), true);
      answer(LocalReply(), true);  // does nothing
    });
  }
  void let_go() { kept_ = nullptr; }
  std::atomic<bool> slow{false};
  Gone gone_;

 private:
  std::vector<std::thread> threads_;
  Answer kept_;
};

Tenancy tenancy(std::string_view token, const std::string& vault, const std::string& run) {
  Tenancy out;
  out.grant.token_hash = crypto::sha256(token);
  out.grant.principal.run_id = run;
  auto snapshot = std::make_shared<vault::PolicySnapshot>();
  snapshot->vault_name = vault;
  snapshot->vault_uid = "uid-" + vault;
  snapshot->unmatched = vault::UnmatchedPolicy::kPassthrough;
  out.snapshot = std::move(snapshot);
  return out;
}

class SharedProxy {
 public:
  explicit SharedProxy(std::vector<Tenancy> tenancies) {
    std::signal(SIGPIPE, SIG_IGN);
    upstream = listener(upstream_port, 0);
    ProxyOptions options;
    options.listeners.push_back(listener(port, SOCK_NONBLOCK));
    options.api_listeners.push_back(listener(api_port, SOCK_NONBLOCK));
    options.net.allow_net.push_back(*parse_cidr("127.0.0.0/8"));
    options.api = api;
    options.metrics = metrics;
    auto authority = std::make_shared<CertificateAuthority>(
        *CertificateAuthority::create("test", Millis{3'600'000}, clock));
    auto started = ProxyServer::start_shared(std::move(options), std::move(authority),
                                             plan(std::move(tenancies)), audit, clock);
    REQUIRE(started);
    server = std::move(*started);
  }
  std::shared_ptr<const TenantPlan> plan(std::vector<Tenancy> tenancies) {
    auto out = std::make_shared<TenantPlan>(ring);
    for (Tenancy& one : tenancies) {
      out->add(std::move(one));
    }
    return out;
  }
  ~SharedProxy() {
    api->wait();
    api->let_go();
    server->stop();
  }
  [[nodiscard]] std::string get(std::string_view credentials, bool close = false) const {
    const std::string host = "127.0.0.1:" + std::to_string(upstream_port);
    return "GET http://" + host + "/ HTTP/1.1\r\nHost: " + host +
           "\r\nProxy-Authorization: Basic " + encoding::base64(credentials) + "\r\n" +
           (close ? "Connection: close\r\n" : "") + "\r\n";
  }
  Peer accept() {
    pollfd waiting{upstream.get(), POLLIN, 0};
    REQUIRE(::poll(&waiting, 1, kPatience) == 1);
    return Peer(UniqueFd(::accept4(upstream.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  // True when somebody has connected to the upstream and nobody has accepted it.
  [[nodiscard]] bool upstream_was_reached() const {
    pollfd waiting{upstream.get(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 1;
  }
  std::string refused(const std::string& request, std::uint16_t to) {
    Peer client = Peer::to(to);
    client.send(request);
    CHECK(client.ended());
    return client.received;
  }
  // A client that has been answered by the upstream, and the upstream's end.
  std::pair<Peer, Peer> served(std::string_view credentials) {
    Peer client = Peer::to(port);
    client.send(get(credentials));
    Peer far = accept();
    REQUIRE(far.until("\r\n\r\n"));
    far.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    REQUIRE(client.until("ok"));
    return {std::move(client), std::move(far)};
  }

  SystemClock clock;
  Forgetful audit;
  std::shared_ptr<Echo> api = std::make_shared<Echo>();
  std::shared_ptr<Metrics> metrics = std::make_shared<Metrics>();
  std::shared_ptr<const vault::KeyRing> ring =
      std::make_shared<vault::KeyRing>(*vault::KeyRing::generate());
  std::uint16_t port = 0;
  std::uint16_t api_port = 0;
  std::uint16_t upstream_port = 0;
  UniqueFd upstream;
  std::unique_ptr<ProxyServer> server;
};

}  // namespace

TEST_CASE("tenants: a token reaches an upstream only in a vault that it may act in",
          "[proxy][tenants]") {
  Tenancy usual = tenancy("both", "one", "r3");
  usual.by_default = true;
  SharedProxy proxy({tenancy("alice", "one", "r1"), tenancy("bob", "two", "r2"), usual,
                     tenancy("both", "two", "r3"), tenancy("open", "one", "r4"),
                     tenancy("open", "two", "r4")});
  const auto status = [&](std::string_view credentials) {
    return proxy.refused(proxy.get(credentials, true), proxy.port).substr(9, 3);
  };
  CHECK(status("nobody:") == "407");
  CHECK(status("alice:two") == "403");
  CHECK(status("alice:unknown") == "403");
  CHECK(status("open:") == "400");
  CHECK(status("x:wrong") == "407");
  // What is no name is not taken for none: the default vault would answer.
  for (const char* const hint :
       {"both:ONE", "both:one ", "both:../one", "both:av_sess_x", "alice:O"}) {
    const std::string reply = proxy.refused(proxy.get(hint, true), proxy.port);
    CHECK(reply.substr(9, 3) == "400");
    CHECK(reply.find("malformed_vault_name") != std::string::npos);
  }
  const std::string twice = proxy.get("alice:", true);
  const std::size_t at = twice.find("Proxy-Auth");
  const std::string field = twice.substr(at, twice.find("\r\n", at) + 2 - at);
  CHECK(proxy.refused(std::string(twice).insert(at, field), proxy.port)
            .find("ambiguous_credentials") != std::string::npos);
  CHECK_FALSE(proxy.upstream_was_reached());
  for (const char* good :
       {"alice:", "alice:one", "x:alice", "bob:two", "both:", "both:two", "open:two"}) {
    INFO(good);
    (void)proxy.served(good);
  }
}

TEST_CASE("tenants: a connection stays with the token that it began with", "[proxy][tenants]") {
  SharedProxy proxy({tenancy("alice", "one", "r1"), tenancy("bob", "two", "r2")});
  auto [client, far] = proxy.served("alice:");
  client.received.clear();
  client.send(proxy.get("bob:"));
  CHECK(client.ended());
  CHECK(client.received.starts_with("HTTP/1.1 407 "));
}

TEST_CASE("tenants: no upstream connection passes from one agent to another", "[proxy][tenants]") {
  SharedProxy proxy({tenancy("alice", "one", "r1"), tenancy("bob", "one", "r2")});
  auto [first, far] = proxy.served("alice:");
  first.received.clear();
  // The same agent gets the connection that is there ...
  Peer again = Peer::to(proxy.port);
  again.send(proxy.get("alice:"));
  far.received.clear();
  REQUIRE(far.until("\r\n\r\n"));
  far.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
  CHECK(again.until("two"));
  // ... another one gets one of its own.
  (void)proxy.served("bob:");
}

TEST_CASE("tenants: whom a plan leaves out is cut, on both sides, and nobody else",
          "[proxy][tenants]") {
  SharedProxy proxy({tenancy("alice", "one", "r1"), tenancy("bob", "one", "r2")});
  auto [alice, far_of_alice] = proxy.served("alice:");
  auto [bob, far_of_bob] = proxy.served("bob:");
  alice.received.clear();
  alice.send(proxy.get("alice:"));
  far_of_alice.received.clear();
  REQUIRE(far_of_alice.until("\r\n\r\n"));  // under way
  proxy.server->publish(proxy.plan({tenancy("bob", "one", "r2")}));
  CHECK(alice.ended());
  CHECK(far_of_alice.ended());
  CHECK(proxy.refused(proxy.get("alice:"), proxy.port).starts_with("HTTP/1.1 407 "));
  bob.received.clear();
  bob.send(proxy.get("bob:"));
  far_of_bob.received.clear();
  REQUIRE(far_of_bob.until("\r\n\r\n"));
  far_of_bob.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nalso");
  CHECK(bob.until("also"));
}

TEST_CASE("tenants: a token that comes back after it was cut holds again", "[proxy][tenants]") {
  SharedProxy proxy({tenancy("alice", "one", "r1")});
  (void)proxy.served("alice:");
  proxy.server->publish(proxy.plan({}));
  CHECK(proxy.refused(proxy.get("alice:"), proxy.port).starts_with("HTTP/1.1 407 "));
  proxy.server->publish(proxy.plan({tenancy("alice", "one", "r1")}));
  Peer client = Peer::to(proxy.port);
  client.send(proxy.get("alice:"));
  pollfd waiting{proxy.upstream.get(), POLLIN, 0};
  if (::poll(&waiting, 1, 2'000) != 1) {  // it was accepted before the plan was
    client = Peer::to(proxy.port);
    client.send(proxy.get("alice:"));
  }
  (void)proxy.accept();
}

TEST_CASE("tenants: a session's time ends what is its own", "[proxy][tenants]") {
  Tenancy brief = tenancy("alice", "one", "r1");
  brief.grant.expires_ms = SystemClock().wall_ms() + 1'000;
  SharedProxy proxy({brief, tenancy("bob", "one", "r2")});
  auto [alice, far] = proxy.served("alice:");
  auto [bob, far_of_bob] = proxy.served("bob:");
  CHECK(alice.ended());
  CHECK(proxy.refused(proxy.get("alice:"), proxy.port).starts_with("HTTP/1.1 407 "));
  bob.received.clear();
  bob.send(proxy.get("bob:"));
  far_of_bob.received.clear();
  CHECK(far_of_bob.until("\r\n\r\n"));
}

TEST_CASE("tenants: the API's port does not proxy, and both ports hand on what is for the broker",
          "[proxy][tenants][api]") {
  SharedProxy proxy({tenancy("alice", "one", "r1")});
  CHECK(proxy.refused(proxy.get("alice:"), proxy.api_port).starts_with("HTTP/1.1 400 "));
  CHECK(proxy
            .refused("CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\nProxy-Authorization: "
                     "Bearer alice\r\n\r\n",
                     proxy.api_port)
            .starts_with("HTTP/1.1 400 "));
  CHECK_FALSE(proxy.upstream_was_reached());
  for (const std::uint16_t port : {proxy.port, proxy.api_port}) {
    Peer client = Peer::to(port);
    client.send(
        "POST /v1/x?a=b HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer alice\r\nX-Vault: one\r\n"
        "Cookie: other=1; av_session=12345678\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    REQUIRE(client.until("body=abcde"));
    CHECK(client.received.find("POST /v1/x?a=b run=- bearer=5 cookie=8 x=one hidden= "
                               "peer=127.0.0.1 body=abcde") != std::string::npos);
    // The connection goes on.
    client.received.clear();
    client.send("GET /two HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YWxpY2U6\r\n\r\n");
    CHECK(client.until("GET /two? run=- bearer=5 cookie=0"));
    const auto basic = [&](std::string_view credentials) {
      client.received.clear();
      client.send("GET /three HTTP/1.1\r\nHost: h\r\nAuthorization: Basic " +
                  encoding::base64(credentials) + "\r\n\r\n");
    };
    basic("alice:one");
    CHECK(client.until("GET /three? run=- bearer=5 cookie=0 vault=one"));
    basic("alice:ONE");
    CHECK(client.until("malformed_vault_name"));
    CHECK(proxy
              .refused("GET /four HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer alice\r\n"
                       "Authorization: Bearer bob\r\n\r\n",
                       port)
              .find("ambiguous_credentials") != std::string::npos);
  }
}

TEST_CASE("tenants: what a request to the broker may be is bounded", "[proxy][tenants][api]") {
  SharedProxy proxy({});
  CHECK(
      proxy
          .refused("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\n", proxy.api_port)
          .starts_with("HTTP/1.1 413 "));
  CHECK(proxy
            .refused("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                     proxy.api_port)
            .starts_with("HTTP/1.1 400 "));
  CHECK(
      proxy
          .refused("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                   proxy.api_port)
          .starts_with("HTTP/1.1 400 "));
  std::string most = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n";
  most.append(1048576, 'm');
  Peer client = Peer::to(proxy.api_port);
  client.send(most);
  CHECK(client.until("body=mmm"));
}

TEST_CASE("tenants: a client that leaves takes its question with it", "[proxy][tenants][api]") {
  SharedProxy proxy({});
  {
    Peer client = Peer::to(proxy.api_port);
    client.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    while (!proxy.api->slow.load()) {
      std::this_thread::yield();
    }
    CHECK_FALSE(proxy.api->gone_());
  }
  const auto give_up = std::chrono::steady_clock::now() + Millis{kPatience};
  while (!proxy.api->gone_() && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::yield();
  }
  CHECK(proxy.api->gone_());
}

TEST_CASE("api: on the port of a run, the run's own token says who is asking",
          "[proxy][tenants][api]") {
  auto echo = std::make_shared<Echo>();
  RunningProxy run([&](SessionGrant& grant, ProxyOptions& options, vault::PolicySnapshot&) {
    grant.principal.run_id = "run_7";
    options.api = echo;
  });
  Peer client = run.client();
  client.send("GET /a HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer token\r\n\r\n");
  CHECK(client.until("GET /a? run=run_7 bearer=5"));
  Peer other = run.client();
  other.send("GET /a HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer other\r\n\r\n");
  CHECK(other.until("GET /a? run=- bearer=5"));
  echo->wait();
  run.server->stop();
}

TEST_CASE("metrics: what passed is counted, in classes that no client can make more of",
          "[proxy][metrics]") {
  SharedProxy proxy({tenancy("alice", "one", "r1")});
  (void)proxy.served("alice:");
  (void)proxy.refused(proxy.get("nobody:", true), proxy.port);
  const auto give_up = std::chrono::steady_clock::now() + Millis{kPatience};
  while (proxy.metrics->text().find("upstream_connections_total{from=\"dial\"} 1") ==
             std::string::npos &&
         std::chrono::steady_clock::now() < give_up) {
    std::this_thread::yield();
  }
  const std::string text = proxy.metrics->text();
  CHECK(text.find("agent_vault_requests_total{status=\"2xx\"} 1\n") != std::string::npos);
  CHECK(text.find("agent_vault_requests_total{status=\"4xx\"} 1\n") != std::string::npos);
  CHECK(text.find("agent_vault_decisions_total{decision=\"deny\"} 1\n") != std::string::npos);
  CHECK(text.find("agent_vault_auth_failures_total 1\n") != std::string::npos);
  CHECK(text.find("agent_vault_request_seconds_count 2\n") != std::string::npos);
  CHECK(text.find("agent_vault_request_seconds_bucket{le=\"0.0025\"}") != std::string::npos);
  CHECK(text.find("agent_vault_workers 1\n") != std::string::npos);
  CHECK(text.find("alice") == std::string::npos);
  CHECK(text.find("127.0.0.1") == std::string::npos);
}
