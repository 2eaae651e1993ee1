#include "store/audit_key.h"

namespace av::store {
namespace {

const std::uint8_t* as_bytes(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

int digit_of(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

Expected<AuditKey> AuditKey::from_seed(const Secret& seed) {
  ossl::Pkey key(seed.reveal([](std::string_view bytes) {
    return bytes.size() == kSeedSize ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                                                    as_bytes(bytes), bytes.size())
                                     : nullptr;
  }));
  PublicKey public_half{};
  std::size_t size = public_half.size();
  if (key == nullptr || EVP_PKEY_get_raw_public_key(key.get(), public_half.data(), &size) != 1) {
    return ossl::error("cannot use the key of the audit log");
  }
  return AuditKey(std::move(key), public_half);
}

Expected<Signature> AuditKey::sign(std::string_view message) const {
  Signature signature{};
  std::size_t size = signature.size();
  const ossl::MdCtx context(EVP_MD_CTX_new());
  if (context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, as_bytes(message), message.size()) !=
          1) {
    return ossl::error("cannot sign for the audit log");
  }
  return signature;
}

SignatureChecker::SignatureChecker(const PublicKey& key)
    : key_(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size())) {
  if (key_ == nullptr) {
    (void)ossl::drain_errors();
  }
}

bool SignatureChecker::check(std::string_view message, const Signature& signature) const {
  const ossl::MdCtx context(EVP_MD_CTX_new());
  const bool good =
      key_ != nullptr && context != nullptr &&
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), as_bytes(message),
                       message.size()) == 1;
  if (!good) {
    (void)ossl::drain_errors();
  }
  return good;
}

bool read_hex(std::string_view text, std::span<std::uint8_t> out) {
  if (text.size() != out.size() * 2) {
    return false;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = digit_of(text[2 * i]);
    const int low = digit_of(text[2 * i + 1]);
    if (high < 0 || low < 0) {
      return false;
    }
    out[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

std::optional<crypto::Digest> digest_of_hex(std::string_view text) {
  crypto::Digest digest{};
  return read_hex(text, digest) ? std::optional(digest) : std::nullopt;
}

}  // namespace av::store
