#include "proxy/broker_stream.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "unit/proxy/net_fixture.h"

namespace av::proxy {
namespace {

// Says every byte again that it hears, but for "!", at which it ends the connection, and "?", after
// which it says nothing more.
Awaitable<void> echo(Stream& stream) {
  char room[64];
  bool quiet = false;
  for (;;) {
    const IoResult got = co_await stream.read_some(room, sizeof room, Millis{5000});
    const std::string_view text(room, got.size);
    if (got.status != Io::kOk || text.find('!') != std::string_view::npos) {
      stream.close();
      co_return;
    }
    quiet = quiet || text.find('?') != std::string_view::npos;
    if (!quiet) {
      (void)co_await stream.write_all(text, Millis{5000});
    }
  }
}

class EchoServer final : public test::Server {
 public:
  EchoServer(test::Net& net, ossl::SslCtx context)
      : Server(net, "127.0.0.1"), context_(std::move(context)) {}

 protected:
  Awaitable<void> handle(Stream& stream) override {
    if (context_ != nullptr) {
      const Io io = co_await stream.accept_tls(context_.get(), Millis{5000});
      if (io != Io::kOk) {
        co_return;
      }
    }
    co_await echo(stream);
  }

 private:
  ossl::SslCtx context_;
};

// The server's loop runs in a thread: what is tested blocks.
struct Running {
  explicit Running(ossl::SslCtx context) : server(net, std::move(context)) {
    thread = std::thread([this] {
      while (!stop) {
        net.io.run_for(std::chrono::milliseconds(10));
      }
    });
  }
  ~Running() {
    stop = true;
    thread.join();
  }
  [[nodiscard]] std::string url(const std::string& scheme) const {
    return scheme + "://relay.test:" + std::to_string(server.port()) + "/path";
  }
  [[nodiscard]] ConnectorOptions options() const {
    ConnectorOptions out;
    out.net.resolve.push_back(
        *parse_resolve("relay.test:" + std::to_string(server.port()) + ":127.0.0.1"));
    out.connect_timeout = Millis{2'000};
    return out;
  }
  test::Net net;
  EchoServer server;
  std::atomic<bool> stop{false};
  std::thread thread;
};

std::string heard(BrokerStream& stream, std::size_t size) {
  std::string out;
  char room[16];
  while (out.size() < size) {
    const auto got = stream.read(room, Millis{5'000});
    REQUIRE(got.has_value());
    REQUIRE(got->has_value());
    REQUIRE(**got > 0);
    out.append(room, **got);
  }
  return out;
}

void converse(BrokerStream& stream) {
  REQUIRE(stream.write("hello", Millis{1'000}).has_value());
  CHECK(heard(stream, 5) == "hello");
  const std::string large(10'000, 'x');
  REQUIRE(stream.write(large, Millis{5'000}).has_value());
  CHECK(heard(stream, large.size()) == large);
  // Nothing comes: that is said, and the stream goes on.
  char room[8];
  const auto started = std::chrono::steady_clock::now();
  const auto nothing = stream.read(room, Millis{50});
  REQUIRE(nothing.has_value());
  CHECK_FALSE(nothing->has_value());
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(3));
  REQUIRE(stream.write("again", Millis{1'000}).has_value());
  CHECK(heard(stream, 5) == "again");
  // It is not bound to the thread that made it.
  std::string elsewhere;
  std::thread([&] {
    char letter = 0;
    if (stream.write("y", Millis{1'000}).has_value() &&
        stream.read({&letter, 1}, Millis{5'000}).has_value()) {
      elsewhere = letter;
    }
  }).join();
  CHECK(elsewhere == "y");
  // Its end.
  REQUIRE(stream.write("!", Millis{1'000}).has_value());
  const auto end = stream.read(room, Millis{5'000});
  REQUIRE(end.has_value());
  REQUIRE(end->has_value());
  CHECK(**end == 0);
  stream.close();
  CHECK_FALSE(stream.read(room, Millis{50}).has_value());
  CHECK_FALSE(stream.write("x", Millis{50}).has_value());
}

TEST_CASE("a stream of the broker's own carries bytes both ways, in clear") {
  Running running(nullptr);
  const SystemClock clock;
  auto stream = BrokerStream::connect(running.options(), running.url("ws"), clock);
  REQUIRE(stream.has_value());
  converse(**stream);
}

TEST_CASE("a stream of the broker's own verifies TLS, and carries bytes under it") {
  const test::TestCa authority;
  Running running(authority.context("relay.test"));
  const SystemClock clock;
  // The control: without the authority it is not trusted.
  const auto refused = BrokerStream::connect(running.options(), running.url("wss"), clock);
  REQUIRE_FALSE(refused.has_value());
  CHECK(std::string(refused.error().code).starts_with("upstream_certificate"));
  ConnectorOptions options = running.options();
  options.upstream_ca_files.push_back(authority.file());
  auto stream = BrokerStream::connect(options, running.url("wss"), clock);
  REQUIRE(stream.has_value());
  converse(**stream);
}

TEST_CASE("a stream of the broker's own trusts the roots that it was given, and no others") {
  const test::TestCa authority;
  const test::TestCa other;
  Running running(authority.context("relay.test"));
  const SystemClock clock;
  const auto refused =
      BrokerStream::connect(running.options(), running.url("wss"), clock, other.pem());
  REQUIRE_FALSE(refused.has_value());
  CHECK(std::string(refused.error().code).starts_with("upstream_certificate"));
  auto stream =
      BrokerStream::connect(running.options(), running.url("wss"), clock, authority.pem());
  REQUIRE(stream.has_value());
  converse(**stream);
}

TEST_CASE("a stream of the broker's own is not made to private addresses, nor to what is no URL") {
  Running running(nullptr);
  const SystemClock clock;
  ConnectorOptions options;
  options.connect_timeout = Millis{2'000};
  const std::string port = std::to_string(running.server.port());
  const auto refused = BrokerStream::connect(options, "ws://127.0.0.1:" + port + "/", clock);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().status == 403);
  CHECK(running.server.accepted == 0);
  for (const std::string_view bad : {"", "relay.test", "ftp://relay.test", "ws://", "ws://a b/"}) {
    const auto none = BrokerStream::connect(options, bad, clock);
    REQUIRE_FALSE(none.has_value());
    CHECK(std::string(none.error().code) == "bad_request");
  }
}

}  // namespace
}  // namespace av::proxy
