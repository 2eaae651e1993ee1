#pragma once
// The channel of Agent Access behind its handshake (crates v0.9.0): XChaCha20-Poly1305 with random
// nonces, so that several devices may send under one key; packets carry the time, and the number of
// the key, which moves on once a day in both directions.
//
// A relay can repeat, keep back and make up packets. Nothing here changes until a packet has
// authenticated: neither the keys, which the reference implementation moves on for a made-up
// number and then cannot go back, nor the list of nonces, which it fills with made-up ones.
// Times are seconds since the epoch. Not for several threads at once.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/secret.h"
#include "source/xchacha.h"

namespace av::source {

// As the crates spell it.
inline constexpr std::string_view kAacSuite = "ClassicalNNpsk2_25519_XChaCha20Poly1035";

class AacTransport {
 public:
  static constexpr std::int64_t kMostAge = 86'400;
  static constexpr std::int64_t kSkew = 60;
  static constexpr std::int64_t kRekeyAfter = 86'400;
  static constexpr std::uint64_t kMostSteps = 1'024;
  static constexpr std::size_t kMostNonces = 4'096;

  AacTransport(Secret send_key, Secret receive_key, std::int64_t now_s);

  // A whole packet. kConflict: it has not been used for so long that the other side gives up.
  [[nodiscard]] Expected<crypto::Bytes> seal(std::string_view plaintext, std::int64_t now_s);
  // kInvalid: no packet; kConflict: too old, from the future, a repetition, or a key that is gone;
  // kCrypto: made up, or of another channel.
  [[nodiscard]] Expected<Secret> open(std::span<const std::uint8_t> packet, std::int64_t now_s);

  // The keys have moved on since save(): keep them.
  [[nodiscard]] bool changed() const { return changed_; }
  [[nodiscard]] Expected<Secret> save();
  [[nodiscard]] static Expected<AacTransport> load(const Secret& saved);

 private:
  Status remember(const xchacha::Nonce& nonce, std::int64_t sent_s, std::int64_t now_s);

  Secret send_key_;
  Secret receive_key_;
  std::uint64_t send_number_ = 1;
  std::uint64_t receive_number_ = 1;  // one less than the newest seen, so that that one's
                                      // predecessor can still be read
  std::int64_t rekeyed_s_ = 0;
  bool changed_ = true;
  std::map<xchacha::Nonce, std::int64_t> seen_;  // with the times in their packets
  std::int64_t floor_s_ = 0;  // what is not newer than this is refused: its nonce may be forgotten
};

}  // namespace av::source
