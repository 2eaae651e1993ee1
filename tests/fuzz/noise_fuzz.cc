// The other side's half of a Noise handshake, the kept state of a channel, and pairing tokens: as
// any bytes. Nothing made up authenticates; what is loaded works and is kept as it was.

#include <cstdint>
#include <string>

#include "fuzz/require.h"
#include "source/aac_pairing.h"
#include "source/aac_transport.h"
#include "source/noise.h"

using namespace av;
using namespace av::source;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > 128 * 1024) {
    return 0;
  }
  const auto key = [](char c) { return std::move(*Secret::copy_of(std::string(32, c))); };
  auto noise = NoiseInitiator::make(key('p'), {}, key('e'));
  require(noise && noise->start({}));
  require(!noise->finish({data, size}));
  require(!noise->finish({data, size}));  // no second try
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto kept = Secret::copy_of(text);
  require(kept.has_value());
  if (auto channel = AacTransport::load(*kept)) {
    const auto saved = channel->save();
    require(saved && saved->size() <= kept->size());
    for (const std::int64_t now : {std::int64_t{0}, std::int64_t{1'800'000'000}}) {
      if (const auto packet = channel->seal("x", now)) {
        require(!channel->open(*packet, now) || channel->changed());
      }
    }
  }
  const auto token = check_pairing_token(*kept);
  require(token || !token.error().message.empty());
  return 0;
}
