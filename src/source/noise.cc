#include "source/noise.h"

#include <openssl/evp.h>

#include <array>
#include <utility>

#include "source/chachapoly.h"
#include "source/keyed_hash.h"

namespace av::source {
namespace {

constexpr std::string_view kName = "Noise_NNpsk2_25519_ChaChaPoly_SHA256";

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

const std::uint8_t* as_bytes(std::string_view s) {
  return reinterpret_cast<const std::uint8_t*>(s.data());
}

// Every key of this handshake seals one message only, so n is always 0.
constexpr chachapoly::Nonce kFirst{};

// HKDF of section 4.3: 32 bytes for each output.
Expected<Secret> noise_hkdf(const Secret& chaining_key, std::string_view material,
                            std::size_t outputs) {
  AV_TRY(const Secret extracted, hmac(HashKind::kSha256, chaining_key, material));
  return hkdf_expand(extracted, {}, 32 * outputs);
}

Expected<Secret> part(const Secret& whole, std::size_t index) {
  return whole.reveal(
      [&](std::string_view bytes) { return Secret::copy_of(bytes.substr(32 * index, 32)); });
}

Error refused() {
  return make_error(ErrorCode::kCrypto, "the other side's handshake does not authenticate");
}

}  // namespace

Expected<NoiseInitiator> NoiseInitiator::make(Secret psk, std::string_view prologue,
                                              Secret ephemeral) {
  if (psk.size() != kKeySize || (!ephemeral.empty() && ephemeral.size() != kKeySize)) {
    return make_error(ErrorCode::kInternal, "a handshake's key has the wrong size");
  }
  if (ephemeral.empty()) {
    AV_TRY(ephemeral, crypto::random_secret(kKeySize));
  }
  NoiseInitiator out;
  out.psk_ = std::move(psk);
  out.ephemeral_.reset(ephemeral.reveal([](std::string_view bytes) {
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, as_bytes(bytes), bytes.size());
  }));
  if (out.ephemeral_ == nullptr) {
    return ossl::error("cannot make a key for a handshake");
  }
  // The name is longer than a hash (section 5.2).
  out.hash_ = crypto::sha256(kName);
  AV_TRY(out.chaining_key_, Secret::copy_of(out.hash_));
  out.mix_hash(prologue);
  return out;
}

void NoiseInitiator::mix_hash(std::string_view data) {
  hash_ = crypto::sha256(as_text(hash_), data);
}

Status NoiseInitiator::mix_key(std::string_view material) {
  AV_TRY(const Secret both, noise_hkdf(chaining_key_, material, 2));
  AV_TRY(chaining_key_, part(both, 0));
  AV_TRY(key_, part(both, 1));
  return {};
}

Status NoiseInitiator::mix_key_and_hash(const Secret& material) {
  AV_TRY(const Secret all, material.reveal([&](std::string_view bytes) {
    return noise_hkdf(chaining_key_, bytes, 3);
  }));
  AV_TRY(chaining_key_, part(all, 0));
  AV_TRY(const Secret middle, part(all, 1));
  middle.reveal([&](std::string_view bytes) { mix_hash(bytes); });
  AV_TRY(key_, part(all, 2));
  return {};
}

Expected<crypto::Bytes> NoiseInitiator::start(std::string_view payload) {
  if (std::exchange(step_, Step::kStarted) != Step::kFresh || payload.size() > kMostMessage - 48) {
    return make_error(ErrorCode::kInternal, "a handshake is started once, with little in it");
  }
  crypto::Bytes out(kKeySize);
  std::size_t size = out.size();
  if (EVP_PKEY_get_raw_public_key(ephemeral_.get(), out.data(), &size) != 1 || size != kKeySize) {
    return ossl::error("cannot make a key for a handshake");
  }
  mix_hash(as_text(out));
  // In a handshake with a psk, "e" is mixed into the key too (section 9.2).
  AV_CHECK(mix_key(as_text(out)));
  AV_TRY(const crypto::Bytes sealed, chachapoly::seal(key_, kFirst, payload, as_text(hash_)));
  mix_hash(as_text(sealed));
  out.insert(out.end(), sealed.begin(), sealed.end());
  return out;
}

Expected<Secret> NoiseInitiator::shared_secret(std::span<const std::uint8_t> their_key) const {
  const ossl::Pkey theirs(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, their_key.data(), their_key.size()));
  const ossl::PkeyCtx ctx(EVP_PKEY_CTX_new(ephemeral_.get(), nullptr));
  AV_TRY(Secret out, Secret::with_size(kKeySize));
  std::size_t size = out.size();
  // A point of small order makes a secret of zeros, which OpenSSL refuses (RFC 7748 section 6.1).
  if (theirs == nullptr || ctx == nullptr || EVP_PKEY_derive_init(ctx.get()) != 1 ||
      EVP_PKEY_derive_set_peer(ctx.get(), theirs.get()) != 1 ||
      EVP_PKEY_derive(ctx.get(), out.writable().data(), &size) != 1 || size != kKeySize) {
    static_cast<void>(ossl::drain_errors());
    return refused();
  }
  return out;
}

Expected<NoiseInitiator::Keys> NoiseInitiator::finish(std::span<const std::uint8_t> message) {
  if (std::exchange(step_, Step::kOver) != Step::kStarted) {
    return make_error(ErrorCode::kInternal, "a handshake is finished once, behind its start");
  }
  if (message.size() < kKeySize + chachapoly::kTagSize || message.size() > kMostMessage) {
    return refused();
  }
  const auto their_key = message.first(kKeySize);
  const auto sealed = message.subspan(kKeySize);
  mix_hash(as_text(their_key));
  AV_CHECK(mix_key(as_text(their_key)));
  AV_TRY(const Secret shared, shared_secret(their_key));
  AV_CHECK(shared.reveal([&](std::string_view bytes) { return mix_key(bytes); }));
  AV_CHECK(mix_key_and_hash(psk_));
  Keys keys;
  auto payload = chachapoly::open(key_, kFirst, sealed, as_text(hash_));
  if (!payload) {
    return refused();
  }
  keys.payload = std::move(*payload);
  mix_hash(as_text(sealed));
  AV_TRY(const Secret both, noise_hkdf(chaining_key_, {}, 2));
  AV_TRY(keys.to_responder, part(both, 0));
  AV_TRY(keys.from_responder, part(both, 1));
  keys.hash = hash_;
  ephemeral_.reset();
  return keys;
}

}  // namespace av::source
