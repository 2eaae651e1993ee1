#pragma once
// Who we are to a relay of Agent Access: an Ed25519 key, shown as a COSE key (RFC 9052 section 7)
// and proved by a COSE_Sign1 (section 4.2). Both as the crates of version 0.9.0 write them, which
// is not as the RFCs say: the curve is given as -8 (the algorithm's number) instead of 6, and the
// signature is over the bare challenge instead of the Sig_structure.

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/ossl.h"
#include "core/secret.h"

namespace av::source {

// SHA-256 of the public key: an address at the relay.
using Fingerprint = crypto::Digest;
using PublicKey = std::array<std::uint8_t, 32>;

class RelayIdentity {
 public:
  // `seed`: 32 bytes, the private key of RFC 8032.
  static Expected<RelayIdentity> of_seed(const Secret& seed);
  [[nodiscard]] const Fingerprint& fingerprint() const { return fingerprint_; }
  [[nodiscard]] crypto::Bytes cose_key() const;
  [[nodiscard]] Expected<crypto::Bytes> cose_sign1(std::span<const std::uint8_t> challenge) const;

 private:
  RelayIdentity() = default;
  ossl::Pkey key_;
  PublicKey public_{};
  Fingerprint fingerprint_{};
};

// The public key in a COSE key of the kind above (a curve of 6 is taken too).
[[nodiscard]] std::optional<PublicKey> public_key_of(std::span<const std::uint8_t> cose_key);
[[nodiscard]] Fingerprint fingerprint_of(const PublicKey& key);

}  // namespace av::source
