#include "core/crypto.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "core/encoding.h"

namespace crypto = av::crypto;
namespace encoding = av::encoding;
using av::ErrorCode;
using av::Secret;

namespace {

std::vector<std::uint8_t> bytes(std::string_view hex) {
  return encoding::from_hex(hex).value();
}

Secret secret(std::span<const std::uint8_t> from) {
  return Secret::copy_of(from).value();
}

std::string text_of(const Secret& from) {
  return from.reveal([](std::string_view b) { return std::string(b); });
}

std::string as_text(const std::vector<std::uint8_t>& from) {
  return std::string(from.begin(), from.end());
}

}  // namespace

TEST_CASE("open: reads AES-256-GCM made elsewhere", "[core][crypto]") {
  // Test case 16 of McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B.
  const auto key = bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const auto associated = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const auto plain = bytes(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
  const auto sealed = bytes(
      "cafebabefacedbaddecaf888"
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
      "76fc6ece0f4e1768cddf8853bb2d551b");
  const auto opened = crypto::open(secret(key), sealed, as_text(associated));
  REQUIRE(opened);
  CHECK(text_of(*opened) == as_text(plain));
}

TEST_CASE("seal and open: every length comes back, the empty value too", "[core][crypto]") {
  const Secret key = crypto::random_secret(crypto::kKeySize).value();
  for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 255U, 4096U, 65536U}) {
    std::string plain(size, 'x');
    const auto sealed = crypto::seal(key, plain, "bound");
    REQUIRE(sealed);
    CHECK(sealed->size() == crypto::kNonceSize + size + crypto::kTagSize);
    const auto opened = crypto::open(key, *sealed, "bound");
    REQUIRE(opened);
    CHECK(text_of(*opened) == plain);
  }
}

TEST_CASE("open: a change of any one bit anywhere is noticed", "[core][crypto]") {
  const Secret key = crypto::random_secret(crypto::kKeySize).value();
  const crypto::Bytes sealed = crypto::seal(key, "the value", "bound").value();
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      crypto::Bytes changed = sealed;
      changed[at] = static_cast<std::uint8_t>(changed[at] ^ (1U << bit));
      const auto opened = crypto::open(key, changed, "bound");
      REQUIRE_FALSE(opened);
      REQUIRE(opened.error().code == ErrorCode::kCrypto);
    }
  }
}

TEST_CASE("open: cut, lengthened, differently bound or under another key does not open",
          "[core][crypto]") {
  const Secret key = crypto::random_secret(crypto::kKeySize).value();
  const Secret other = crypto::random_secret(crypto::kKeySize).value();
  const crypto::Bytes sealed = crypto::seal(key, "the value", "bound").value();
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    CHECK_FALSE(crypto::open(key, std::span(sealed).first(size), "bound"));
  }
  crypto::Bytes longer = sealed;
  longer.push_back(0);
  CHECK_FALSE(crypto::open(key, longer, "bound"));
  CHECK_FALSE(crypto::open(key, sealed, "Bound"));
  CHECK_FALSE(crypto::open(key, sealed, ""));
  CHECK_FALSE(crypto::open(other, sealed, "bound"));
  CHECK_FALSE(crypto::open(Secret(), sealed, "bound"));
  CHECK(crypto::open(key, sealed, "bound"));
}

TEST_CASE("seal: the same value never looks the same twice", "[core][crypto]") {
  const Secret key = crypto::random_secret(crypto::kKeySize).value();
  std::set<crypto::Bytes> seen;
  for (int i = 0; i < 200; ++i) {
    CHECK(seen.insert(crypto::seal(key, "same", "same").value()).second);
  }
}

TEST_CASE("seal: a key of the wrong size is refused", "[core][crypto]") {
  CHECK_FALSE(crypto::seal(crypto::random_secret(16).value(), "x", ""));
}

TEST_CASE("sha256: FIPS 180 vectors, also in two parts", "[core][crypto]") {
  CHECK(encoding::hex(crypto::sha256("abc")) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(encoding::hex(crypto::sha256("")) ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(crypto::sha256("a", "bc") == crypto::sha256("abc"));
}

TEST_CASE("argon2id: vectors of the reference implementation", "[core][crypto]") {
  const Secret password = Secret::copy_of("password").value();
  const std::string salt = "somesalt";
  const std::vector<std::uint8_t> salt_bytes(salt.begin(), salt.end());
  const auto derive = [&](crypto::Argon2Params params) {
    const Secret key = crypto::argon2id(password, salt_bytes, params).value();
    return key.reveal([](std::string_view b) {
      return encoding::hex({reinterpret_cast<const std::uint8_t*>(b.data()), b.size()});
    });
  };
  CHECK(derive({2, 256, 1}) == "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe");
  CHECK(derive({2, 256, 2}) == "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037");
  CHECK(derive({2, 65536, 1}) ==
        "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
}

TEST_CASE("argon2id: parameters that the library refuses are an error", "[core][crypto]") {
  const std::vector<std::uint8_t> salt(16, 7);
  const auto key = crypto::argon2id(Secret::copy_of("p").value(), salt, {1, 1, 1});
  REQUIRE_FALSE(key);
  CHECK(key.error().code == ErrorCode::kCrypto);
}

TEST_CASE("constant_time_equal: equal is equal in length and bytes", "[core][crypto]") {
  CHECK(crypto::constant_time_equal("", ""));
  CHECK(crypto::constant_time_equal("abc", "abc"));
  CHECK_FALSE(crypto::constant_time_equal("abc", "abd"));
  CHECK_FALSE(crypto::constant_time_equal("abc", "ab"));
}

TEST_CASE("random_hex: twice as long as asked for, never the same", "[core][crypto]") {
  CHECK(crypto::random_hex(6).size() == 12);
  CHECK(crypto::random_hex(16) != crypto::random_hex(16));
}
