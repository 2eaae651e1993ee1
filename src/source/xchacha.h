#pragma once
// AEAD_XCHACHA20_POLY1305 (draft-irtf-cfrg-xchacha-03): ChaCha20-Poly1305 under a key of its own
// for each 16 bytes of nonce, so that nonces may be random. OpenSSL 3.0 has no HChaCha20; it is
// here.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/secret.h"

namespace av::source::xchacha {

using Nonce = std::array<std::uint8_t, 24>;

// Section 2.2. `key` has 32 bytes.
[[nodiscard]] Expected<Secret> subkey(const Secret& key, std::span<const std::uint8_t, 16> input);

[[nodiscard]] Expected<crypto::Bytes> seal(const Secret& key, const Nonce& nonce,
                                           std::string_view plaintext, std::string_view associated);
[[nodiscard]] Expected<Secret> open(const Secret& key, const Nonce& nonce,
                                    std::span<const std::uint8_t> sealed,
                                    std::string_view associated);

}  // namespace av::source::xchacha
