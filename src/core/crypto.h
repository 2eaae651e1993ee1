#pragma once
// The cryptographic primitives that the project uses, each over OpenSSL 3 or libargon2.
// All functions may be called from any thread.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"

namespace av::crypto {

inline constexpr std::size_t kKeySize = 32;    // AES-256
inline constexpr std::size_t kNonceSize = 12;  // GCM, NIST SP 800-38D 8.2.2: random, 96 bits
inline constexpr std::size_t kTagSize = 16;

using Bytes = std::vector<std::uint8_t>;
using Digest = std::array<std::uint8_t, 32>;

// Reads OpenSSL's configuration and finds the algorithms that a run needs, which takes milliseconds
// at the first use of each. Makes no random bytes and nothing secret: may come before a fork.
void load_algorithms();

// Fills `out` from the system's generator; aborts when there is none (never weak randomness).
void random_bytes(std::span<std::uint8_t> out);
[[nodiscard]] Expected<Secret> random_secret(std::size_t size);
// `size` random bytes as lower-case hex; for names and identifiers, not for keys.
[[nodiscard]] std::string random_hex(std::size_t size);

// AES-256-GCM, fresh random nonce: nonce || ciphertext || tag. `key` has kKeySize bytes.
// `associated` is authenticated, not stored: the caller must be able to rebuild it.
[[nodiscard]] Expected<Bytes> seal(const Secret& key, std::string_view plaintext,
                                   std::string_view associated);
// kCrypto when the key, the associated data or the bytes are not those of seal().
[[nodiscard]] Expected<Secret> open(const Secret& key, std::span<const std::uint8_t> sealed,
                                    std::string_view associated);

[[nodiscard]] Digest sha256(std::string_view bytes);
[[nodiscard]] Digest sha256(std::string_view a, std::string_view b);

// Same length and same bytes, in time that depends on the length only.
[[nodiscard]] bool constant_time_equal(std::string_view a, std::string_view b);

// Argon2id parameters (RFC 9106); stored beside what they protect.
struct Argon2Params {
  std::uint32_t passes = 3;
  std::uint32_t memory_kib = 64 * 1024;
  std::uint32_t lanes = 4;
};
// 32-byte key from a passphrase. `salt` 16 bytes. Takes about a tenth of a second by design.
[[nodiscard]] Expected<Secret> argon2id(const Secret& passphrase,
                                        std::span<const std::uint8_t> salt,
                                        const Argon2Params& params);

}  // namespace av::crypto
