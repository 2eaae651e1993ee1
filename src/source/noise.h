#pragma once
// Noise_NNpsk2_25519_ChaChaPoly_SHA256 (noiseprotocol.org, revision 34), the initiator's half:
//     -> e
//     <- e, ee, psk
// Nobody has a static key: whoever knows the pre-shared key is the other side, and with a key of
// zeros it is whoever answered first. One object makes one handshake.

#include <cstdint>
#include <span>
#include <string_view>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/ossl.h"
#include "core/secret.h"

namespace av::source {

class NoiseInitiator {
 public:
  static constexpr std::size_t kKeySize = 32;
  static constexpr std::size_t kMostMessage = 65'535;

  struct Keys {
    Secret to_responder;
    Secret from_responder;
    crypto::Digest hash{};  // of the handshake
    Secret payload;         // of the second message
  };

  // `psk` has 32 bytes. `ephemeral`, the private key, is random unless a test gives it.
  static Expected<NoiseInitiator> make(Secret psk, std::string_view prologue,
                                       Secret ephemeral = {});

  // The first message.
  [[nodiscard]] Expected<crypto::Bytes> start(std::string_view payload);
  // Reads the second one. kCrypto: it is not of the side that knows the key. No second try.
  [[nodiscard]] Expected<Keys> finish(std::span<const std::uint8_t> message);

 private:
  NoiseInitiator() = default;
  void mix_hash(std::string_view data);
  Status mix_key(std::string_view material);
  Status mix_key_and_hash(const Secret& material);
  [[nodiscard]] Expected<Secret> shared_secret(std::span<const std::uint8_t> their_key) const;

  Secret psk_;
  ossl::Pkey ephemeral_;
  Secret chaining_key_;
  Secret key_;
  crypto::Digest hash_{};
  enum class Step : std::uint8_t { kFresh, kStarted, kOver } step_ = Step::kFresh;
};

}  // namespace av::source
