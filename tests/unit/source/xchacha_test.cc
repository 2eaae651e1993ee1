#include "source/xchacha.h"

#include <catch2/catch.hpp>

#include "source/keyed_hash.h"
#include "unit/source/aac_device.h"

namespace av::source {
namespace {

using testing::secret_hex;
using testing::shown;
using testing::shown_hex;
using testing::text_of;
using testing::unhex;

constexpr std::string_view kKey =
    "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";
constexpr std::string_view kText =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    "sunscreen would be it.";
// draft-irtf-cfrg-xchacha-03 appendix A.3.1: ciphertext and tag.
constexpr std::string_view kSealed =
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e"
    "39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3"
    "fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49";

xchacha::Nonce nonce_of(std::string_view hex) {
  const auto bytes = unhex(hex);
  xchacha::Nonce out{};
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}
const auto kNonce = nonce_of("404142434445464748494a4b4c4d4e4f5051525354555657");
const auto kAssociated = unhex("50515253c0c1c2c3c4c5c6c7");

TEST_CASE("HChaCha20: the draft's vector") {
  const auto input = unhex("000000090000004a0000000031415927");
  const auto subkey = xchacha::subkey(
      secret_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
      std::span(input).first<16>());
  REQUIRE(subkey.has_value());
  CHECK(shown_hex(*subkey) == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc");
}

TEST_CASE("XChaCha20-Poly1305: the draft's vector, both ways") {
  const auto sealed = xchacha::seal(secret_hex(kKey), kNonce, kText, text_of(kAssociated));
  REQUIRE(sealed.has_value());
  CHECK(encoding::hex(*sealed) == kSealed);
  const auto opened = xchacha::open(secret_hex(kKey), kNonce, *sealed, text_of(kAssociated));
  REQUIRE(opened.has_value());
  CHECK(shown(*opened) == kText);
}

TEST_CASE("XChaCha20-Poly1305: anything that was changed does not open") {
  const crypto::Bytes good = unhex(kSealed);
  for (std::size_t i = 0; i < good.size(); ++i) {
    crypto::Bytes bad = good;
    bad[i] ^= 0x80;
    CHECK_FALSE(xchacha::open(secret_hex(kKey), kNonce, bad, text_of(kAssociated)).has_value());
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    CHECK_FALSE(
        xchacha::open(secret_hex(kKey), kNonce, std::span(good).first(size), text_of(kAssociated))
            .has_value());
  }
  for (std::size_t i = 0; i < kNonce.size(); ++i) {
    auto other = kNonce;
    other[i] ^= 1;
    CHECK_FALSE(xchacha::open(secret_hex(kKey), other, good, text_of(kAssociated)).has_value());
  }
  CHECK_FALSE(xchacha::open(secret_hex(kKey), kNonce, good, "other").has_value());
  CHECK_FALSE(xchacha::open(testing::secret_of("short"), kNonce, good, "").has_value());
}

TEST_CASE("XChaCha20-Poly1305: texts of every small size come back") {
  for (std::size_t size = 0; size < 200; ++size) {
    const std::string text(size, 'x');
    const auto sealed = xchacha::seal(secret_hex(kKey), kNonce, text, text);
    REQUIRE(sealed.has_value());
    const auto opened = xchacha::open(secret_hex(kKey), kNonce, *sealed, text);
    REQUIRE(opened.has_value());
    CHECK(shown(*opened) == text);
  }
}

TEST_CASE("HMAC and HKDF-Expand: the vectors of RFC 4231 and RFC 5869") {
  // RFC 4231 test case 2.
  CHECK(shown_hex(*hmac(HashKind::kSha256, "Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  // RFC 5869 test case 1.
  const auto prk = hmac(HashKind::kSha256, text_of(unhex("000102030405060708090a0b0c")),
                        std::string(22, '\x0b'));
  CHECK(shown_hex(*prk) == "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  CHECK(shown_hex(*hkdf_expand(*prk, text_of(unhex("f0f1f2f3f4f5f6f7f8f9")), 42)) ==
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  CHECK_FALSE(hkdf_expand(*prk, {}, 255 * 32 + 1).has_value());
}

}  // namespace
}  // namespace av::source
