#pragma once
// Pairing with a device by Agent Access: with a pre-shared key, which proves both sides; or with a
// rendezvous code, after which two people (or one, twice) compare six digits.

#include <string>
#include <string_view>

#include "source/cose.h"
#include "source/ports.h"

namespace av::source {

struct AacPairing {
  Fingerprint peer{};
  // Six hexadecimal digits that the other device must show too; empty with a pre-shared key.
  std::string fingerprint;
  vault::StoreSecrets secrets;  // what a channel is made of: identity, peer, channel
};

// kInvalid: neither a code nor a key.
[[nodiscard]] Result<void> check_pairing_token(const Secret& token);
[[nodiscard]] Result<AacPairing> pair_devices(const std::string& url, const Secret& token,
                                              const Ports& ports);

}  // namespace av::source
