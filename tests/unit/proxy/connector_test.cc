#include "proxy/connector.h"

#include <catch2/catch.hpp>

#include "net_fixture.h"

using namespace av;               // NOLINT: a test
using namespace av::proxy;        // NOLINT
using namespace av::proxy::test;  // NOLINT

namespace {

struct Way {
  explicit Way(Net& to) : net(to), fake(new FakeResolver) {}
  void allow(const char* cidr) { options.net.allow_net.push_back(*parse_cidr(cidr)); }
  Outcome<UpstreamPtr> http(const std::string& host, std::uint16_t port) {
    if (connector == nullptr) {
      connector = std::make_unique<Connector>(net.executor(), net.deadlines, options,
                                              std::unique_ptr<NameResolver>(fake));
    }
    const OutboundRequest request = requests.to(host, port, vault::Scheme::kHttp);
    return net.run(connector->connect(request, AlpnOffer::kHttp1));
  }
  Net& net;
  FakeResolver* fake;  // the connector's
  ConnectorOptions options;
  Requests requests;
  std::unique_ptr<Connector> connector;
};

}  // namespace

TEST_CASE("connector: a name server that changes its answer changes nothing", "[proxy][net]") {
  Net net;
  Server wanted(net, "127.0.0.5");
  Server other(net, "127.0.0.6", wanted.port());
  Way way(net);
  way.fake->answer("rebind.test", {"127.0.0.5"});
  way.fake->answer("rebind.test", {"127.0.0.6"});
  way.allow("127.0.0.5");
  REQUIRE(way.http("rebind.test", wanted.port()));
  // One look-up for the check and the connection: there is no second answer.
  CHECK(way.fake->asked["rebind.test"] == 1);
  // The next connection asks again, and is judged by what it is told.
  auto second = way.http("rebind.test", wanted.port());
  CHECK(code_of(second) == "address_not_allowed");
  net.settle();
  CHECK(wanted.accepted == 1);
  CHECK(other.accepted == 0);

  // The control: without the guard the second answer does lead there.
  Way open(net);
  open.fake->answer("rebind.test", {"127.0.0.6"});
  open.allow("127.0.0.0/8");
  CHECK(open.http("rebind.test", wanted.port()));
  net.settle();
  CHECK(other.accepted == 1);
}

TEST_CASE("connector: of a mixed answer only the allowed addresses are tried", "[proxy][net]") {
  Net net;
  Server inside(net, "127.0.0.6");
  Server outside(net, "127.0.0.5", inside.port());
  Way way(net);
  way.fake->answer("mixed.test", {"127.0.0.6", "::1", "127.0.0.5"});
  way.allow("127.0.0.5");
  auto made = way.http("mixed.test", inside.port());
  REQUIRE(made);
  CHECK((*made)->address == "127.0.0.5:" + std::to_string(inside.port()));
  net.settle();
  CHECK(inside.accepted == 0);
  // Nor is a refused one a way out when the allowed one is dead.
  Way dead(net);
  dead.fake->answer("mixed.test", {"127.0.0.7", "127.0.0.6"});
  dead.allow("127.0.0.7");
  auto refused = dead.http("mixed.test", inside.port());
  CHECK(code_of(refused) == "connect_refused");
  net.settle();
  CHECK(inside.accepted == 0);
}

TEST_CASE("connector: an IPv6 address that carries a refused IPv4 one is refused", "[proxy][net]") {
  Net net;
  Way way(net);
  way.fake->answer("nat64.test", {"64:ff9b::7f00:1"});
  way.fake->answer("mapped.test", {"::ffff:127.0.0.1"});
  way.fake->answer("sixtofour.test", {"2002:7f00:1::1"});
  for (const char* const name : {"nat64.test", "mapped.test", "sixtofour.test"}) {
    INFO(name);
    auto refused = way.http(name, 80);
    CHECK(code_of(refused) == "address_not_allowed");
  }
}

TEST_CASE("connector: no option leads back to the broker's own listener", "[proxy][net]") {
  Net net;
  Server own(net, "127.0.0.1");
  const std::uint16_t port = own.port();
  for (const bool defended : {false, true}) {
    INFO("defended " << defended);
    Way way(net);
    way.allow("127.0.0.0/8");
    way.allow("0.0.0.0/8");
    way.allow("::/0");
    way.fake->answer("loop.test", {"127.0.0.1"});
    way.options.net.resolve.push_back(
        *parse_resolve("named.test:" + std::to_string(port) + ":127.0.0.1"));
    (void)way.http("127.0.0.1", 1);
    if (defended) {
      way.connector->add_own_listener(Endpoint{ip("127.0.0.1"), port});
    }
    for (const char* const host :
         {"127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "loop.test", "named.test"}) {
      INFO(host);
      auto made = way.http(host, port);
      CHECK(code_of(made) == (defended ? "address_not_allowed" : ""));
    }
    auto elsewhere = way.http("127.0.0.2", port);
    CHECK(code_of(elsewhere) == "connect_refused");
  }
}

TEST_CASE("connector: a failed look-up is the resolver's fault", "[proxy][net]") {
  Net net;
  Way way(net);
  auto made = way.http("unknown.test", 80);
  CHECK(code_of(made) == "dns_failed");
}

TEST_CASE("connector: TCP and TLS share one limit", "[proxy][net]") {
  Net net;
  Server mute(net, "127.0.0.1");  // accepts, and never says anything
  Way way(net);
  way.allow("127.0.0.1");
  way.options.connect_timeout = Millis{300};
  (void)way.http("127.0.0.1", mute.port());
  const OutboundRequest request = way.requests.to("127.0.0.1", mute.port());
  const auto start = std::chrono::steady_clock::now();
  auto made = net.run(way.connector->connect(request, AlpnOffer::kHttp1));
  CHECK(code_of(made) == "upstream_tls_timeout");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
}
