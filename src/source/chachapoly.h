#pragma once
// AEAD_CHACHA20_POLY1305 (RFC 8439) over OpenSSL, and the same with a nonce of 24 bytes: see
// xchacha.h. Sealed texts are ciphertext || tag.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/secret.h"

namespace av::source::chachapoly {

inline constexpr std::size_t kKeySize = 32;
inline constexpr std::size_t kTagSize = 16;
using Nonce = std::array<std::uint8_t, 12>;

[[nodiscard]] Expected<crypto::Bytes> seal(const Secret& key, const Nonce& nonce,
                                           std::string_view plaintext, std::string_view associated);
// kCrypto when it does not authenticate. Nothing of the text is let out before that is known.
[[nodiscard]] Expected<Secret> open(const Secret& key, const Nonce& nonce,
                                    std::span<const std::uint8_t> sealed,
                                    std::string_view associated);

}  // namespace av::source::chachapoly
