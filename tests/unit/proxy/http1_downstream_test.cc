#include "proxy/http1_downstream.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "support/h2_pair.h"

using namespace av;
using namespace av::proxy;
using av::proxy::testing::Loop;
using av::proxy::testing::Wires;

namespace {

struct Client {
  explicit Client(Loop& loop) {
    const Wires wires;
    stream = std::make_unique<Stream>(loop.io.get_executor(), UniqueFd(wires.ours), loop.deadlines);
    socket = UniqueFd(wires.theirs);
    head.method = "GET";
    head.minor_version = 1;
  }
  void receive() {
    std::vector<char> room(1 << 16);
    for (ssize_t got = 1; got > 0;) {
      got = ::recv(socket.get(), room.data(), room.size(), 0);
      received.append(room.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    }
  }
  std::unique_ptr<Stream> stream;
  UniqueFd socket;
  std::string received;
  RequestHead head;
  ReadBuffer buffer;
  bool draining = false;
};

// The chunked framing taken off, plainly.
std::string unchunked(std::string_view text) {
  std::string body;
  for (;;) {
    const std::size_t end = text.find("\r\n");
    REQUIRE(end != std::string_view::npos);
    const std::size_t size = std::stoul(std::string(text.substr(0, end)), nullptr, 16);
    if (size == 0) {
      CHECK(text.substr(end) == "\r\n\r\n");
      return body;
    }
    body += text.substr(end + 2, size);
    REQUIRE(text.substr(end + 2 + size, 2) == "\r\n");
    text.remove_prefix(end + 2 + size + 2);
  }
}

struct Answer {
  std::vector<std::string> pieces;
  bool flush_each = false;
};

Awaitable<void> give(Http1Downstream& client, const ResponsePlan& plan, const Answer& answer,
                     bool& done) {
  client.put_head(plan);
  for (const std::string& piece : answer.pieces) {
    (void)co_await client.put_body(piece);
    if (answer.flush_each) {
      (void)co_await client.flush();
    }
  }
  const Io io = co_await client.put_end(kNoFields);
  done = io == Io::kOk;
}

}  // namespace

TEST_CASE("http1 downstream: a body arrives whole, whatever the sizes of its pieces",
          "[proxy][downstream]") {
  std::mt19937 random(1);
  for (int round = 0; round < 40; ++round) {
    Loop loop;
    Client client(loop);
    Http1Downstream downstream(*client.stream, client.buffer, client.head, client.draining);
    ResponsePlan plan;
    plan.status = 200;
    plan.reason = "OK";
    plan.body = round % 2 == 0 ? BodyKind::kLength : BodyKind::kChunked;
    Answer answer;
    answer.flush_each = round % 3 == 0;
    std::string body;
    for (int i = 0; i < 30; ++i) {
      // Around a record's size, and around nothing.
      const std::size_t around = random() % 3 * 16384;
      const std::size_t size =
          std::max<std::size_t>(1, around + random() % 200 - (around == 0 ? 0 : 100));
      std::string piece(size, '\0');
      for (char& c : piece) {
        c = static_cast<char>('a' + random() % 26);
      }
      body += piece;
      answer.pieces.push_back(std::move(piece));
    }
    bool done = false;
    asio::co_spawn(loop.io, give(downstream, plan, answer, done), asio::detached);
    REQUIRE(loop.until([&] {
      client.receive();
      return done;
    }));
    client.receive();
    const std::size_t end = client.received.find("\r\n\r\n");
    REQUIRE(end != std::string::npos);
    const std::string_view rest = std::string_view(client.received).substr(end + 4);
    const std::string arrived =
        plan.body == BodyKind::kLength ? std::string(rest) : unchunked(rest);
    const auto differ = std::mismatch(body.begin(), body.end(), arrived.begin(), arrived.end());
    CAPTURE(round, body.size(), arrived.size(), differ.first - body.begin());
    CHECK(static_cast<bool>(arrived == body));
    CHECK(downstream.bytes_sent() == client.received.size());
  }
}

TEST_CASE("http1 downstream: what is flushed is not kept for a fuller record",
          "[proxy][downstream]") {
  Loop loop;
  Client client(loop);
  Http1Downstream downstream(*client.stream, client.buffer, client.head, client.draining);
  ResponsePlan plan;
  plan.status = 200;
  plan.body = BodyKind::kLength;
  struct Part {
    static Awaitable<void> run(Http1Downstream& client, const ResponsePlan& plan,
                               const std::string& piece, bool& done) {
      client.put_head(plan);
      (void)co_await client.put_body(piece);
      (void)co_await client.flush();
      done = true;
    }
  };
  const std::string piece(16384 + 100, 'x');
  bool done = false;
  asio::co_spawn(loop.io, Part::run(downstream, plan, piece, done), asio::detached);
  REQUIRE(loop.until([&] {
    client.receive();
    return done;
  }));
  client.receive();
  CHECK(client.received.ends_with("\r\n\r\n" + piece));
}
