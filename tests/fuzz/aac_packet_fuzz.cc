// No packet that was not sealed under the channel's key opens, and none changes the channel.

#include <cstdint>
#include <string>

#include "core/secret.h"
#include "fuzz/require.h"
#include "source/aac_transport.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = av::init_secret_arena();
  (void)arena;
  constexpr std::int64_t kNow = 1'800'000'000;
  const auto key = [](char c) { return std::move(*av::Secret::copy_of(std::string(32, c))); };
  av::source::AacTransport ours(key('a'), key('b'), kNow);
  av::source::AacTransport theirs(key('b'), key('a'), kNow);
  require(ours.save().has_value());
  require(!ours.open({data, size}, kNow).has_value());
  require(!ours.changed());
  const auto packet = theirs.seal("x", kNow);
  require(packet.has_value() && ours.open(*packet, kNow).has_value());
  return 0;
}
