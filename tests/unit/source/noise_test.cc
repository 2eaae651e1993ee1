#include "source/noise.h"

#include <catch2/catch.hpp>

#include "source/chachapoly.h"
#include "unit/source/aac_device.h"

namespace av::source {
namespace {

using testing::secret_hex;
using testing::shown;
using testing::shown_hex;
using testing::text_of;
using testing::unhex;

// cacophony's vector for Noise_NNpsk2_25519_ChaChaPoly_SHA256, as snow distributes it
// (tests/vectors/cacophony.txt).
constexpr std::string_view kPrologue = "4a6f686e2047616c74";
constexpr std::string_view kPsk =
    "54686973206973206d7920417573747269616e20706572737065637469766521";
constexpr std::string_view kEphemeral =
    "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
constexpr std::string_view kHash =
    "bb9704f2303bd8b98b40fdb2ee50c2a9a46d7d20ea4d0949ae3094e376b29b1c";
struct Message {
  std::string_view payload;
  std::string_view ciphertext;
};
constexpr Message kMessages[] = {
    {"4c756477696720766f6e204d69736573",
     "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944d44698de33ea6b7eea8023b48a"
     "284404489f9976c5f03417e8e2d6db7ab6bb9f"},
    {"4d757272617920526f746862617264",
     "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f14480884361200acbacd001a0d19a826982"
     "488f52573687652551ca5e903db095fedc7a"},
    {"462e20412e20486179656b", "5ac8678baf0ef0cf884ab3271236b7ee57a02519505f4a4be09b95"},
    {"4361726c204d656e676572", "fe899e844ac0d348a3ab679b83c95fd1099f734a0dc085955adce2"},
    {"4a65616e2d426170746973746520536179",
     "f8800be62325c8bd6794f7e533bb90316c6ba569a4223e644175f4e5e458e840fd"},
    {"457567656e2042f6686d20766f6e2042617765726b",
     "2f60885aedcd5b5c142a3190208b540407ab4477528ea8d15bd795416575e58121098a4a9f"},
};

NoiseInitiator initiator(std::string_view psk = kPsk) {
  auto out =
      NoiseInitiator::make(secret_hex(psk), text_of(unhex(kPrologue)), secret_hex(kEphemeral));
  REQUIRE(out.has_value());
  return std::move(*out);
}

// n of section 5.1: four zeros, then the counter in little endian.
chachapoly::Nonce counted(std::uint8_t n) {
  chachapoly::Nonce out{};
  out[4] = n;
  return out;
}

TEST_CASE("Noise NNpsk2: the published vector, bit by bit") {
  NoiseInitiator noise = initiator();
  const auto first = noise.start(text_of(unhex(kMessages[0].payload)));
  REQUIRE(first.has_value());
  CHECK(encoding::hex(*first) == kMessages[0].ciphertext);
  const auto keys = noise.finish(unhex(kMessages[1].ciphertext));
  REQUIRE(keys.has_value());
  CHECK(shown_hex(keys->payload) == kMessages[1].payload);
  CHECK(encoding::hex(keys->hash) == kHash);
  for (std::size_t i = 2; i < std::size(kMessages); ++i) {
    const bool ours = i % 2 == 0;
    const Secret& key = ours ? keys->to_responder : keys->from_responder;
    const auto n = static_cast<std::uint8_t>(i / 2 - 1);
    const auto sealed = chachapoly::seal(key, counted(n), text_of(unhex(kMessages[i].payload)), {});
    REQUIRE(sealed.has_value());
    CHECK(encoding::hex(*sealed) == kMessages[i].ciphertext);
  }
}

TEST_CASE("Noise NNpsk2: a second message that was changed anywhere, or cut, is refused") {
  const crypto::Bytes good = unhex(kMessages[1].ciphertext);
  for (std::size_t i = 0; i < good.size(); ++i) {
    NoiseInitiator noise = initiator();
    REQUIRE(noise.start(text_of(unhex(kMessages[0].payload))).has_value());
    crypto::Bytes bad = good;
    bad[i] ^= 1;
    // The top bit of a public key is ignored (RFC 7748 section 5), but hashed.
    CHECK_FALSE(noise.finish(bad).has_value());
    // No second try, not even with the right one.
    CHECK_FALSE(noise.finish(good).has_value());
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    NoiseInitiator noise = initiator();
    REQUIRE(noise.start(text_of(unhex(kMessages[0].payload))).has_value());
    CHECK_FALSE(noise.finish(std::span(good).first(size)).has_value());
  }
}

TEST_CASE("Noise NNpsk2: who has another pre-shared key is refused, as is a key of small order") {
  const std::string other(64, '0');
  NoiseInitiator noise = initiator(other);
  REQUIRE(noise.start(text_of(unhex(kMessages[0].payload))).has_value());
  CHECK_FALSE(noise.finish(unhex(kMessages[1].ciphertext)).has_value());

  NoiseInitiator small = initiator();
  REQUIRE(small.start({}).has_value());
  CHECK_FALSE(small.finish(crypto::Bytes(48)).has_value());
}

TEST_CASE(
    "Noise NNpsk2: both halves make the same keys; without a given key they differ each time") {
  std::string last;
  for (int i = 0; i < 2; ++i) {
    auto noise = NoiseInitiator::make(secret_hex(kPsk), {});
    REQUIRE(noise.has_value());
    const auto first = noise->start({});
    REQUIRE(first->size() == 48);
    const testing::Responder done = testing::respond(text_of(*first), secret_hex(kPsk));
    const auto keys = noise->finish(
        {reinterpret_cast<const std::uint8_t*>(done.answer.data()), done.answer.size()});
    REQUIRE(keys.has_value());
    CHECK(keys->to_responder.equals(done.i2r));
    CHECK(keys->from_responder.equals(done.r2i));
    CHECK(shown(done.i2r) != last);
    last = shown(done.i2r);
  }
}

TEST_CASE("Noise NNpsk2: keys of the wrong size, and steps out of order, are refused") {
  CHECK_FALSE(NoiseInitiator::make(testing::secret_of("short"), {}).has_value());
  NoiseInitiator noise = initiator();
  CHECK_FALSE(noise.finish(unhex(kMessages[1].ciphertext)).has_value());
  CHECK_FALSE(noise.start({}).has_value());
}

}  // namespace
}  // namespace av::source
