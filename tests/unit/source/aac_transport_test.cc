#include "source/aac_transport.h"

#include <catch2/catch.hpp>

#include "unit/source/aac_device.h"

namespace av::source {
namespace {

using testing::secret_of;
using testing::shown;
using testing::text_of;
using testing::unhex;

constexpr std::int64_t kNow = 1'800'000'000;
constexpr std::int64_t kDay = 86'400;

AacTransport side(char send, char receive, std::int64_t now = kNow) {
  return {secret_of(std::string(32, send)), secret_of(std::string(32, receive)), now};
}
struct Sides {
  AacTransport ours = side('a', 'b');
  AacTransport theirs = side('b', 'a');
};

crypto::Bytes sealed(AacTransport& by, std::string_view text, std::int64_t now = kNow) {
  auto packet = by.seal(text, now);
  REQUIRE(packet.has_value());
  return std::move(*packet);
}
std::string opened(AacTransport& by, const crypto::Bytes& packet, std::int64_t now = kNow) {
  const auto text = by.open(packet, now);
  return text ? shown(*text) : "(" + text.error().message + ")";
}

// A packet that says what one likes, under a key that one has.
crypto::Bytes made(char key, std::int64_t sent, std::int64_t number,
                   std::string_view suite = kAacSuite, bool strings = false) {
  CborWriter associated;
  associated.map(3);
  associated.text("timestamp");
  associated.integer(sent);
  associated.text("chain_counter");
  associated.integer(number);
  associated.text("ciphersuite");
  associated.text(suite);
  xchacha::Nonce nonce{};
  crypto::random_bytes(nonce);
  const auto text =
      xchacha::seal(secret_of(std::string(32, key)), nonce, "made up", text_of(associated.out()));
  CborWriter out;
  const auto list = [&](std::span<const std::uint8_t> bytes) {
    strings ? out.bytes(bytes) : out.octets(bytes);
  };
  out.map(3);
  out.text("aad");
  list(associated.out());
  out.text("nonce");
  list(nonce);
  out.text("ciphertext");
  list(*text);
  return out.out();
}

TEST_CASE("the channel carries texts both ways; packets of integers or of byte strings") {
  Sides sides;
  CHECK(opened(sides.theirs, sealed(sides.ours, "question")) == "question");
  CHECK(opened(sides.ours, sealed(sides.theirs, "answer")) == "answer");
  CHECK(opened(sides.ours, made('b', kNow, 1)) == "made up");
  CHECK(opened(sides.ours, made('b', kNow, 1, kAacSuite, true)) == "made up");
  // The spelling that the written protocol has.
  CHECK(opened(sides.ours, made('b', kNow, 1, "ClassicalNNpsk2_25519_XChaCha20Poly1305")) ==
        "made up");
  CHECK(opened(sides.ours, made('b', kNow, 1, "PQNNpsk2_Kyber768_XChaCha20Poly1305")) ==
        "(a message is not a packet of the protocol)");
}

TEST_CASE("the packet that we write is CBOR as the crates write it") {
  Sides sides;
  const auto packet = sealed(sides.ours, "");
  CborReader in(packet);
  CHECK(in.map() == 3U);
  CHECK(in.text(20) == "nonce");
  CHECK(in.array() == 24U);
  for (int i = 0; i < 24; ++i) {
    CHECK(in.integer().has_value());
  }
  CHECK(in.text(20) == "ciphertext");
  CHECK(in.octets(100)->size() == 16);
  CHECK(in.text(20) == "aad");
  const auto associated = in.octets(200);
  CHECK(in.done());
  // {"timestamp": 1800000000, "chain_counter": 1, "ciphersuite": "..."}
  CHECK(encoding::hex(*associated) ==
        "a3"
        "6974696d657374616d70"
        "1a6b49d200"
        "6d636861696e5f636f756e746572"
        "01"
        "6b6369706865727375697465"
        "7827"
        "436c6173736963616c4e4e70736b325f32353531395f584368614368"
        "613230506f6c7931303335");
}

TEST_CASE("a relay cannot repeat, change or make up a packet; the control is one that it let be") {
  Sides sides;
  const auto packet = sealed(sides.theirs, "answer");
  for (std::size_t i = 0; i < packet.size(); ++i) {
    crypto::Bytes bad = packet;
    bad[i] ^= 1;
    CHECK_FALSE(sides.ours.open(bad, kNow).has_value());
  }
  for (std::size_t size = 0; size < packet.size(); ++size) {
    CHECK_FALSE(sides.ours.open(std::span(packet).first(size), kNow).has_value());
  }
  CHECK(opened(sides.ours, packet) == "answer");
  CHECK(opened(sides.ours, packet) == "(a message has been repeated)");
  // Ours, sent back to us.
  CHECK_FALSE(sides.ours.open(sealed(sides.ours, "question"), kNow).has_value());
}

TEST_CASE("packets are taken for a day, and a minute early") {
  Sides sides;
  CHECK(opened(sides.ours, made('b', kNow - kDay, 1)) == "made up");
  CHECK(opened(sides.ours, made('b', kNow - kDay - 1, 1)) == "(a message is too old)");
  CHECK(opened(sides.ours, made('b', kNow + 60, 1)) == "made up");
  CHECK(sides.ours.open(made('b', kNow + 61, 1), kNow).error().code == ErrorCode::kConflict);
}

TEST_CASE("keys move on once a day, and the receiver follows") {
  Sides sides;
  for (int day = 0; day < 5; ++day) {
    const std::int64_t now = kNow + day * kDay;
    CHECK(opened(sides.ours, sealed(sides.theirs, "day", now), now) == "day");
    CHECK(opened(sides.theirs, sealed(sides.ours, "day", now), now) == "day");
  }
  // Long silence; and the most that can be followed.
  CHECK(opened(sides.ours, sealed(sides.theirs, "later", kNow + 1'000 * kDay),
               kNow + 1'000 * kDay) == "later");
  Sides edge;
  CHECK_FALSE(edge.ours.seal("x", kNow + 1'025 * kDay).has_value());
  CHECK(edge.ours.seal("x", kNow + 1'024 * kDay).has_value());
}

TEST_CASE("of two devices the one that is a day behind is still read, and no more than that") {
  Sides sides;
  AacTransport slow = side('b', 'a', kNow + kDay);  // thinks that it is a day earlier
  const std::int64_t now = kNow + kDay;
  CHECK(opened(sides.ours, sealed(sides.theirs, "new key", now), now) == "new key");
  CHECK(opened(sides.ours, sealed(slow, "old key", now), now) == "old key");
  CHECK(opened(sides.ours, sealed(sides.theirs, "two", now + kDay), now + kDay) == "two");
  CHECK(opened(sides.ours, sealed(slow, "one behind", now + kDay), now + kDay) == "one behind");
  AacTransport slower = side('b', 'a', kNow + 2 * kDay);
  CHECK(sides.ours.open(sealed(slower, "two behind", now + kDay), now + kDay).error().code ==
        ErrorCode::kConflict);
}

TEST_CASE(
    "a made-up number of a key does not move ours on; the reference implementation loses "
    "the channel so") {
  Sides sides;
  for (const std::int64_t number : {2, 500, 1'025}) {
    CHECK_FALSE(sides.ours.open(made('x', kNow, number), kNow).has_value());
  }
  CHECK(sides.ours.open(made('x', kNow, 1'026), kNow).error().code == ErrorCode::kConflict);
  CHECK(sides.ours.open(made('x', kNow, INT64_MAX), kNow).error().code == ErrorCode::kConflict);
  CHECK_FALSE(sides.ours.open(made('x', kNow, 0), kNow).has_value());
  CHECK(opened(sides.ours, sealed(sides.theirs, "still there")) == "still there");
  // The control: under the right key the number counts.
  CHECK(opened(sides.ours, sealed(sides.theirs, "on", kNow + 500 * kDay), kNow + 500 * kDay) ==
        "on");
  CHECK_FALSE(sides.ours.open(made('b', kNow + 500 * kDay, 1), kNow + 500 * kDay).has_value());
}

TEST_CASE("what is remembered of packets is bounded, and nothing can be repeated for that") {
  Sides sides;
  std::vector<crypto::Bytes> packets;
  for (std::size_t i = 0; i < AacTransport::kMostNonces + 10; ++i) {
    const auto now = kNow + static_cast<std::int64_t>(i / 100);
    packets.push_back(sealed(sides.theirs, "x", now));
    REQUIRE(sides.ours.open(packets.back(), now).has_value());
  }
  const std::int64_t now = kNow + 41;
  for (const auto& packet : packets) {
    REQUIRE_FALSE(sides.ours.open(packet, now).has_value());
  }
  CHECK(opened(sides.ours, sealed(sides.theirs, "new", now), now) == "new");
}

TEST_CASE("the channel goes on from what was kept of it") {
  Sides sides;
  const std::int64_t later = kNow + 3 * kDay;
  CHECK(sides.ours.changed());
  CHECK(opened(sides.ours, sealed(sides.theirs, "x", later), later) == "x");
  static_cast<void>(sealed(sides.ours, "y", later));
  auto saved = sides.ours.save();
  REQUIRE(saved.has_value());
  CHECK_FALSE(sides.ours.changed());
  auto again = AacTransport::load(*saved);
  REQUIRE(again.has_value());
  CHECK_FALSE(again->changed());
  CHECK(opened(*again, sealed(sides.theirs, "z", later), later) == "z");
  CHECK(opened(sides.theirs, sealed(*again, "w", later), later) == "w");
  CHECK(opened(*again, sealed(sides.theirs, "v", later + kDay), later + kDay) == "v");
  CHECK(again->changed());

  const std::string text = shown(*saved);
  for (const std::string& bad : {std::string(), text.substr(1), text + "x", "2" + text.substr(1),
                                 text.substr(0, text.size() - 1)}) {
    CHECK_FALSE(AacTransport::load(secret_of(bad)).has_value());
  }
}

}  // namespace
}  // namespace av::source
