#pragma once
// EncString, Bitwarden's sealed text (bitwarden-crypto): "2.IV|CIPHERTEXT|MAC" in base64, which is
// AES-256-CBC with PKCS#7 padding, and HMAC-SHA256 over IV and ciphertext. The MAC is checked
// first, in constant time: nothing that was made up reaches the padding. Older kinds have no MAC,
// or need a private key; newer ones (7: COSE) are not known here. They are refused.

#include <string_view>

#include "core/expected.h"
#include "core/secret.h"
#include "source/provider.h"

namespace av::source {

inline constexpr std::size_t kEncKeySize = 64;  // 32 for AES, then 32 for HMAC

// `key` has kEncKeySize bytes. kMalformed says what is wrong, never with what text.
[[nodiscard]] Result<Secret> open_enc_string(const Secret& key, std::string_view text);

// The key of an access token of Secrets Manager: `secret` has 16 bytes. ("bitwarden-" + name is
// the salt of HKDF, `info` its info.)
[[nodiscard]] Expected<Secret> shareable_key(const Secret& secret, std::string_view name,
                                             std::string_view info);

}  // namespace av::source
