#pragma once
// A conversation with a token by PKCS #11 2.40: logged in, until it goes.

#include <memory>
#include <string>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/secret.h"
#include "vault/kek_source.h"

namespace av::kek {

struct WrappedKey {
  std::string mechanism;  // "aes-gcm", "rsa-oaep-sha256", "rsa-oaep-sha1"
  crypto::Bytes bytes;    // AES-GCM: nonce, ciphertext, tag
};

// Only one at a time in a process: libraries of tokens have one state for all threads.
class TokenSession {
 public:
  // Asks for the PIN when the token is there and wants one. kLocked: no such token, a wrong PIN, or
  // a PIN that the token takes no more.
  [[nodiscard]] static Expected<TokenSession> open(const std::string& module,
                                                   const std::string& token,
                                                   const vault::Keyholder& holder);
  TokenSession(TokenSession&&) noexcept;
  TokenSession& operator=(TokenSession&&) = delete;
  ~TokenSession();

  // By the only key with this label: AES, or the pair of RSA. Refuses one that can leave the token.
  [[nodiscard]] Expected<WrappedKey> wrap(const std::string& key, const Secret& secret);
  [[nodiscard]] Expected<Secret> unwrap(const std::string& key, const WrappedKey& wrapped);

 private:
  struct Impl;
  explicit TokenSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace av::kek
