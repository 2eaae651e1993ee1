// The value that a server was sent before, and the one that it is sent later, do not come back
// either.

#include "proxy/guarded_values.h"

#include <catch2/catch.hpp>

#include "running_proxy.h"

using namespace av;
using namespace av::proxy;
using namespace av::proxy::testing;

namespace {

std::string scrubbed(const GuardedValues& guard, std::string text) {
  (void)guard.patterns().scrub(std::span(text), /*last=*/true);
  return text;
}

bool hides(const GuardedValues& guard, const std::string& value) {
  return scrubbed(guard, "<" + value + ">").find(value) == std::string::npos;
}

// A vault with one credential, whose value a test changes.
struct Vault {
  std::unique_ptr<RunningProxy> proxy = std::make_unique<RunningProxy>();
  std::uint64_t generation = 0;

  vault::SnapshotPtr snapshot(std::uint64_t version, const std::string& value,
                              std::vector<std::pair<std::uint64_t, std::string>> earlier = {}) {
    auto out = std::make_shared<vault::PolicySnapshot>();
    out->vault_uid = "uid";
    out->generation = ++generation;
    vault::Service service;
    service.name = "api";
    service.host = "127.0.0.1";
    service.port = proxy->upstream_port;
    service.allow_http = true;
    service.auth = vault::BearerAuth{"KEY"};
    const auto seal = [&](std::uint64_t of, const std::string& text) {
      return *proxy->ring->seal(vault::SealContext{"uid", "credential", "KEY", of}, text);
    };
    vault::SealedCredential key{"KEY", version, seal(version, value), {}};
    for (const auto& [of, text] : earlier) {
      key.earlier.push_back({of, seal(of, text)});
    }
    out->credentials.emplace("KEY", std::move(key));
    out->set_services({service});
    return out;
  }
  void publish(vault::SnapshotPtr snapshot) {
    proxy->server->publish(std::move(snapshot), proxy->ring);
    // Behind it in the server's queue: an open connection may have its next request read before.
    Peer after = proxy->client();
    after.send("GET /v1/whoami HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(proxy->port) +
               "\r\nAuthorization: Bearer token\r\n\r\n");
    REQUIRE(after.until("\r\n\r\n"));
  }
};

constexpr const char* kOpen =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nopen\n\r\n";

std::string chunk(const std::string& text) {
  char size[16];
  (void)std::snprintf(size, sizeof size, "%zx", text.size());
  return std::string(size) + "\r\n" + text + "\r\n";
}

}  // namespace

TEST_CASE("every value of a key is looked for until it is worthless", "[proxy][guard]") {
  GuardedValues guard;
  REQUIRE(guard.add({"KEY", 1, false}, "first-value-of-it", false, 1'000));
  REQUIRE(guard.add({"KEY", 2, false}, "second-value-of-it", false, 0));
  guard.settle(999);
  CHECK(hides(guard, "first-value-of-it"));
  CHECK(hides(guard, "second-value-of-it"));
  CHECK(guard.knows({"KEY", 1, false}));
  guard.settle(1'000);
  CHECK_FALSE(hides(guard, "first-value-of-it"));
  CHECK_FALSE(guard.knows({"KEY", 1, false}));
  CHECK(hides(guard, "second-value-of-it"));
}

TEST_CASE("of many values of a key the newest are looked for", "[proxy][guard]") {
  GuardedValues guard;
  for (std::uint64_t version = 1; version <= 20; ++version) {
    REQUIRE(guard.add({"KEY", version, false}, "some-value-" + std::to_string(100 + version), false,
                      0));
    guard.settle(1);
  }
  REQUIRE(guard.add({"OTHER", 1, false}, "other-value-here", false, 0));
  guard.settle(1);
  for (std::uint64_t version = 1; version <= 20; ++version) {
    CHECK(hides(guard, "some-value-" + std::to_string(100 + version)) ==
          (version > 20 - GuardedValues::kMostOfKey));
  }
  CHECK(hides(guard, "other-value-here"));
}

TEST_CASE("a value that is in use is looked for, however many came after it", "[proxy][guard]") {
  GuardedValues guard;
  REQUIRE(guard.add({"KEY", 1, false}, "first-value-of-it", false, 0));
  GuardedValues::Use use = guard.use_of({"KEY", 1, false});
  REQUIRE(use != nullptr);
  CHECK(guard.use_of({"KEY", 2, false}) == nullptr);
  for (std::uint64_t version = 2; version <= 200; ++version) {
    REQUIRE(guard.add({"KEY", version, false}, "some-value-" + std::to_string(100 + version), false,
                      0));
    guard.settle(1);
  }
  CHECK(hides(guard, "first-value-of-it"));
  CHECK_FALSE(hides(guard, "some-value-150"));
  use.reset();
  REQUIRE(guard.add({"KEY", 201, false}, "last-value-of-it", false, 0));
  guard.settle(1);
  CHECK_FALSE(hides(guard, "first-value-of-it"));
}

TEST_CASE("of the values of many keys the newest are looked for", "[proxy][guard]") {
  GuardedValues guard;
  for (std::size_t host = 0; host <= GuardedValues::kMostValues; ++host) {
    REQUIRE(guard.add({"KEY|" + std::to_string(host), 1, true},
                      "value-of-host-" + std::to_string(100 + host), false, 0));
    guard.settle(1);
  }
  CHECK_FALSE(hides(guard, "value-of-host-100"));
  CHECK(hides(guard, "value-of-host-101"));
}

TEST_CASE("a literal is looked for as it is", "[proxy][guard]") {
  GuardedValues guard;
  REQUIRE(guard.add({"KEY|basic", 1, false}, "dXNlcjpwYXNzd29yZA==", true, 0));
  guard.settle(1);
  CHECK(hides(guard, "dXNlcjpwYXNzd29yZA=="));
}

TEST_CASE("a server that kept a value gives it back after it was replaced", "[proxy][guard]") {
  Vault vault;
  vault.publish(vault.snapshot(1, "first-value-of-it"));
  Peer client = vault.proxy->client();
  client.send(vault.proxy->get());
  Peer first = vault.proxy->accept();
  REQUIRE(first.until("Bearer first-value-of-it\r\n"));
  first.send("HTTP/1.1 204 No Content\r\n\r\n");
  REQUIRE(client.until("204"));
  vault.publish(vault.snapshot(2, "second-value-of-it"));
  client.send(vault.proxy->get());
  Peer second = vault.proxy->accept();
  REQUIRE(second.until("Bearer second-value-of-it\r\n"));
  second.send(
      "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\nseen: first-value-of-it, second-value-of-it\n");
  REQUIRE(client.until("\r\n\r\nseen: "));
  REQUIRE(client.until("*\n"));
  CHECK(client.received.find("first-value") == std::string::npos);
  CHECK(client.received.find("second-value") == std::string::npos);
}

TEST_CASE("a value that another run sent before this one began does not come back",
          "[proxy][guard]") {
  Vault vault;
  vault.publish(vault.snapshot(3, "third-value-of-it",
                               {{1, "first-value-of-it"}, {2, "second-value-of-it"}}));
  Peer client = vault.proxy->client();
  client.send(vault.proxy->get());
  Peer upstream = vault.proxy->accept();
  REQUIRE(upstream.until("Bearer third-value-of-it\r\n"));
  upstream.send(
      "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\nseen: first-value-of-it, second-value-of-it\n");
  REQUIRE(client.until("\r\n\r\nseen: "));
  REQUIRE(client.until("*\n"));
  CHECK(client.received.find("first-value") == std::string::npos);
  CHECK(client.received.find("second-value") == std::string::npos);
}

TEST_CASE("a response that was begun before does not bring the value that came after",
          "[proxy][guard]") {
  Vault vault;
  vault.publish(vault.snapshot(1, "first-value-of-it"));
  Peer holds = vault.proxy->client();
  holds.send(vault.proxy->get());
  Peer open = vault.proxy->accept();
  REQUIRE(open.until("\r\n\r\n"));
  open.send(kOpen);
  REQUIRE(holds.until("open\n"));
  vault.publish(vault.snapshot(2, "second-value-of-it"));
  Peer client = vault.proxy->client();
  client.send(vault.proxy->get());
  Peer second = vault.proxy->accept();
  REQUIRE(second.until("Bearer second-value-of-it\r\n"));
  // Its beginning and its end in two pieces, and the one from before as well.
  open.send(chunk("now: second-val"));
  open.send(chunk("ue-of-it and first-value-of-it\n") + "0\r\n\r\n");
  REQUIRE(holds.until("\r\n0\r\n"));
  CHECK(holds.received.find("now: ") != std::string::npos);
  CHECK(holds.received.find("second-val") == std::string::npos);
  CHECK(holds.received.find("ue-of-it") == std::string::npos);
}

TEST_CASE("a long response does not bring its own value, however often it was replaced meanwhile",
          "[proxy][guard]") {
  Vault vault;
  vault.publish(vault.snapshot(1, "first-value-of-it"));
  Peer holds = vault.proxy->client();
  holds.send(vault.proxy->get());
  Peer open = vault.proxy->accept();
  REQUIRE(open.until("Bearer first-value-of-it\r\n"));
  open.send(kOpen);
  REQUIRE(holds.until("open\n"));
  for (std::uint64_t version = 2; version <= GuardedValues::kMostOfKey + 4; ++version) {
    const std::string value = "value-of-it-" + std::to_string(100 + version);
    vault.publish(vault.snapshot(version, value));
    Peer client = vault.proxy->client();
    client.send(vault.proxy->get());
    Peer upstream = vault.proxy->accept();
    REQUIRE(upstream.until("Bearer " + value + "\r\n"));
    upstream.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    REQUIRE(client.until("204"));
  }
  open.send(chunk("mine: first-value-of-it\n") + "0\r\n\r\n");
  REQUIRE(holds.until("\r\n0\r\n"));
  CHECK(holds.received.find("mine: ") != std::string::npos);
  CHECK(holds.received.find("first-value") == std::string::npos);
}
