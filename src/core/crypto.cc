#include "core/crypto.h"

#include <argon2.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstdlib>

#include "core/encoding.h"
#include "core/ossl.h"

namespace av::crypto {
namespace {

const std::uint8_t* as_bytes(std::string_view s) {
  return reinterpret_cast<const std::uint8_t*>(s.data());
}

// Fetching an algorithm costs microseconds each time; once per process is enough.
const EVP_CIPHER* aes_256_gcm() {
  static const EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return cipher;
}

const EVP_MD* sha256_md() {
  static const EVP_MD* md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return md;
}

}  // namespace

void load_algorithms() {
  // What has been fetched once stays in the library's own store when it is freed.
  static_cast<void>(aes_256_gcm());
  static_cast<void>(sha256_md());
  EVP_CIPHER_free(EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr));
  EVP_RAND_free(EVP_RAND_fetch(nullptr, "CTR-DRBG", nullptr));
  EVP_KEYMGMT_free(EVP_KEYMGMT_fetch(nullptr, "EC", nullptr));
  EVP_SIGNATURE_free(EVP_SIGNATURE_fetch(nullptr, "ECDSA", nullptr));
  EVP_KEYMGMT_free(EVP_KEYMGMT_fetch(nullptr, "ED25519", nullptr));
  EVP_SIGNATURE_free(EVP_SIGNATURE_fetch(nullptr, "ED25519", nullptr));
}

void random_bytes(std::span<std::uint8_t> out) {
  if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1) {
    std::abort();
  }
}

Expected<Secret> random_secret(std::size_t size) {
  AV_TRY(Secret secret, Secret::with_size(size));
  if (RAND_priv_bytes(secret.writable().data(), static_cast<int>(size)) != 1) {
    return ossl::error("cannot get random bytes");
  }
  return secret;
}

std::string random_hex(std::size_t size) {
  Bytes bytes(size);
  random_bytes(bytes);
  return encoding::hex(bytes);
}

Expected<Bytes> seal(const Secret& key, std::string_view plaintext, std::string_view associated) {
  if (key.size() != kKeySize) {
    return make_error(ErrorCode::kInternal, "sealing key has the wrong size");
  }
  Bytes out(kNonceSize + plaintext.size() + kTagSize);
  random_bytes(std::span(out).first(kNonceSize));
  std::uint8_t* const ciphertext = out.data() + kNonceSize;
  ossl::CipherCtx ctx(EVP_CIPHER_CTX_new());
  int written = 0;
  int final_written = 0;
  const bool ok = ctx != nullptr && key.reveal([&](std::string_view k) {
    return EVP_EncryptInit_ex2(ctx.get(), aes_256_gcm(), as_bytes(k), out.data(), nullptr) == 1;
  }) &&
                  EVP_EncryptUpdate(ctx.get(), nullptr, &written, as_bytes(associated),
                                    static_cast<int>(associated.size())) == 1 &&
                  EVP_EncryptUpdate(ctx.get(), ciphertext, &written, as_bytes(plaintext),
                                    static_cast<int>(plaintext.size())) == 1 &&
                  EVP_EncryptFinal_ex(ctx.get(), ciphertext + written, &final_written) == 1 &&
                  EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(kTagSize),
                                      ciphertext + plaintext.size()) == 1;
  if (!ok) {
    return ossl::error("cannot encrypt");
  }
  return out;
}

Expected<Secret> open(const Secret& key, std::span<const std::uint8_t> sealed,
                      std::string_view associated) {
  if (key.size() != kKeySize || sealed.size() < kNonceSize + kTagSize) {
    return make_error(ErrorCode::kCrypto, "sealed value is too short");
  }
  const auto ciphertext = sealed.subspan(kNonceSize, sealed.size() - kNonceSize - kTagSize);
  // OpenSSL takes the tag through a non-const pointer.
  Bytes tag(sealed.end() - static_cast<std::ptrdiff_t>(kTagSize), sealed.end());
  AV_TRY(Secret plain, Secret::with_size(ciphertext.size()));
  std::uint8_t nothing = 0;
  std::uint8_t* const out = plain.empty() ? &nothing : plain.writable().data();
  ossl::CipherCtx ctx(EVP_CIPHER_CTX_new());
  int written = 0;
  int final_written = 0;
  const bool ok = ctx != nullptr && key.reveal([&](std::string_view k) {
    return EVP_DecryptInit_ex2(ctx.get(), aes_256_gcm(), as_bytes(k), sealed.data(), nullptr) == 1;
  }) &&
                  EVP_DecryptUpdate(ctx.get(), nullptr, &written, as_bytes(associated),
                                    static_cast<int>(associated.size())) == 1 &&
                  EVP_DecryptUpdate(ctx.get(), out, &written, ciphertext.data(),
                                    static_cast<int>(ciphertext.size())) == 1 &&
                  EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(kTagSize),
                                      tag.data()) == 1 &&
                  EVP_DecryptFinal_ex(ctx.get(), out + written, &final_written) == 1;
  if (!ok) {
    (void)ossl::drain_errors();
    return make_error(ErrorCode::kCrypto, "sealed value does not authenticate");
  }
  return plain;
}

Digest sha256(std::string_view bytes) {
  return sha256(bytes, {});
}

Digest sha256(std::string_view a, std::string_view b) {
  Digest digest{};
  // One context per thread: creating one costs more than hashing a short record.
  thread_local ossl::MdCtx ctx(EVP_MD_CTX_new());
  const bool ok = ctx != nullptr && EVP_DigestInit_ex2(ctx.get(), sha256_md(), nullptr) == 1 &&
                  EVP_DigestUpdate(ctx.get(), a.data(), a.size()) == 1 &&
                  EVP_DigestUpdate(ctx.get(), b.data(), b.size()) == 1 &&
                  EVP_DigestFinal_ex(ctx.get(), digest.data(), nullptr) == 1;
  if (!ok) {
    std::abort();  // SHA-256 of bytes in memory cannot fail
  }
  return digest;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Expected<Secret> argon2id(const Secret& passphrase, std::span<const std::uint8_t> salt,
                          const Argon2Params& params) {
  AV_TRY(Secret key, Secret::with_size(kKeySize));
  const int result = passphrase.reveal([&](std::string_view p) {
    return argon2id_hash_raw(params.passes, params.memory_kib, params.lanes, p.data(), p.size(),
                             salt.data(), salt.size(), key.writable().data(), kKeySize);
  });
  if (result != ARGON2_OK) {
    return make_error(ErrorCode::kCrypto,
                      std::string("Argon2id failed: ") + argon2_error_message(result));
  }
  return key;
}

}  // namespace av::crypto
