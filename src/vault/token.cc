#include "vault/token.h"

#include "core/encoding.h"

namespace av::vault {

Expected<Secret> make_token(std::string_view prefix) {
  AV_TRY(const Secret random, crypto::random_secret(32));
  SecretBuffer text;
  text.append(prefix);
  random.reveal([&](std::string_view bytes) {
    encoding::append_base64(text, bytes, encoding::Base64::kUrl);
  });
  return text.to_secret();
}

crypto::Digest hash_of(const Secret& token) {
  return token.reveal([](std::string_view text) { return crypto::sha256(text); });
}

crypto::Digest hash_of_cookie(const Secret& token) {
  // No token has a blank.
  return token.reveal([](std::string_view text) { return crypto::sha256("cookie ", text); });
}

}  // namespace av::vault
