#include "proxy/h2_connection.h"

#include <catch2/catch.hpp>
#include <deque>

#include "support/h2_pair.h"

using namespace av;
using namespace av::proxy;
using namespace av::proxy::testing;

namespace {

constexpr std::uint8_t kData = 0;
constexpr std::uint8_t kHeaders = 1;
constexpr std::uint8_t kReset = 3;
constexpr std::uint8_t kSettings = 4;
constexpr std::uint8_t kPing = 6;
constexpr std::uint8_t kGoaway = 7;
constexpr std::uint8_t kWindowUpdate = 8;
constexpr std::uint8_t kContinuation = 9;
constexpr std::uint8_t kEndStream = 1;
constexpr std::uint8_t kEndHeaders = 4;
constexpr Millis kPatience{30'000};

H2Connection::RequestLine line() {
  H2Connection::RequestLine out;
  out.method = "POST";
  out.scheme = "https";
  out.authority = "h.test";
  out.target = "/";
  return out;
}

struct Written {
  bool done = false;
  Io io = Io::kOk;
};
Awaitable<void> write_all(H2StreamPtr stream, std::string bytes, bool end, Written& result) {
  result.io = co_await stream->write(bytes, end, kNoFields, kPatience);
  result.done = true;
}

struct Read {
  std::string bytes;
  BodySource::State state = BodySource::State::kData;
  bool done = false;
};
Awaitable<void> read_all(H2StreamPtr stream, Read& result) {
  while (result.state == BodySource::State::kData) {
    const BodySource::Piece piece = co_await stream->next(kPatience);
    result.bytes.append(piece.data.data(), piece.data.size());
    result.state = piece.state;
  }
  result.done = true;
}

// Both roles against each other.
struct Pair {
  explicit Pair(H2Limits server_limits = H2Limits(), H2Limits client_limits = H2Limits())
      : server(loop, wires.ours, H2Connection::Role::kServer, server_limits),
        client(loop, wires.theirs, H2Connection::Role::kClient, client_limits) {
    server.start(loop);
    client.start(loop);
  }
  ~Pair() {
    server.http2.close();
    client.http2.close();
    (void)loop.until([&] { return server.over && client.over; });
  }
  // A request whose body goes on, and what the server has got of it.
  std::pair<H2StreamPtr, H2StreamPtr> exchange() {
    REQUIRE(loop.until([&] { return client.http2.can_open(); }));
    const std::size_t before = server.requests.size();
    H2StreamPtr ours = client.http2.open(line(), kNoFields, /*end=*/false);
    REQUIRE(ours != nullptr);
    REQUIRE(loop.until([&] { return server.requests.size() > before; }));
    return {ours, server.requests.back()};
  }
  template <typename Coroutine>
  void spawn(Coroutine coroutine) {
    asio::co_spawn(loop.io.get_executor(), std::move(coroutine), asio::detached);
  }

  Written& write(const H2StreamPtr& stream, std::string bytes, bool end) {
    Written& result = writes.emplace_back();
    spawn(write_all(stream, std::move(bytes), end, result));
    return result;
  }
  Read& read(const H2StreamPtr& stream) {
    Read& result = reads.emplace_back();
    spawn(read_all(stream, result));
    return result;
  }

  // Coroutines may still be under way when the rest goes.
  std::deque<Written> writes;
  std::deque<Read> reads;
  Loop loop;
  Wires wires;
  End server;
  End client;
};

// One role against bytes.
struct Attack {
  explicit Attack(H2Connection::Role role = H2Connection::Role::kServer)
      : end(loop, wires.ours, role), peer(wires.theirs) {
    end.start(loop);
    if (role == H2Connection::Role::kServer) {
      peer.send(kPreface);
      peer.send(frame(kSettings, 0, 0));
    }
  }
  ~Attack() {
    end.http2.close();
    (void)loop.until([&] { return end.over; });
  }
  template <typename Condition>
  bool until(Condition condition) {
    return loop.until([&] {
      peer.pump();
      return condition();
    });
  }
  // The connection's last word.
  std::uint32_t verdict() {
    (void)until([&] { return peer.find(kGoaway) != nullptr || peer.closed(); });
    const RawFrame* const goaway = peer.find(kGoaway);
    return goaway == nullptr ? 0xffff : goaway->code();
  }

  Loop loop;
  Wires wires;
  End end;
  RawPeer peer;
};

}  // namespace

TEST_CASE("h2: a request and its response cross with bodies", "[proxy][h2]") {
  Pair pair;
  const auto [ours, theirs] = pair.exchange();
  const std::string up(300'000, 'u');
  const std::string down(700'000, 'd');
  (void)pair.write(ours, up, true);
  Read& got_up = pair.read(theirs);
  REQUIRE(pair.server.http2.respond(*theirs, 200, kNoFields, /*end=*/false));
  (void)pair.write(theirs, down, true);
  Read& got_down = pair.read(ours);
  REQUIRE(pair.loop.until([&] { return got_up.done && got_down.done; }));
  CHECK(got_up.bytes == up);
  CHECK(got_up.state == BodySource::State::kEnd);
  CHECK(got_down.bytes == down);
  CHECK(got_down.state == BodySource::State::kEnd);
  REQUIRE(pair.loop.until([&] { return ours->closed() && theirs->closed(); }));
  CHECK(pair.client.http2.open_streams() == 0);
  CHECK(pair.server.http2.open_streams() == 0);
}

TEST_CASE("h2: a reader that waits holds back its own stream, within its window", "[proxy][h2]") {
  Pair pair;
  const std::string big(2 << 20, 'b');
  std::vector<std::pair<H2StreamPtr, H2StreamPtr>> stuck;
  for (int i = 0; i < 20; ++i) {
    stuck.push_back(pair.exchange());
    (void)pair.write(stuck.back().first, big, true);
  }
  const auto [ours, theirs] = pair.exchange();
  (void)pair.write(ours, big, true);
  Read& got = pair.read(theirs);
  REQUIRE(pair.loop.until([&] { return got.done; }));
  CHECK(got.bytes == big);
  for (std::size_t i = 0; i < stuck.size(); ++i) {
    CHECK_FALSE(pair.writes[i].done);
    BodySource::Piece piece;
    REQUIRE(stuck[i].second->poll(piece));
    CHECK(piece.data.size() <= static_cast<std::size_t>(H2Limits().stream_window));
  }
  // And then they all read: nothing is lost, nothing stays behind.
  std::vector<Read*> reads;
  for (const auto& [client_end, server_end] : stuck) {
    reads.push_back(&pair.read(server_end));
  }
  for (const Read* const rest : reads) {
    REQUIRE(pair.loop.until([&] { return rest->done; }));
    CHECK(rest->state == BodySource::State::kEnd);
  }
}

TEST_CASE("h2: slow readers hold more than the connection's window, and one that is quick gets all",
          "[proxy][h2]") {
  H2Limits limits;
  limits.stream_window = 64 << 10;
  limits.connection_window = 256 << 10;  // of four streams
  Pair pair(H2Limits(), limits);
  const std::string big(1 << 20, 'b');
  std::vector<std::pair<H2StreamPtr, H2StreamPtr>> slow;
  for (int i = 0; i < 40; ++i) {  // they begin before any of them is slow
    slow.push_back(pair.exchange());
  }
  const auto [quick, server_end] = pair.exchange();
  for (auto& [client_end, other_end] : slow) {
    REQUIRE(pair.server.http2.respond(*other_end, 200, kNoFields, /*end=*/false));
    (void)pair.write(other_end, big, true);
  }
  REQUIRE(pair.loop.until([&] { return !pair.client.http2.can_open(); }));
  REQUIRE(pair.server.http2.respond(*server_end, 200, kNoFields, /*end=*/false));
  Written& sent = pair.write(server_end, big, true);
  Read& got = pair.read(quick);
  REQUIRE(pair.loop.until([&] { return got.done; }));
  CHECK(got.bytes == big);
  CHECK(sent.io == Io::kOk);
  for (std::size_t i = 0; i < slow.size(); ++i) {
    CHECK_FALSE(pair.writes[i].done);
  }
  // None of them keeps more than its window, and nothing is lost.
  for (auto& [client_end, other_end] : slow) {
    BodySource::Piece piece;
    REQUIRE(client_end->poll(piece));
    CHECK(piece.data.size() <= static_cast<std::size_t>(limits.stream_window));
    const std::size_t seen = piece.data.size();
    Read& rest = pair.read(client_end);
    REQUIRE(pair.loop.until([&] { return rest.done; }));
    CHECK(seen + rest.bytes.size() == big.size());
  }
}

TEST_CASE("h2: a window grows for a reader that keeps up, not for one that does not",
          "[proxy][h2]") {
  H2Limits limits;
  limits.stream_window = 64 << 10;
  limits.grown_window = 512 << 10;
  Pair pair(H2Limits(), limits);
  const std::string big(4 << 20, 'b');
  const auto held = [&](bool reads_first) {
    const auto [client_end, server_end] = pair.exchange();
    REQUIRE(pair.server.http2.respond(*server_end, 200, kNoFields, /*end=*/false));
    (void)pair.write(server_end, big, true);
    std::size_t taken = 0;
    while (reads_first && taken < (1 << 20)) {
      BodySource::Piece piece;
      if (client_end->poll(piece)) {
        taken += piece.data.size();
      }
      pair.loop.turn();
    }
    BodySource::Piece piece;
    while (reads_first && client_end->poll(piece)) {
      piece = BodySource::Piece();  // done with all that is here
    }
    for (int i = 0; i < 200; ++i) {
      pair.loop.turn();
    }
    (void)client_end->poll(piece);
    return piece.data.size();
  };
  const std::size_t stuck = held(false);
  CHECK(stuck > 0);
  CHECK(stuck <= static_cast<std::size_t>(limits.stream_window));
  const std::size_t grown = held(true);
  CHECK(grown > static_cast<std::size_t>(limits.stream_window));
  CHECK(grown <= static_cast<std::size_t>(limits.grown_window));
}

TEST_CASE("h2: short bodies that stay unread hold nobody's window", "[proxy][h2]") {
  Pair pair;
  std::vector<H2StreamPtr> kept;
  for (int i = 0; i < 600; ++i) {  // more than the connection's window, together
    const auto [ours, theirs] = pair.exchange();
    Written& written = pair.write(ours, std::string(16'000, 's'), true);
    REQUIRE(pair.loop.until([&] { return theirs->buffered(); }));
    BodySource::Piece piece;
    REQUIRE(theirs->poll(piece));
    CHECK(piece.state == BodySource::State::kEnd);
    CHECK(piece.data.size() == 16'000);
    kept.push_back(theirs);
    REQUIRE(pair.server.http2.respond(*theirs, 204, kNoFields, /*end=*/true));
    REQUIRE(written.io == Io::kOk);
  }
}

TEST_CASE("h2: giving a stream up leaves the piece that somebody works on", "[proxy][h2]") {
  Pair pair;
  const auto [ours, theirs] = pair.exchange();
  (void)pair.write(ours, std::string(50'000, 'p'), true);
  REQUIRE(pair.loop.until([&] { return theirs->buffered(); }));
  BodySource::Piece piece;
  REQUIRE(theirs->poll(piece));
  REQUIRE_FALSE(piece.data.empty());
  theirs->reset(NGHTTP2_CANCEL);
  CHECK(std::string(piece.data.data(), piece.data.size()) == std::string(piece.data.size(), 'p'));
}

TEST_CASE("h2: what an abandoned stream brings is no complete body", "[proxy][h2]") {
  Pair pair;
  const auto [ours, theirs] = pair.exchange();
  Written& first = pair.write(ours, std::string(1000, 'a'), false);
  REQUIRE(pair.loop.until([&] { return first.done; }));
  theirs->reset(NGHTTP2_CANCEL);  // crosses with the end
  (void)pair.write(ours, std::string(1000, 'b'), true);
  Read& got = pair.read(theirs);
  REQUIRE(pair.loop.until([&] { return got.done && theirs->closed(); }));
  CHECK(got.state == BodySource::State::kBroken);
  CHECK(got.bytes.empty());
}

TEST_CASE("h2: an end that is queued goes out before the rest is declined", "[proxy][h2]") {
  for (const bool finish : {true, false}) {
    Pair pair;
    const auto [ours, theirs] = pair.exchange();
    REQUIRE(pair.server.http2.respond(*theirs, 413, kNoFields, /*end=*/true));
    if (finish) {
      theirs->finish();
    } else {
      theirs->reset(NGHTTP2_NO_ERROR);  // what finish() is there for
    }
    REQUIRE(pair.loop.until([&] { return ours->closed(); }));
    CHECK(ours->error_code() == NGHTTP2_NO_ERROR);
    CHECK(ours->has_head() == finish);
  }
}

TEST_CASE("h2: a stream that is let go without an end is broken off", "[proxy][h2]") {
  Pair pair;
  const auto [ours, theirs] = pair.exchange();
  REQUIRE(pair.server.http2.respond(*theirs, 200, kNoFields, /*end=*/false));
  theirs->finish();
  REQUIRE(pair.loop.until([&] { return ours->closed(); }));
  CHECK(ours->error_code() == NGHTTP2_INTERNAL_ERROR);
}

TEST_CASE("h2: whoever waits hears at once that the peer has gone", "[proxy][h2]") {
  Pair pair;
  const auto [ours, theirs] = pair.exchange();
  int gone = 0;
  theirs->when_gone([&gone] { ++gone; });
  Written& stuck = pair.write(theirs, std::string("x"), false);  // no head yet: goes nowhere
  SECTION("with its stream") {
    ours->reset(NGHTTP2_CANCEL);
  }
  SECTION("with its connection") {
    pair.client.http2.close();
  }
  REQUIRE(pair.loop.until([&] { return gone != 0 && stuck.done; }));
  CHECK(gone == 1);
  CHECK(stuck.io != Io::kOk);
}

TEST_CASE("h2: nobody is told about the end of a stream that was ended in order", "[proxy][h2]") {
  Pair pair;
  const auto [ours, theirs] = pair.exchange();
  int gone = 0;
  theirs->when_gone([&gone] { ++gone; });
  REQUIRE(pair.server.http2.respond(*theirs, 204, kNoFields, /*end=*/true));
  (void)pair.write(ours, std::string(), true);
  REQUIRE(pair.loop.until([&] { return theirs->closed() && ours->closed(); }));
  CHECK(gone == 0);
}

TEST_CASE("h2: after shut_down() streams end in their own time and none begins", "[proxy][h2]") {
  Pair pair;
  const auto [ours, theirs] = pair.exchange();
  pair.server.http2.shut_down();
  REQUIRE(pair.loop.until([&] { return !pair.client.http2.can_open(); }));
  REQUIRE(pair.server.http2.respond(*theirs, 204, kNoFields, /*end=*/true));
  Written& sent = pair.write(ours, "body", true);
  REQUIRE(pair.loop.until([&] { return pair.server.over && pair.client.over; }));
  CHECK(ours->has_head());
  CHECK(sent.io == Io::kOk);
}

TEST_CASE("h2: a client opens one stream until the server has said how many", "[proxy][h2]") {
  Attack server(H2Connection::Role::kClient);
  CHECK(server.end.http2.can_open());
  REQUIRE(server.end.http2.open(line(), kNoFields, true) != nullptr);
  CHECK_FALSE(server.end.http2.can_open());
  CHECK(server.end.http2.open(line(), kNoFields, true) == nullptr);
  server.peer.send(frame(kSettings, 0, 0, std::string_view("\x00\x03\x00\x00\x00\x02", 6)));
  REQUIRE(server.until([&] { return server.end.http2.can_open(); }));
  REQUIRE(server.end.http2.open(line(), kNoFields, true) != nullptr);
  CHECK_FALSE(server.end.http2.can_open());
}

TEST_CASE("h2: a client leaves a connection whose window slow readers hold", "[proxy][h2]") {
  H2Limits limits;
  limits.stream_window = 64 << 10;
  limits.connection_window = 4 * (64 << 10);
  Pair pair(H2Limits(), limits);
  std::vector<std::pair<H2StreamPtr, H2StreamPtr>> slow;
  const std::string big(1 << 20, 'b');
  for (int i = 0; i < 2; ++i) {
    slow.push_back(pair.exchange());
    REQUIRE(pair.server.http2.respond(*slow.back().second, 200, kNoFields, false));
    (void)pair.write(slow.back().second, big, true);
  }
  REQUIRE(pair.loop.until([&] { return !pair.client.http2.can_open(); }));
  Read& got = pair.read(slow[0].first);
  REQUIRE(pair.loop.until([&] { return got.done; }));
  slow[0].first->finish();
  CHECK(pair.client.http2.can_open());
}

TEST_CASE("h2: an error of the server ends the streams, whoever has the turn", "[proxy][h2]") {
  for (int frames = 0; frames < 18; ++frames) {
    INFO(frames);
    Attack server(H2Connection::Role::kClient);
    const H2StreamPtr stream = server.end.http2.open(line(), kNoFields, true);
    REQUIRE(stream != nullptr);
    server.peer.send(frame(kSettings, 0, 0));
    for (int i = 0; i < frames; ++i) {
      server.peer.send(frame(kPing, 0, 0, "12345678"));
      for (int turn = 0; turn < 6; ++turn) {  // each is read by itself
        server.peer.pump();
        server.loop.turn();
      }
    }
    server.peer.send(frame(kHeaders, kEndStream | kEndHeaders, 101, "\x88"));  // an idle stream
    CHECK(server.until([&] { return stream->closed(); }));
  }
}

TEST_CASE("h2: streams that are opened to be taken back end the connection", "[proxy][h2]") {
  Attack attack;
  for (std::uint32_t id = 1; id < 2000; id += 2) {
    attack.peer.send(frame(kHeaders, kEndHeaders, id, kGetBlock));
    attack.peer.send(frame(kReset, 0, id, std::string_view("\0\0\0\x08", 4)));
  }
  CHECK(attack.verdict() == NGHTTP2_ENHANCE_YOUR_CALM);
  CHECK(attack.end.requests.size() < 250);
}

TEST_CASE("h2: errors that make us reset streams end the connection too", "[proxy][h2]") {
  Attack attack;
  for (std::uint32_t id = 1; id < 2000; id += 2) {
    attack.peer.send(frame(kHeaders, kEndHeaders, id, kPostBlock));
    attack.peer.send(frame(kWindowUpdate, 0, id, std::string_view("\0\0\0\0", 4)));
  }
  CHECK(attack.verdict() != 0xffff);
  CHECK(attack.end.requests.size() < 250);
}

TEST_CASE("h2: a header block in endless pieces ends the connection", "[proxy][h2]") {
  Attack attack;
  attack.peer.send(frame(kHeaders, 0, 1, kGetBlock));
  for (int i = 0; i < 1000; ++i) {
    attack.peer.send(frame(kContinuation, 0, 1, std::string_view("\x00\x01x\x01y", 5)));
  }
  CHECK(attack.verdict() == NGHTTP2_ENHANCE_YOUR_CALM);
  CHECK(attack.end.requests.empty());
}

TEST_CASE("h2: frames that carry nothing are counted", "[proxy][h2]") {
  const std::string kPings(8, 'p');
  for (const std::uint8_t type : {kData, kPing, kSettings}) {
    INFO("type " << static_cast<int>(type));
    Attack attack;
    attack.peer.send(frame(kHeaders, kEndHeaders, 1, kPostBlock));
    for (int i = 0; i < 5000; ++i) {
      attack.peer.send(type == kData   ? frame(kData, 0, 1)
                       : type == kPing ? frame(kPing, 0, 0, kPings)
                                       : frame(kSettings, 0, 0));
    }
    CHECK(attack.verdict() == NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

TEST_CASE("h2: a ping for every piece of data is no flood", "[proxy][h2]") {
  Attack attack;
  attack.peer.send(frame(kHeaders, kEndHeaders, 1, kPostBlock));
  REQUIRE(attack.until([&] { return !attack.end.requests.empty(); }));
  H2Stream& stream = *attack.end.requests[0];
  REQUIRE(attack.end.http2.respond(stream, 200, kNoFields, false));
  const std::string piece(10, 'x');
  for (int i = 0; i < 3000; ++i) {
    Written sent;
    asio::co_spawn(attack.loop.io.get_executor(),
                   write_all(attack.end.requests[0], piece, false, sent), asio::detached);
    attack.peer.send(frame(kPing, 0, 0, "12345678"));
    REQUIRE(attack.until([&] { return sent.done; }));
    REQUIRE(sent.io == Io::kOk);
  }
  CHECK(attack.peer.find(kGoaway) == nullptr);
}

TEST_CASE("h2: more data than the window has room for is an error", "[proxy][h2]") {
  Attack attack;
  attack.peer.send(frame(kHeaders, kEndHeaders, 1, kPostBlock));
  const std::string full(16384, 'x');
  for (int i = 0; i < 40; ++i) {
    attack.peer.send(frame(kData, 0, 1, full));
  }
  REQUIRE(attack.until(
      [&] { return attack.peer.find(kReset) != nullptr || attack.peer.find(kGoaway) != nullptr; }));
  const RawFrame* const reset = attack.peer.find(kReset);
  const RawFrame* const last = reset != nullptr ? reset : attack.peer.find(kGoaway);
  CHECK(last->code() == NGHTTP2_FLOW_CONTROL_ERROR);
}

TEST_CASE("h2: anything but the preface ends the connection", "[proxy][h2]") {
  Loop loop;
  Wires wires;
  End end(loop, wires.ours, H2Connection::Role::kServer);
  RawPeer peer(wires.theirs);
  end.start(loop);
  peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  REQUIRE(loop.until([&] {
    peer.pump();
    return end.over;
  }));
  CHECK(end.requests.empty());
}

TEST_CASE("h2: an idle connection ends, one with a stream does not", "[proxy][h2]") {
  Attack attack;
  attack.peer.send(frame(kHeaders, kEndHeaders | kEndStream, 1, kGetBlock));
  REQUIRE(attack.until([&] { return !attack.end.requests.empty(); }));
  attack.loop.skip(Millis{120'000});
  for (int i = 0; i < 20; ++i) {
    attack.loop.turn();
  }
  CHECK_FALSE(attack.end.over);
  REQUIRE(attack.end.http2.respond(*attack.end.requests[0], 204, kNoFields, true));
  REQUIRE(attack.until([&] { return attack.end.http2.open_streams() == 0; }));
  attack.loop.skip(Millis{120'000});
  CHECK(attack.until([&] { return attack.end.over; }));
  CHECK(attack.verdict() == NGHTTP2_NO_ERROR);
}

TEST_CASE("rate limit: a burst, then so many a second", "[proxy][h2]") {
  RateLimit limit(3, 2);
  CHECK(limit.allows(1'000'000));
  CHECK(limit.allows(1'000'000));
  CHECK(limit.allows(1'000'000));
  CHECK_FALSE(limit.allows(1'000'000));
  CHECK(limit.allows(1'001'500));
  limit.refund();
  CHECK(limit.allows(1'001'500));
}
