#pragma once
// Frames between us and a relay of Agent Access (crates v0.9.0): JSON texts, each an object of one
// member that names what it is. Lists of bytes are arrays of integers. A relay is not trusted with
// anything: what these carry is sealed, or public.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/crypto.h"
#include "source/cose.h"
#include "source/provider.h"

namespace av::source {

struct RelayFrame {
  enum class Kind : std::uint8_t {
    kChallenge,  // `bytes`: 32 to sign
    kIdentity,   // `from`: who a rendezvous code belongs to; checked against its key
    kMessage,    // `from`, `to`, `bytes`
    kOther,      // one that we need not know
  };
  Kind kind = Kind::kOther;
  Fingerprint from{};
  Fingerprint to{};
  crypto::Bytes bytes;
};
// kMalformed: not a frame; says what is wrong with it.
[[nodiscard]] Result<RelayFrame> read_relay_frame(std::string_view text);

[[nodiscard]] Result<std::string> auth_response_frame(const RelayIdentity& identity,
                                                      std::span<const std::uint8_t> challenge);
[[nodiscard]] std::string get_identity_frame(std::string_view code);
[[nodiscard]] std::string send_frame(const Fingerprint& to, std::string_view payload);

}  // namespace av::source
