#include "vault/limits.h"

#include <cstring>
#include <string>

#include "core/crypto.h"

namespace av::vault {

LimitKey LimitKey::of(std::string_view vault_uid, std::string_view what, std::string_view who,
                      std::int64_t window_ms) {
  // Uids hold no line feed, so no two lists of parts read alike.
  std::string text;
  text.reserve(vault_uid.size() + what.size() + who.size() + 24);
  for (const std::string_view part : {vault_uid, what, who}) {
    text += part;
    text += '\n';
  }
  text += std::to_string(window_ms);
  const crypto::Digest digest = crypto::sha256(text);
  LimitKey key;
  std::memcpy(&key.value, digest.data(), sizeof key.value);
  return key;
}

}  // namespace av::vault
