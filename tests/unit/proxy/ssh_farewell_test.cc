#include "proxy/ssh_farewell.h"

#include <catch2/catch.hpp>

using namespace av::proxy;  // NOLINT: a test

TEST_CASE("the farewell is a packet of SSH whose sizes agree, for words of any length") {
  for (std::size_t length = 0; length < 300; ++length) {
    const std::string words(length, 'w');
    const std::string packet = ssh_disconnect(words);
    const auto u8 = [&](std::size_t at) { return static_cast<unsigned char>(packet[at]); };
    const auto u32 = [&](std::size_t at) {
      return static_cast<std::size_t>(u8(at)) << 24 | static_cast<std::size_t>(u8(at + 1)) << 16 |
             static_cast<std::size_t>(u8(at + 2)) << 8 | u8(at + 3);
    };
    // RFC 4253 section 6: a multiple of 8, at least four bytes of padding.
    REQUIRE(packet.size() % 8 == 0);
    REQUIRE(u32(0) == packet.size() - 4);
    REQUIRE(u8(4) >= 4);
    REQUIRE(u8(5) == 1);
    REQUIRE(u32(6) == 11);
    REQUIRE(u32(10) == length);
    REQUIRE(packet.substr(14, length) == words);
    REQUIRE(14 + length + 4 + 2 + u8(4) == packet.size());
  }
}
