#include <openssl/evp.h>

#include <catch2/catch.hpp>
#include <deque>
#include <set>

#include "source/websocket_client.h"
#include "source/websocket_reader.h"
#include "unit/source/aac_device.h"

namespace av::source {
namespace {

using testing::FakeClock;
using Why = Failure::Why;
using Kind = WebSocketReader::Event::Kind;

std::string frame(unsigned first, std::string_view payload) {
  std::string out(1, static_cast<char>(first));
  if (payload.size() < 126) {
    out += static_cast<char>(payload.size());
  } else if (payload.size() <= 0xffff) {
    out += static_cast<char>(126);
    out += static_cast<char>(payload.size() >> 8U);
    out += static_cast<char>(payload.size());
  } else {
    out += static_cast<char>(127);
    for (int i = 7; i >= 0; --i) {
      out += static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> (8 * i));
    }
  }
  return out + std::string(payload);
}

// Everything that comes out, fed in pieces of `at_once`.
std::string read_all(std::string_view bytes, std::size_t at_once) {
  WebSocketReader reader;
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += at_once) {
    reader.feed(bytes.substr(at, at_once));
    for (;;) {
      const auto event = reader.next();
      if (!event) {
        return out + "(broken)";
      }
      if (!*event) {
        break;
      }
      out += (*event)->kind == Kind::kText ? "t:" : (*event)->kind == Kind::kPing ? "p:" : "c:";
      out += std::string((*event)->payload.view()) + ";";
    }
  }
  return out;
}

TEST_CASE("WebSocket frames: messages whole and in pieces, with pings in between, at every split") {
  const std::string bytes = frame(0x81, "Hello") + frame(0x01, "Hel") + frame(0x89, "ping") +
                            frame(0x8a, "pong") + frame(0x00, "") + frame(0x80, "lo") +
                            frame(0x81, "") + frame(0x88, "\x03\xe8");
  const std::string all = "t:Hello;p:ping;t:Hello;t:;c:\x03\xe8;";
  for (std::size_t at_once = 1; at_once <= bytes.size(); ++at_once) {
    REQUIRE(read_all(bytes, at_once) == all);
  }
}

TEST_CASE("WebSocket frames: what a server must not send is refused") {
  const std::pair<const char*, std::string> kBad[] = {
      {"masked", std::string("\x81\x81\0\0\0\0x", 7)},
      {"an extension", frame(0xc1, "x")},
      {"an unknown kind", frame(0x83, "x")},
      {"an unknown control frame", frame(0x8b, "x")},
      {"binary", frame(0x82, "x")},
      {"a ping in pieces", frame(0x09, "x")},
      {"a long ping", frame(0x89, std::string(126, 'x'))},
      {"no beginning", frame(0x80, "x")},
      {"two beginnings", frame(0x01, "x") + frame(0x81, "y")},
      {"not UTF-8", frame(0x81, "\xff")},
      {"not UTF-8 across frames", frame(0x01, "\xc3") + frame(0x80, "x")},
      {"a long form", std::string("\x81\x7e\x00\x05Hello", 9)},
      {"a longer form", std::string("\x81\x7f\0\0\0\0\0\0\xff\xff", 10)},
      {"too long", std::string("\x81\x7f\0\0\0\0\0\x10\0\x01", 10)},
      {"much too long", std::string("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10)},
  };
  for (const auto& [what, bytes] : kBad) {
    INFO(what);
    CHECK(read_all(bytes, bytes.size()).ends_with("(broken)"));
    CHECK(read_all(bytes, 1).ends_with("(broken)"));
  }
  // A character may be split over frames; a message may have as much as is allowed, in pieces too.
  CHECK(read_all(frame(0x01, "\xc3") + frame(0x80, "\xa9"), 1) == "t:\xc3\xa9;");
  const std::string half(kMostBody / 2, 'x');
  CHECK(read_all(frame(0x01, half) + frame(0x80, half), 4096).size() == kMostBody + 3);
  CHECK(read_all(frame(0x01, half) + frame(0x00, half) + frame(0x80, "x"), 4096) == "(broken)");
}

TEST_CASE("WebSocket frames of ours are masked; the vector of RFC 6455 section 5.7") {
  const SecretBuffer hello = client_frame(ClientFrame::kText, "Hello", 0x37fa213d);
  CHECK(encoding::hex({reinterpret_cast<const std::uint8_t*>(hello.view().data()), hello.size()}) ==
        "818537fa213d7f9f4d5158");
  for (const std::size_t size : {0U, 125U, 126U, 0xffffU, 0x10000U}) {
    const std::string text(size, 'x');
    const SecretBuffer out = client_frame(ClientFrame::kText, text, 0);
    const std::size_t head = size < 126 ? 6 : size <= 0xffff ? 8 : 14;
    CHECK(out.size() == size + head);
    CHECK(out.view().substr(head) == text);
  }
}

TEST_CASE("the WebSocket handshake is agreed to as RFC 6455 has it, or not at all") {
  // The key and its answer of section 1.3.
  const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";
  const std::string accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
  const std::string head = "HTTP/1.1 101 Switching Protocols\r\n";
  const std::string both = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
  const auto agreed = [&](const std::string& answer) {
    return check_websocket_answer(answer, key).has_value();
  };
  CHECK(agreed(head + both + accept + "\r\n"));
  CHECK(agreed("HTTP/1.1 101 \r\nupgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n" +
               accept + "Server: x\r\n\r\n"));
  CHECK_FALSE(agreed(head + both + "\r\n"));
  CHECK_FALSE(agreed(head + accept + "\r\n"));
  CHECK_FALSE(agreed(head + both + accept + accept + "\r\n"));
  CHECK_FALSE(agreed(head + both + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOp=\r\n\r\n"));
  CHECK_FALSE(
      agreed(head + both + accept + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"));
  CHECK_FALSE(agreed(head + both + accept + "Sec-WebSocket-Protocol: chat\r\n\r\n"));
  CHECK_FALSE(agreed(head + "Upgrade: h2c\r\nConnection: Upgrade\r\n" + accept + "\r\n"));
  CHECK_FALSE(agreed(head + "Upgrade: websocket\r\nConnection: close\r\n" + accept + "\r\n"));
  CHECK_FALSE(agreed(head + both + accept + "broken\r\n\r\n"));
  CHECK_FALSE(agreed(head + both + accept + "a b: c\r\n\r\n"));
  CHECK_FALSE(agreed("HTTP/1.0 101 x\r\n" + both + accept + "\r\n"));
  CHECK_FALSE(agreed("HTTP/1.1 1012\r\n" + both + accept + "\r\n"));
  CHECK_FALSE(agreed("HTTP/1.1 200 OK\r\n" + both + accept + "\r\n"));
  CHECK_FALSE(agreed(""));
  CHECK(check_websocket_answer("HTTP/1.1 403 Forbidden\r\n\r\n", key).error().why == Why::kDenied);
  CHECK(check_websocket_answer("HTTP/1.1 503 Busy\r\n\r\n", key).error().why == Why::kBusy);
  CHECK(check_websocket_answer("HTTP/1.1 404 Not Found\r\n\r\n", key).error().why == Why::kRefused);
}

TEST_CASE("URLs of WebSocket servers") {
  const auto url = read_websocket_url("wss://ap.example.com:8443/a?b");
  REQUIRE(url.has_value());
  CHECK(url->host == "ap.example.com:8443");
  CHECK(url->target == "/a?b");
  CHECK(read_websocket_url("ws://x.test")->target == "/");
  CHECK(read_websocket_url("ws://x.test?a")->target == "/?a");
  for (const std::string_view bad :
       {"", "https://x.test", "wss://", "wss:///x", "wss://x y/", "wss://u@x.test/",
        "wss://x.test/a b", "wss://x.test/#f", "wss://x.test/\r\nHost: y", "WSS", "ws", "wss",
        "wss:/x.test"}) {
    INFO(bad);
    CHECK_FALSE(read_websocket_url(bad).has_value());
  }
}

// The other end of a stream, in memory: answers the handshake, then says what the test has for it.
struct Wire {
  std::string sent;              // by the client
  std::deque<std::string> says;  // behind the handshake, one piece for each read
  std::size_t at_once = 1'000'000;
  std::string spoilt;  // instead of a good answer to the handshake
  bool closed = false;
};

class FakeStream final : public ByteStream {
 public:
  FakeStream(Wire& wire, FakeClock& clock) : wire_(wire), clock_(clock) {}
  Result<std::size_t> read(std::span<char> into, std::int64_t timeout_ms) override {
    if (ready_.empty() && !wire_.says.empty() && shaken_) {
      ready_ = wire_.says.front();
      wire_.says.pop_front();
      if (ready_.empty()) {
        return std::size_t{0};
      }
    }
    if (ready_.empty()) {
      clock_.advance(timeout_ms);
      return failure(Why::kTimeout, "nothing");
    }
    const std::size_t size = std::min({into.size(), ready_.size(), wire_.at_once});
    std::copy_n(ready_.begin(), size, into.begin());
    ready_.erase(0, size);
    return size;
  }
  Result<void> write(std::string_view bytes) override {
    wire_.sent += bytes;
    if (!shaken_ && wire_.sent.ends_with("\r\n\r\n")) {
      shaken_ = true;
      ready_ = wire_.spoilt.empty() ? answer() : wire_.spoilt;
      wire_.sent.clear();
    }
    return {};
  }
  void close() override { wire_.closed = true; }

 private:
  std::string answer() {
    CHECK(wire_.sent.starts_with("GET /x HTTP/1.1\r\nHost: relay.test\r\n"));
    CHECK(wire_.sent.find("Sec-WebSocket-Version: 13\r\n") != std::string::npos);
    const std::size_t at = wire_.sent.find("Sec-WebSocket-Key: ") + 19;
    const std::string key = wire_.sent.substr(at, 24);
    keys.push_back(key);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: " +
           encoding::base64({reinterpret_cast<const char*>(digest), size}) + "\r\n\r\n";
  }
  Wire& wire_;
  FakeClock& clock_;
  std::string ready_;
  bool shaken_ = false;

 public:
  inline static std::vector<std::string> keys;
};

class FakeDialer final : public Dialer {
 public:
  FakeDialer(Wire& wire, FakeClock& clock) : wire_(wire), clock_(clock) {}
  Result<std::unique_ptr<ByteStream>> connect(const std::string& url) override {
    CHECK(url == "wss://relay.test/x");
    return std::unique_ptr<ByteStream>(std::make_unique<FakeStream>(wire_, clock_));
  }

 private:
  Wire& wire_;
  FakeClock& clock_;
};

struct Client {
  FakeClock clock;
  Wire wire;
  FakeDialer dialer{wire, clock};
  WebSocketClient client{dialer, clock};
  Result<std::unique_ptr<WebSocket>> open() { return client.open("wss://relay.test/x"); }
};

std::string unmasked(std::string_view bytes) {
  std::string out;
  while (bytes.size() >= 6) {
    const auto size = static_cast<std::size_t>(bytes[1] & 127);
    REQUIRE((bytes[1] & 0x80) != 0);
    out += "<" + std::to_string(bytes[0] & 15) + ":";
    for (std::size_t i = 0; i < size; ++i) {
      out += static_cast<char>(bytes[6 + i] ^ bytes[2 + i % 4]);
    }
    out += ">";
    bytes.remove_prefix(6 + size);
  }
  return out;
}

TEST_CASE("a WebSocket: handshake, messages, pings answered, time-outs, close; at every split") {
  for (const std::size_t at_once : {1U, 2U, 3U, 7U, 64U, 100'000U}) {
    Client test;
    test.wire.at_once = at_once;
    test.wire.says = {frame(0x89, "are you there") + frame(0x01, "a"), frame(0x80, "b"),
                      frame(0x81, std::string(70'000, 'x')), frame(0x88, "\x03\xe9")};
    auto socket = test.open();
    REQUIRE(socket.has_value());
    CHECK((*socket)->receive(1'000)->view() == "ab");
    CHECK(unmasked(test.wire.sent) == "<10:are you there>");
    test.wire.sent.clear();
    REQUIRE((*socket)->send("hello").has_value());
    CHECK(unmasked(test.wire.sent) == "<1:hello>");
    test.wire.sent.clear();
    CHECK((*socket)->receive(1'000)->size() == 70'000);
    CHECK((*socket)->receive(1'000).error().why == Why::kUnreachable);
    CHECK(unmasked(test.wire.sent) == "<8:\x03\xe9>");
    CHECK_FALSE((*socket)->send("x").has_value());
    socket->reset();
    CHECK(test.wire.closed);
  }
  // Keys and masks are never the same twice.
  CHECK(FakeStream::keys.size() == 6);
  CHECK(std::set<std::string>(FakeStream::keys.begin(), FakeStream::keys.end()).size() == 6);
}

TEST_CASE("a WebSocket: silence is a time-out and no end; the end, and nonsense, are") {
  Client test;
  auto socket = test.open();
  REQUIRE(socket.has_value());
  const auto before = test.clock.wall_ms();
  CHECK((*socket)->receive(25).error().why == Why::kTimeout);
  CHECK(test.clock.wall_ms() - before == 25);
  test.wire.says = {frame(0x81, "later")};
  CHECK((*socket)->receive(25)->view() == "later");
  test.wire.says = {std::string()};
  CHECK((*socket)->receive(25).error().why == Why::kUnreachable);

  Client other;
  other.wire.says = {frame(0x82, "binary") + frame(0x81, "text")};
  auto second = other.open();
  CHECK((*second)->receive(25).error().why == Why::kMalformed);
  CHECK((*second)->receive(25).error().why == Why::kUnreachable);
  CHECK(unmasked(other.wire.sent) == "<8:\x03\xea>");
}

TEST_CASE("a WebSocket: a server that pings without end does not keep us beyond our time") {
  Client test;
  auto socket = test.open();
  REQUIRE(socket.has_value());
  std::string pings;
  for (int i = 0; i < 1'000; ++i) {
    pings += frame(0x89, "");
  }
  test.wire.says = {pings};
  CHECK((*socket)->receive(25).error().why == Why::kTimeout);
}

TEST_CASE("a WebSocket: a server that does not agree, or never ends its head") {
  for (const std::string& answer :
       {std::string("HTTP/1.1 200 OK\r\n\r\n"), std::string("hello\r\n\r\n"),
        "HTTP/1.1 101 x\r\nA: " + std::string(20'000, 'x'), std::string("HTTP/1.1 101 x\r\n")}) {
    Client test;
    test.wire.spoilt = answer;
    const auto socket = test.open();
    REQUIRE_FALSE(socket.has_value());
    CHECK((socket.error().why == Why::kRefused || socket.error().why == Why::kTimeout));
    CHECK(test.wire.closed);
  }
}

}  // namespace
}  // namespace av::source
