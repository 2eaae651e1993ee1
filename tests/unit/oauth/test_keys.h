#pragma once
// Keys that sign tokens, made once for a process, and tokens of any shape.

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <array>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "core/encoding.h"
#include "core/ossl.h"
#include "oauth/jwt.h"

namespace av::test {

inline std::string b64(std::string_view text) {
  return encoding::base64(text, encoding::Base64::kUrl);
}

class TestKey {
 public:
  explicit TestKey(ossl::Pkey key) : key_(std::move(key)) { REQUIRE(key_ != nullptr); }
  static const TestKey& rsa() {
    static const TestKey key{ossl::Pkey(EVP_RSA_gen(2048))};
    return key;
  }
  static const TestKey& ec() {
    static const TestKey key{ossl::Pkey(EVP_EC_gen("P-256"))};
    return key;
  }

  [[nodiscard]] std::string private_pem(const char* passphrase = nullptr) const {
    const ossl::Bio bio(BIO_new(BIO_s_mem()));
    REQUIRE(PEM_write_bio_PrivateKey(bio.get(), key_.get(),
                                     passphrase == nullptr ? nullptr : EVP_aes_256_cbc(), nullptr,
                                     0, nullptr, const_cast<char*>(passphrase)) == 1);
    return contents(bio.get());
  }
  // "BEGIN RSA PRIVATE KEY", as GitHub gives its keys out.
  [[nodiscard]] std::string traditional_pem() const {
    const ossl::Bio bio(BIO_new(BIO_s_mem()));
    REQUIRE(PEM_write_bio_PrivateKey_traditional(bio.get(), key_.get(), nullptr, nullptr, 0,
                                                 nullptr, nullptr) == 1);
    return contents(bio.get());
  }
  [[nodiscard]] std::string public_pem() const {
    const ossl::Bio bio(BIO_new(BIO_s_mem()));
    REQUIRE(PEM_write_bio_PUBKEY(bio.get(), key_.get()) == 1);
    return contents(bio.get());
  }
  // The members of a JWK: "kty" and numbers, and `more` behind them.
  [[nodiscard]] std::string jwk(std::string_view more = {}) const {
    std::string out;
    if (is_ec()) {
      std::array<unsigned char, 65> point{};
      std::size_t size = 0;
      REQUIRE(EVP_PKEY_get_octet_string_param(key_.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                              point.size(), &size) == 1);
      const std::string_view bytes(reinterpret_cast<const char*>(point.data()), size);
      out = R"({"kty":"EC","crv":"P-256","x":")" + b64(bytes.substr(1, 32)) + R"(","y":")" +
            b64(bytes.substr(33)) + '"';
    } else {
      out = R"({"kty":"RSA","n":")" + number(OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
            number(OSSL_PKEY_PARAM_RSA_E) + '"';
    }
    return out + std::string(more) + "}";
  }
  // Compact form, whatever the header says.
  [[nodiscard]] std::string token(std::string_view header, std::string_view claims) const {
    const std::string text = b64(header) + "." + b64(claims);
    return text + "." + b64(signature(text));
  }
  [[nodiscard]] bool verifies(std::string_view token) const {
    const auto parts = oauth::split_jwt(token);
    if (!parts) {
      return false;
    }
    const auto raw = oauth::from_base64url(parts->signature);
    const std::string sig = is_ec() ? oauth::der_of_es256(raw->view()) : std::string(raw->view());
    const ossl::MdCtx ctx(EVP_MD_CTX_new());
    return EVP_DigestVerifyInit_ex(ctx.get(), nullptr, "SHA256", nullptr, nullptr, key_.get(),
                                   nullptr) == 1 &&
           EVP_DigestVerify(ctx.get(), reinterpret_cast<const unsigned char*>(sig.data()),
                            sig.size(),
                            reinterpret_cast<const unsigned char*>(parts->signed_text.data()),
                            parts->signed_text.size()) == 1;
  }

 private:
  [[nodiscard]] bool is_ec() const { return EVP_PKEY_is_a(key_.get(), "EC") == 1; }
  static std::string contents(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return std::string(data, static_cast<std::size_t>(size));
  }
  std::string number(const char* name) const {
    BIGNUM* value = nullptr;
    REQUIRE(EVP_PKEY_get_bn_param(key_.get(), name, &value) == 1);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
    BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
    BN_free(value);
    return b64(bytes);
  }
  std::string signature(const std::string& text) const {
    std::array<unsigned char, 1024> out{};
    std::size_t size = out.size();
    const ossl::MdCtx ctx(EVP_MD_CTX_new());
    REQUIRE(EVP_DigestSignInit_ex(ctx.get(), nullptr, "SHA256", nullptr, nullptr, key_.get(),
                                  nullptr) == 1);
    REQUIRE(EVP_DigestSign(ctx.get(), out.data(), &size,
                           reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1);
    if (!is_ec()) {
      return std::string(reinterpret_cast<const char*>(out.data()), size);
    }
    const unsigned char* at = out.data();
    ECDSA_SIG* sig = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size));
    REQUIRE(sig != nullptr);
    std::string raw(64, '\0');
    auto* const to = reinterpret_cast<unsigned char*>(raw.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(sig), to, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig), to + 32, 32);
    ECDSA_SIG_free(sig);
    return raw;
  }

  ossl::Pkey key_;
};

// HS256 with any bytes as its key.
inline std::string hmac_token(std::string_view header, std::string_view claims,
                              std::string_view key) {
  const std::string text = b64(header) + "." + b64(claims);
  std::array<unsigned char, 32> out{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  return text + "." + b64({reinterpret_cast<const char*>(out.data()), size});
}

// A part of a token, decoded: 0 the header, 1 the claims.
inline std::string token_part(std::string_view token, int which) {
  const auto parts = oauth::split_jwt(token);
  REQUIRE(parts);
  const auto bytes = oauth::from_base64url(which == 0 ? parts->header : parts->payload);
  REQUIRE(bytes);
  return std::string(bytes->view());
}

}  // namespace av::test
