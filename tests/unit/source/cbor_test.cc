#include "source/cbor.h"

#include <catch2/catch.hpp>

#include "source/cose.h"
#include "unit/source/aac_device.h"

namespace av::source {
namespace {

using testing::unhex;

TEST_CASE("CBOR: numbers of every width, as RFC 8949 appendix A has them") {
  const std::pair<std::int64_t, std::string_view> kKnown[] = {
      {0, "00"},
      {1, "01"},
      {10, "0a"},
      {23, "17"},
      {24, "1818"},
      {25, "1819"},
      {100, "1864"},
      {1000, "1903e8"},
      {1000000, "1a000f4240"},
      {-1, "20"},
      {-10, "29"},
      {-100, "3863"},
      {-1000, "3903e7"},
      {1000000000000, "1b000000e8d4a51000"},
  };
  for (const auto& [value, hex] : kKnown) {
    CborWriter out;
    out.integer(value);
    CHECK(encoding::hex(out.out()) == hex);
    const auto bytes = unhex(hex);
    CborReader in(bytes);
    CHECK(in.integer() == value);
    CHECK(in.done());
  }
}

TEST_CASE("CBOR: what is not in its shortest form, of another kind, or cut, is refused") {
  for (const std::string_view hex :
       {"1800", "1817", "190000", "1900ff", "1a0000ffff", "1b00000000ffffffff",
        "1bffffffffffffffff", "1c", "1f", "18", "19ff", "1aff", "f5", "f6", "fb3ff199999999999a",
        "c001", "61", ""}) {
    INFO(hex);
    const auto bytes = unhex(hex);
    CborReader in(bytes);
    CHECK_FALSE(in.integer().has_value());
    CHECK_FALSE(in.done());
  }
  // A container cannot have more items than there are bytes: no memory is set aside for it.
  for (const std::string_view hex :
       {"9b00000000ffffffff", "bb00000000ffffffff", "9a7fffffff", "9f"}) {
    const auto bytes = unhex(hex);
    CborReader list(bytes);
    CHECK_FALSE(list.array().has_value());
    CborReader octets(bytes);
    CHECK_FALSE(octets.octets(1000).has_value());
  }
  const auto latin = unhex("61ff");
  CborReader text(latin);
  CHECK_FALSE(text.text(10).has_value());
  const auto bytes = unhex("43010203");
  CborReader shorter(bytes);
  CHECK_FALSE(shorter.bytes(2).has_value());
}

TEST_CASE("CBOR: a list of bytes is read from both of its forms") {
  for (const std::string_view hex : {"420118", "82011818", "8201181818"}) {
    const auto bytes = unhex(hex);
    CborReader in(bytes);
    const auto octets = in.octets(2);
    if (hex == "8201181818") {
      CHECK_FALSE(in.done());
      continue;
    }
    REQUIRE(octets.has_value());
    CHECK(octets->size() == 2);
    CHECK((*octets)[1] == 24);
  }
  const auto big = unhex(
      "8119"
      "0100");
  CborReader in(big);
  CHECK_FALSE(in.octets(9).has_value());
}

TEST_CASE("a relay's identity: the key of RFC 8032 test 1 in the crates' form, with their curve") {
  const auto identity = RelayIdentity::of_seed(
      testing::secret_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
  REQUIRE(identity.has_value());
  const crypto::Bytes key = identity->cose_key();
  CHECK(encoding::hex(key) ==
        "a4010103272027215820d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const auto known = public_key_of(key);
  REQUIRE(known.has_value());
  CHECK(fingerprint_of(*known) == identity->fingerprint());
  // The proper curve is read as well.
  CHECK(public_key_of(unhex("a4010103272006215820d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325"
                            "af021a68f707511a"))
            .has_value());
  for (std::size_t size = 0; size < key.size(); ++size) {
    CHECK_FALSE(public_key_of(std::span(key).first(size)).has_value());
  }
  // Another algorithm, another curve, a member twice, a key of 31 bytes.
  for (const std::string_view hex :
       {"a4010103262027215820d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "a4010103272001215820d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "a4010101012027215820d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "a401010327202721581fd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f70751"}) {
    CHECK_FALSE(public_key_of(unhex(hex)).has_value());
  }
}

TEST_CASE("a relay's challenge is signed bare: COSE_Sign1 around the signature of RFC 8032") {
  const auto identity = RelayIdentity::of_seed(
      testing::secret_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
  // RFC 8032 section 7.1 test 1 signs nothing at all.
  const auto proof = identity->cose_sign1({});
  REQUIRE(proof.has_value());
  CHECK(
      encoding::hex(*proof) ==
      "8443a10127a0405840e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590"
      "a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
}

}  // namespace
}  // namespace av::source
