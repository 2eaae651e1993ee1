#include "proxy/egress_tunnel.h"

#include <catch2/catch.hpp>

#include "net_fixture.h"

using namespace av;               // NOLINT: a test
using namespace av::proxy;        // NOLINT
using namespace av::proxy::test;  // NOLINT

namespace {

// Says its lines one after the other, each when it has been sent what belongs before it; cut into
// pieces of `piece` bytes.
class ScriptedProxy final : public Server {
 public:
  struct Turn {
    std::size_t wait_for;  // bytes to receive first
    std::string say;
  };
  ScriptedProxy(Net& net, std::vector<Turn> turns, std::size_t piece = 0)
      : Server(net, "127.0.0.1"), turns_(std::move(turns)), piece_(piece) {}
  std::string received;

 protected:
  Awaitable<void> handle(Stream& stream) override {
    std::size_t wanted = 0;
    for (const Turn& turn : turns_) {
      wanted += turn.wait_for;
      while (received.size() < wanted) {
        char byte = 0;
        const IoResult got = co_await stream.read_some(&byte, 1, Millis{5000});
        if (got.status != Io::kOk) {
          co_return;
        }
        received.push_back(byte);
      }
      std::string_view rest = turn.say;
      while (!rest.empty()) {
        const std::size_t size = piece_ == 0 ? rest.size() : std::min(piece_, rest.size());
        (void)co_await stream.write_all(rest.substr(0, size), Millis{5000});
        rest.remove_prefix(size);
        Timer pause(executor());
        co_await sleep_for(pause, Millis{piece_ == 0 ? 0 : 1});
      }
    }
    char byte = 0;
    (void)co_await stream.read_some(&byte, 1, Millis{1000});
  }

 private:
  std::vector<Turn> turns_;
  std::size_t piece_;
};

std::shared_ptr<const EgressOptions> through(const std::string& url) {
  auto options = std::make_shared<EgressOptions>();
  auto proxy = EgressProxy::parse(url);
  REQUIRE(proxy);
  options->https = std::make_shared<const EgressProxy>(std::move(*proxy));
  options->http = options->https;
  return options;
}

struct Attempt {
  std::string code;
  bool transient = false;
  std::string message;
};

// An http:// request for `host`, so that nothing but the tunnel is at work.
Attempt attempt(Net& net, const std::string& url, const std::string& host = "api.test",
                Millis limit = Millis{5000}, FakeResolver* resolver = nullptr,
                const char* allow = nullptr) {
  ConnectorOptions options;
  options.egress = through(url);
  options.connect_timeout = limit;
  if (allow != nullptr) {
    options.net.allow_net.push_back(*parse_cidr(allow));
  }
  Connector connector(
      net.executor(), net.deadlines, options,
      std::unique_ptr<NameResolver>(resolver == nullptr ? new FakeResolver : resolver));
  Requests requests;
  const OutboundRequest request = requests.to(host, 80, vault::Scheme::kHttp);
  auto made = net.run(connector.connect(request, AlpnOffer::kHttp1));
  Attempt result;
  result.code = code_of(made);
  if (!made) {
    result.transient = made.error().transient;
    result.message = made.error().message + made.error().help;
  } else {
    CHECK((*made)->address.ends_with(" (proxy)"));
    CHECK((*made)->buffer.empty());
  }
  return result;
}

constexpr const char* kEstablished = "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
constexpr std::string_view kConnect = "CONNECT api.test:80 HTTP/1.1\r\nHost: api.test:80\r\n\r\n";
constexpr std::size_t kPlainConnect = kConnect.size();

std::string at(const char* scheme, const Server& server, const char* user = "") {
  return std::string(scheme) + "://" + user + "127.0.0.1:" + std::to_string(server.port());
}

}  // namespace

TEST_CASE("egress: CONNECT as it is sent, and its answer in whatever pieces", "[proxy][egress]") {
  for (const std::size_t piece : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
    INFO("piece " << piece);
    Net net;
    ScriptedProxy proxy(net, {{kPlainConnect, kEstablished}}, piece);
    CHECK(attempt(net, at("http", proxy)).code.empty());
    CHECK(proxy.received == kConnect);
  }
}

TEST_CASE("egress: user and password go to the proxy, and into no fault", "[proxy][egress]") {
  Net net;
  const std::string expected =
      "CONNECT api.test:80 HTTP/1.1\r\nHost: api.test:80\r\n"
      "Proxy-Authorization: Basic dXNlcjpwYTpzcw==\r\n\r\n";
  ScriptedProxy good(net, {{expected.size(), kEstablished}});
  CHECK(attempt(net, at("http", good, "user:pa%3Ass@")).code.empty());
  CHECK(good.received == expected);
  ScriptedProxy bad(net, {{expected.size(), "HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\nhello"}});
  const Attempt refused = attempt(net, at("http", bad, "user:pa%3Ass@"));
  CHECK(refused.code == "egress_proxy_auth");
  CHECK_FALSE(refused.transient);
  for (const char* const secret : {"pa:ss", "pa%3Ass", "dXNlcjpwYTpzcw"}) {
    CHECK(refused.message.find(secret) == std::string::npos);
  }
}

TEST_CASE("egress: what a proxy may answer to CONNECT", "[proxy][egress]") {
  struct Case {
    std::string say;
    const char* code;
    bool transient;
  };
  for (const Case& c : {
           Case{"HTTP/1.0 200 OK\r\n\r\n", "", false},
           Case{"HTTP/1.1 204 \r\nContent-Length: 0\r\n\r\n", "", false},
           Case{"HTTP/1.1 407 Auth\r\n\r\n", "egress_proxy_auth", false},
           Case{"HTTP/1.1 403 Forbidden\r\n\r\n", "egress_proxy_refused", false},
           Case{"HTTP/1.1 502 Bad\r\n\r\n", "egress_proxy_refused", true},
           Case{"HTTP/1.1 504 Late\r\n\r\n", "egress_proxy_refused", true},
           Case{"HTTP/1.1 301 Moved\r\nLocation: http://x/\r\n\r\n", "egress_proxy_failed", true},
           Case{"HTTP/1.1 100 Continue\r\n\r\n", "egress_proxy_failed", true},
           // What follows the head would be read as the upstream's response.
           Case{"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
                "egress_proxy_failed", true},
           Case{"HTTP/1.1 200 OK\n\n", "egress_proxy_failed", true},
           Case{"HTTP/1.1 2000 OK\r\n\r\n", "egress_proxy_failed", true},
           Case{"SSH-2.0-OpenSSH\r\n\r\n", "egress_proxy_failed", true},
           Case{"HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x'), "egress_proxy_failed", true},
       }) {
    INFO(c.say.substr(0, 60));
    Net net;
    ScriptedProxy proxy(net, {{kPlainConnect, c.say}});
    const Attempt result = attempt(net, at("http", proxy));
    CHECK(result.code == c.code);
    CHECK(result.transient == c.transient);
    CHECK(result.message.find("evil") == std::string::npos);
    CHECK(result.message.find("Forbidden") == std::string::npos);
  }
}

TEST_CASE("egress: a proxy that is silent, away or closes", "[proxy][egress]") {
  Net net;
  Server mute(net, "127.0.0.1");
  CHECK(attempt(net, at("http", mute), "api.test", Millis{200}).code == "egress_proxy_timeout");
  CHECK(attempt(net, at("socks5h", mute), "api.test", Millis{200}).code == "egress_proxy_timeout");
  ScriptedProxy dribbles(net, {{kPlainConnect, std::string(5000, 'x')}}, 1);
  const auto start = std::chrono::steady_clock::now();
  CHECK(attempt(net, at("http", dribbles), "api.test", Millis{300}).code == "egress_proxy_timeout");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
  CHECK(attempt(net, "http://127.0.0.9:" + std::to_string(mute.port())).code ==
        "egress_proxy_failed");
  CHECK(attempt(net, "http://unknown.test:1").code == "egress_proxy_failed");
}

TEST_CASE("egress: SOCKS5 with a name, an address, a password", "[proxy][egress]") {
  using namespace std::string_literals;
  const std::string ok = "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"s;
  const std::string by_name = "\x05\x01\x00\x03\x08"s + "api.test" + "\x00\x50"s;
  for (const std::size_t piece : {std::size_t{0}, std::size_t{1}}) {
    INFO("piece " << piece);
    Net net;
    ScriptedProxy plain(net, {{3, "\x05\x00"s}, {by_name.size(), ok}}, piece);
    CHECK(attempt(net, at("socks5h", plain)).code.empty());
    CHECK(plain.received == "\x05\x01\x00"s + by_name);

    const std::string login = "\x01\x04user\x04pass"s;
    ScriptedProxy asks(net, {{4, "\x05\x02"s}, {login.size(), "\x01\x00"s}, {by_name.size(), ok}},
                       piece);
    CHECK(attempt(net, at("socks5h", asks, "user:pass@")).code.empty());
    CHECK(asks.received == "\x05\x02\x00\x02"s + login + by_name);

    // The bound address in its other forms.
    ScriptedProxy v6(
        net, {{3, "\x05\x00"s}, {by_name.size(), "\x05\x00\x00\x04"s + std::string(18, '\0')}},
        piece);
    CHECK(attempt(net, at("socks5h", v6)).code.empty());
    ScriptedProxy named(
        net, {{3, "\x05\x00"s}, {by_name.size(), "\x05\x00\x00\x03\x04host\x00\x01"s}}, piece);
    CHECK(attempt(net, at("socks5h", named)).code.empty());
  }
  // socks5: the name is looked up and checked here, the proxy gets the address.
  Net net;
  auto* const resolver = new FakeResolver;
  resolver->answer("api.test", {"127.0.0.5"});
  const std::string by_address = "\x05\x01\x00\x01\x7f\x00\x00\x05\x00\x50"s;
  ScriptedProxy local(net, {{3, "\x05\x00"s}, {by_address.size(), ok}});
  CHECK(attempt(net, at("socks5", local), "api.test", Millis{5000}, resolver, "127.0.0.5")
            .code.empty());
  CHECK(local.received == "\x05\x01\x00"s + by_address);
}

TEST_CASE("egress: what SOCKS5 may answer", "[proxy][egress]") {
  using namespace std::string_literals;
  struct Case {
    std::string method;
    std::string reply;
    const char* code;
    bool transient;
  };
  const std::string address = "\x00\x01\x00\x00\x00\x00\x00\x00"s;
  for (const Case& c : {
           Case{"\x04\x00"s, "", "egress_proxy_failed", true},
           Case{"HT"s, "", "egress_proxy_failed", true},
           Case{"\x05\xff"s, "", "egress_proxy_auth", false},
           Case{"\x05\x02"s, "", "egress_proxy_auth", false},  // nothing to log in with
           Case{"\x05\x00"s, "\x05\x01"s + address, "egress_proxy_refused", true},
           Case{"\x05\x00"s, "\x05\x02"s + address, "egress_proxy_refused", false},
           Case{"\x05\x00"s, "\x05\x05"s + address, "egress_proxy_refused", true},
           Case{"\x05\x00"s, "\x05\x63"s + address, "egress_proxy_failed", true},
           Case{"\x05\x00"s, "\x04\x00"s + address, "egress_proxy_failed", true},
           Case{"\x05\x00"s, "\x05\x00\x00\x09"s + address, "egress_proxy_failed", true},
           Case{"\x05\x00"s, "\x05\x00"s + address + "HTTP/1.1 200 OK\r\n\r\n",
                "egress_proxy_failed", true},
       }) {
    INFO(c.code << ' ' << c.reply.size());
    Net net;
    ScriptedProxy proxy(net, {{3, c.method}, {c.reply.empty() ? 0U : 15U, c.reply}});
    const Attempt result = attempt(net, at("socks5h", proxy));
    CHECK(result.code == c.code);
    CHECK(result.transient == c.transient);
  }
  Net net;
  ScriptedProxy denies(net, {{4, "\x05\x02"s}, {11, "\x01\x01"s}});
  const Attempt denied = attempt(net, at("socks5h", denies, "user:pass@"));
  CHECK(denied.code == "egress_proxy_auth");
  CHECK(denied.message.find("pass@") == std::string::npos);
}

TEST_CASE("egress: the guard judges what it can see", "[proxy][egress][net]") {
  Net net;
  ScriptedProxy proxy(net, {{kPlainConnect, kEstablished}});
  // Literals, whatever looks names up; metadata services also by name.
  for (const char* const host : {"10.0.0.1", "169.254.169.254", "[fd00:ec2::254]",
                                 "[::ffff:10.0.0.1]", "metadata.google.internal"}) {
    INFO(host);
    CHECK(attempt(net, at("http", proxy), host).code == "address_not_allowed");
    CHECK(attempt(net, at("socks5h", proxy), host).code == "address_not_allowed");
  }
  CHECK(attempt(net, at("http", proxy), "10.0.0.1", Millis{5000}, nullptr, "10.0.0.0/8")
            .code.empty());
  // socks5 looks up here: the private address is seen.
  auto* const resolver = new FakeResolver;
  resolver->answer("inside.test", {"10.0.0.1"});
  CHECK(attempt(net, at("socks5", proxy), "inside.test", Millis{5000}, resolver).code ==
        "address_not_allowed");
  // This machine's loopback is never asked of a proxy; the guard refuses it here.
  CHECK(attempt(net, at("http", proxy), "127.0.0.1").code == "address_not_allowed");
}

TEST_CASE("egress: a proxy that is the broker itself is not asked", "[proxy][egress][net]") {
  Net net;
  Server own(net, "127.0.0.1");
  ConnectorOptions options;
  options.egress = through(at("http", own));
  Connector connector(net.executor(), net.deadlines, options, std::make_unique<FakeResolver>());
  connector.add_own_listener(Endpoint{ip("127.0.0.1"), own.port()});
  Requests requests;
  const OutboundRequest request = requests.to("api.test", 443);
  auto made = net.run(connector.connect(request, AlpnOffer::kHttp1));
  CHECK(code_of(made) == "egress_proxy_failed");
  net.settle();
  CHECK(own.accepted == 0);
}

namespace {

Awaitable<void> relay(std::shared_ptr<Stream> from, std::shared_ptr<Stream> to) {
  char bytes[2048];
  for (;;) {
    const IoResult got = co_await from->read_some(bytes, sizeof bytes, Millis{5000});
    if (got.status != Io::kOk) {
      break;
    }
    const std::string_view view(bytes, got.size);
    const Io io = co_await to->write_all(view, Millis{5000});
    if (io != Io::kOk) {
      break;
    }
  }
  from->close();
  to->close();
}

// An https:// proxy that connects everybody to one port of 127.0.0.1.
class TlsProxy final : public Server {
 public:
  TlsProxy(Net& net, ossl::SslCtx context, std::uint16_t target)
      : Server(net, "127.0.0.1"), net_(net), context_(std::move(context)), target_(target) {}
  int resumed = 0;

 protected:
  Awaitable<void> handle(Stream& stream) override {
    // The relays outlive this call.
    UniqueFd socket(::fcntl(stream.descriptor(), F_DUPFD_CLOEXEC, 0));
    auto client = std::make_shared<Stream>(net_.executor(), std::move(socket), net_.deadlines);
    auto upstream = std::make_shared<Stream>(net_.executor(), net_.deadlines);
    const Io ready = co_await client->accept_tls(context_.get(), Millis{5000});
    if (ready != Io::kOk) {
      co_return;
    }
    resumed += SSL_session_reused(client->ssl());
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      char byte = 0;
      const IoResult got = co_await client->read_some(&byte, 1, Millis{5000});
      if (got.status != Io::kOk) {
        co_return;
      }
      head.push_back(byte);
    }
    const tcp::endpoint target(asio::ip::make_address("127.0.0.1"), target_);
    (void)co_await upstream->connect(target, Millis{5000});
    (void)co_await client->write_all("HTTP/1.1 200 OK\r\n\r\n", Millis{5000});
    asio::co_spawn(net_.io, relay(upstream, client), asio::detached);
    co_await relay(client, upstream);
  }

 private:
  Net& net_;
  ossl::SslCtx context_;
  std::uint16_t target_;
};

Awaitable<int> count_bytes(Stream& stream) {
  int count = 0;
  char bytes[4096];
  for (;;) {
    const IoResult got = co_await stream.read_some(bytes, sizeof bytes, Millis{5000});
    if (got.status != Io::kOk) {
      co_return got.status == Io::kEof ? count : -1;
    }
    count += static_cast<int>(got.size);
  }
}

}  // namespace

TEST_CASE("egress: TLS with the upstream inside TLS with the proxy", "[proxy][egress][tls]") {
  Net net;
  const TestCa ca;
  TlsServer server(net, ca.context("api.test"));
  TlsProxy proxy(net, ca.context("127.0.0.1"), server.port());
  ConnectorOptions options;
  options.egress = through(at("https", proxy));
  options.upstream_ca_files.push_back(ca.file());
  Connector connector(net.executor(), net.deadlines, options, std::make_unique<FakeResolver>());
  Requests requests;
  const OutboundRequest request = requests.to("api.test", 443);
  for (int i = 0; i < 2; ++i) {
    auto made = net.run(connector.connect(request, AlpnOffer::kHttp1));
    REQUIRE(made);
    CHECK(net.run(greeted((*made)->stream)));
    // Healthy while idle, and not once the other end has said something or gone.
    CHECK((*made)->stream.idle_and_healthy(/*doubtful=*/false));
    (void)net.run((*made)->stream.write_all("y", Millis{5000}));  // the server ends
    CHECK(net.run(count_bytes((*made)->stream)) == 0);
    net.settle();
    CHECK_FALSE((*made)->stream.idle_and_healthy(/*doubtful=*/false));
  }
  // Both layers resume, each with its own session.
  CHECK(proxy.resumed == 1);
  CHECK(server.resumed == 1);
  // The certificate that counts is the upstream's: the proxy's does not stand for it.
  const OutboundRequest other = requests.to("other.test", 443);
  auto refused = net.run(connector.connect(other, AlpnOffer::kHttp1));
  CHECK(code_of(refused) == "upstream_certificate_mismatch");
  // Cut off in the middle of things: neither layer touches a descriptor that is not its own any
  // more.
  auto made = net.run(connector.connect(request, AlpnOffer::kHttp1));
  REQUIRE(made);
  const int fd = (*made)->stream.descriptor();
  (*made)->stream.close_truncated();
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
  const UniqueFd one(pair[0]);
  const UniqueFd two(pair[1]);
  REQUIRE((one.get() == fd || two.get() == fd));
  made->reset();
  char byte = 0;
  CHECK(::recv(one.get(), &byte, 1, 0) < 0);
  CHECK(::recv(two.get(), &byte, 1, 0) < 0);
}
