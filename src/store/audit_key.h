#pragma once
// AuditKey: the Ed25519 key (RFC 8032) that signs the root chain of the audit log. Its private half
// is an item of the store, so it survives `key rotate`, and whoever has the log without the key of
// the store can check the chain and cannot forge it.

#include <array>
#include <memory>
#include <optional>
#include <string_view>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/ossl.h"
#include "core/secret.h"

namespace av::store {

using PublicKey = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

// May be used from several threads at once.
class AuditKey {
 public:
  static constexpr std::size_t kSeedSize = 32;
  // `seed`: kSeedSize bytes, copied into OpenSSL.
  static Expected<AuditKey> from_seed(const Secret& seed);
  [[nodiscard]] Expected<Signature> sign(std::string_view message) const;
  [[nodiscard]] const PublicKey& public_key() const { return public_; }

 private:
  AuditKey(ossl::Pkey key, const PublicKey& public_half)
      : key_(std::move(key)), public_(public_half) {}
  ossl::Pkey key_;
  PublicKey public_;
};

// Checks many signatures of one key. Belongs to one thread.
class SignatureChecker {
 public:
  explicit SignatureChecker(const PublicKey& key);
  [[nodiscard]] bool check(std::string_view message, const Signature& signature) const;

 private:
  ossl::Pkey key_;  // null: not a point of the curve, nothing is signed by it
};

// Exactly size * 2 lower-case digits, or false: two spellings of a hash would be two files with one
// meaning.
[[nodiscard]] bool read_hex(std::string_view text, std::span<std::uint8_t> out);
[[nodiscard]] std::optional<crypto::Digest> digest_of_hex(std::string_view text);

}  // namespace av::store
