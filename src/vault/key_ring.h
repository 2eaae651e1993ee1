#pragma once
// KeyRing: holds the data key (DEK) and is the only thing that turns sealed bytes into a Secret.
// Immutable after construction; safe to use from several threads.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/secret.h"

namespace av::vault {

// What a sealed value is bound to (its associated data): moving a ciphertext to another row, vault,
// kind, name or version makes it unreadable.
struct SealContext {
  std::string_view scope;  // the vault's immutable uid, or "store" for the CA key
  std::string_view kind;   // "credential", "ca-key", ...
  std::string_view name;   // credential key
  std::uint64_t version = 0;
};

class KeyRing {
 public:
  explicit KeyRing(Secret data_key) : data_key_(std::move(data_key)) {}
  static Expected<KeyRing> generate();

  [[nodiscard]] Expected<crypto::Bytes> seal(const SealContext& context,
                                             std::string_view plaintext) const;
  // kCrypto when the bytes were made under another key or for another context.
  [[nodiscard]] Expected<Secret> open(const SealContext& context,
                                      std::span<const std::uint8_t> sealed) const;
  [[nodiscard]] const Secret& data_key() const { return data_key_; }

 private:
  Secret data_key_;
};

}  // namespace av::vault
