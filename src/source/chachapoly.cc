#include "source/chachapoly.h"

#include <openssl/evp.h>

#include "core/ossl.h"

namespace av::source::chachapoly {
namespace {

const std::uint8_t* as_bytes(std::string_view s) {
  return reinterpret_cast<const std::uint8_t*>(s.data());
}

// Longer ones do not come: what is opened here has been bounded by its reader.
constexpr std::size_t kMost = std::size_t{16} << 20;

Error does_not_open() {
  static_cast<void>(ossl::drain_errors());
  return make_error(ErrorCode::kCrypto, "a sealed message does not authenticate");
}

}  // namespace

Expected<crypto::Bytes> seal(const Secret& key, const Nonce& nonce, std::string_view plaintext,
                             std::string_view associated) {
  if (key.size() != kKeySize || plaintext.size() > kMost || associated.size() > kMost) {
    return make_error(ErrorCode::kInternal, "a message to seal, or its key, has the wrong size");
  }
  crypto::Bytes out(plaintext.size() + kTagSize);
  const ossl::CipherCtx ctx(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool ok = ctx != nullptr && key.reveal([&](std::string_view k) {
    return EVP_EncryptInit_ex(ctx.get(), EVP_chacha20_poly1305(), nullptr, as_bytes(k),
                              nonce.data()) == 1;
  }) &&
                  EVP_EncryptUpdate(ctx.get(), nullptr, &size, as_bytes(associated),
                                    static_cast<int>(associated.size())) == 1 &&
                  EVP_EncryptUpdate(ctx.get(), out.data(), &size, as_bytes(plaintext),
                                    static_cast<int>(plaintext.size())) == 1 &&
                  EVP_EncryptFinal_ex(ctx.get(), out.data() + plaintext.size(), &size) == 1 &&
                  EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTagSize),
                                      out.data() + plaintext.size()) == 1;
  if (!ok) {
    return ossl::error("cannot seal a message");
  }
  return out;
}

Expected<Secret> open(const Secret& key, const Nonce& nonce, std::span<const std::uint8_t> sealed,
                      std::string_view associated) {
  if (key.size() != kKeySize || sealed.size() < kTagSize || sealed.size() > kMost ||
      associated.size() > kMost) {
    return does_not_open();
  }
  const auto ciphertext = sealed.first(sealed.size() - kTagSize);
  crypto::Bytes tag(sealed.end() - static_cast<std::ptrdiff_t>(kTagSize), sealed.end());
  AV_TRY(Secret out, Secret::with_size(ciphertext.size()));
  const ossl::CipherCtx ctx(EVP_CIPHER_CTX_new());
  int size = 0;
  std::uint8_t none = 0;
  const bool ok = ctx != nullptr && key.reveal([&](std::string_view k) {
    return EVP_DecryptInit_ex(ctx.get(), EVP_chacha20_poly1305(), nullptr, as_bytes(k),
                              nonce.data()) == 1;
  }) &&
                  EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kTagSize),
                                      tag.data()) == 1 &&
                  EVP_DecryptUpdate(ctx.get(), nullptr, &size, as_bytes(associated),
                                    static_cast<int>(associated.size())) == 1 &&
                  (ciphertext.empty() ||
                   EVP_DecryptUpdate(ctx.get(), out.writable().data(), &size, ciphertext.data(),
                                     static_cast<int>(ciphertext.size())) == 1) &&
                  EVP_DecryptFinal_ex(ctx.get(), &none, &size) == 1;
  if (!ok) {
    return does_not_open();
  }
  return out;
}

}  // namespace av::source::chachapoly
