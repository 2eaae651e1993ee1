#include "vault/key_ring.h"

#include <catch2/catch.hpp>
#include <string>

using av::vault::KeyRing;
using av::vault::SealContext;

namespace {

constexpr SealContext kContext = {"uid-1", "credential", "API_KEY", 3};

bool opens(const KeyRing& keys, const SealContext& context, const av::crypto::Bytes& sealed) {
  const auto opened = keys.open(context, sealed);
  return opened && opened->reveal([](std::string_view b) { return b == "value"; });
}

}  // namespace

TEST_CASE("key ring: opens what it sealed", "[vault][key_ring]") {
  const KeyRing keys = KeyRing::generate().value();
  const auto sealed = keys.seal(kContext, "value").value();
  CHECK(opens(keys, kContext, sealed));
  CHECK(opens(KeyRing(keys.data_key().clone().value()), kContext, sealed));
}

TEST_CASE("key ring: a value moved to another place does not open", "[vault][key_ring]") {
  const KeyRing keys = KeyRing::generate().value();
  const auto sealed = keys.seal(kContext, "value").value();
  CHECK_FALSE(opens(keys, {"uid-2", "credential", "API_KEY", 3}, sealed));
  CHECK_FALSE(opens(keys, {"uid-1", "ca-key", "API_KEY", 3}, sealed));
  CHECK_FALSE(opens(keys, {"uid-1", "credential", "API_KEZ", 3}, sealed));
  CHECK_FALSE(opens(keys, {"uid-1", "credential", "API_KEY", 4}, sealed));
  CHECK_FALSE(opens(KeyRing::generate().value(), kContext, sealed));
  CHECK(keys.open({"uid-2", "credential", "API_KEY", 3}, sealed).error().code ==
        av::ErrorCode::kCrypto);
}

TEST_CASE("key ring: fields cannot flow into one another", "[vault][key_ring]") {
  const KeyRing keys = KeyRing::generate().value();
  const auto sealed = keys.seal({"ab", "cd", "ef", 1}, "value").value();
  CHECK(opens(keys, {"ab", "cd", "ef", 1}, sealed));
  CHECK_FALSE(opens(keys, {"abc", "d", "ef", 1}, sealed));
  CHECK_FALSE(opens(keys, {"ab", "cde", "f", 1}, sealed));
  CHECK_FALSE(opens(keys, {"", "abcd", "ef", 1}, sealed));
  CHECK_FALSE(opens(keys, {"ab", "cd", std::string_view("ef\0\0\0\0\0\0\0\1", 10), 1}, sealed));
}

TEST_CASE("key ring: the form of the associated data is frozen", "[vault][key_ring]") {
  // Made once by this program; failing to open it means that existing stores cannot be read.
  const std::string expected_associated =
      std::string(
          "\0\0\0\0\0\0\0\x0d"
          "agent-vault/1",
          21) +
      std::string("\0\0\0\0\0\0\0\1s", 9) + std::string("\0\0\0\0\0\0\0\1k", 9) +
      std::string("\0\0\0\0\0\0\0\1n", 9) + std::string("\0\0\0\0\0\0\1\2", 8);
  const KeyRing keys = KeyRing::generate().value();
  const auto sealed = av::crypto::seal(keys.data_key(), "value", expected_associated).value();
  CHECK(opens(keys, {"s", "k", "n", 258}, sealed));
}
