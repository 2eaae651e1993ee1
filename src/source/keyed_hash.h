#pragma once
// HMAC (RFC 2104) and HKDF's second half (RFC 5869 section 2.3), over OpenSSL. HKDF-Extract is
// hmac(salt, secret).

#include <cstdint>
#include <string_view>

#include "core/expected.h"
#include "core/secret.h"

namespace av::source {

enum class HashKind : std::uint8_t { kSha1, kSha256, kSha512 };

[[nodiscard]] Expected<Secret> hmac(HashKind hash, std::string_view key, std::string_view message);
[[nodiscard]] Expected<Secret> hmac(HashKind hash, const Secret& key, std::string_view message);

// With SHA-256; `size` at most 255 * 32.
[[nodiscard]] Expected<Secret> hkdf_expand(const Secret& key, std::string_view info,
                                           std::size_t size);

}  // namespace av::source
