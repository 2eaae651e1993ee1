#include "source/cose.h"

#include <openssl/evp.h>

#include <algorithm>

#include "source/cbor.h"

namespace av::source {
namespace {

// RFC 9052 table 2, RFC 9053 tables 2, 17 and 20.
constexpr std::int64_t kKeyType = 1;
constexpr std::int64_t kOkp = 1;
constexpr std::int64_t kAlgorithm = 3;
constexpr std::int64_t kEdDsa = -8;
constexpr std::int64_t kCurve = -1;
constexpr std::int64_t kEd25519 = 6;
constexpr std::int64_t kX = -2;

}  // namespace

Expected<RelayIdentity> RelayIdentity::of_seed(const Secret& seed) {
  RelayIdentity out;
  out.key_.reset(seed.reveal([](std::string_view bytes) {
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                        reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                        bytes.size());
  }));
  std::size_t size = out.public_.size();
  if (out.key_ == nullptr ||
      EVP_PKEY_get_raw_public_key(out.key_.get(), out.public_.data(), &size) != 1 ||
      size != out.public_.size()) {
    return ossl::error("cannot use an identity key");
  }
  out.fingerprint_ = fingerprint_of(out.public_);
  return out;
}

crypto::Bytes RelayIdentity::cose_key() const {
  CborWriter out;
  out.map(4);
  out.integer(kKeyType);
  out.integer(kOkp);
  out.integer(kAlgorithm);
  out.integer(kEdDsa);
  out.integer(kCurve);
  out.integer(kEdDsa);
  out.integer(kX);
  out.bytes(public_);
  return out.out();
}

Expected<crypto::Bytes> RelayIdentity::cose_sign1(std::span<const std::uint8_t> challenge) const {
  std::array<std::uint8_t, 64> signature{};
  std::size_t size = signature.size();
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  if (ctx == nullptr || EVP_DigestSignInit(ctx.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(ctx.get(), signature.data(), &size, challenge.data(), challenge.size()) != 1 ||
      size != signature.size()) {
    return ossl::error("cannot sign a relay's challenge");
  }
  CborWriter head;
  head.map(1);
  head.integer(1);
  head.integer(kEdDsa);
  CborWriter out;
  out.array(4);
  out.bytes(head.out());
  out.map(0);
  out.bytes(challenge);
  out.bytes(signature);
  return out.out();
}

std::optional<PublicKey> public_key_of(std::span<const std::uint8_t> cose_key) {
  CborReader in(cose_key);
  const auto pairs = in.map();
  if (!pairs || *pairs > 8) {
    return std::nullopt;
  }
  std::optional<std::int64_t> type;
  std::optional<std::int64_t> algorithm;
  std::optional<std::int64_t> curve;
  std::optional<crypto::Bytes> x;
  for (std::size_t i = 0; i < *pairs; ++i) {
    const auto label = in.integer();
    if (!label) {
      return std::nullopt;
    }
    std::optional<std::int64_t>* const number = *label == kKeyType     ? &type
                                                : *label == kAlgorithm ? &algorithm
                                                : *label == kCurve     ? &curve
                                                                       : nullptr;
    if (number != nullptr && !*number) {
      *number = in.integer();
    } else if (*label == kX && !x) {
      x = in.bytes(32);
    } else {
      return std::nullopt;
    }
  }
  if (!in.done() || type != kOkp || algorithm != kEdDsa || (curve != kEdDsa && curve != kEd25519) ||
      !x || x->size() != 32) {
    return std::nullopt;
  }
  PublicKey out{};
  std::copy(x->begin(), x->end(), out.begin());
  return out;
}

Fingerprint fingerprint_of(const PublicKey& key) {
  return crypto::sha256({reinterpret_cast<const char*>(key.data()), key.size()});
}

}  // namespace av::source
