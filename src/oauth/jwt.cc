#include "oauth/jwt.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>

#include "core/encoding.h"

namespace av::oauth {
namespace {

using EcdsaSig = std::unique_ptr<ECDSA_SIG, ossl::Free<ECDSA_SIG_free>>;

constexpr std::size_t kHalf = 32;

const unsigned char* as_bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// OpenSSL would ask on the terminal for the passphrase of an encrypted key.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*unused*/) {
  return -1;
}

ossl::Pkey key_of(const Secret& pem) {
  return pem.reveal([](std::string_view text) {
    const ossl::Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    ossl::Pkey key(bio == nullptr
                       ? nullptr
                       : PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
    (void)ossl::drain_errors();
    return key;
  });
}

bool is_p256(const EVP_PKEY* key) {
  std::array<char, 64> name{};
  std::size_t size = 0;
  return EVP_PKEY_is_a(key, "EC") == 1 &&
         EVP_PKEY_get_group_name(key, name.data(), name.size(), &size) == 1 &&
         std::string_view(name.data(), size) == "prime256v1";
}

bool is_rsa(const EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  return EVP_PKEY_is_a(key, "RSA") == 1 && bits >= 2048 && bits <= 16384;
}

// r || s of a signature in DER; empty when it is none.
std::string raw_of_der(std::string_view der) {
  const unsigned char* at = as_bytes(der);
  const EcdsaSig sig(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  std::string raw(2 * kHalf, '\0');
  auto* const out = reinterpret_cast<unsigned char*>(raw.data());
  const bool ok = sig != nullptr &&
                  BN_bn2binpad(ECDSA_SIG_get0_r(sig.get()), out, kHalf) == kHalf &&
                  BN_bn2binpad(ECDSA_SIG_get0_s(sig.get()), out + kHalf, kHalf) == kHalf;
  return ok ? raw : std::string();
}

Expected<std::string> signature(EVP_PKEY* key, std::string_view text, bool ec) {
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  std::size_t size = 0;
  std::string out;
  bool ok =
      ctx != nullptr &&
      EVP_DigestSignInit_ex(ctx.get(), nullptr, "SHA256", nullptr, nullptr, key, nullptr) == 1 &&
      EVP_DigestSign(ctx.get(), nullptr, &size, as_bytes(text), text.size()) == 1;
  if (ok) {
    out.resize(size);
    ok = EVP_DigestSign(ctx.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                        as_bytes(text), text.size()) == 1;
    out.resize(size);
  }
  if (ok && ec) {
    out = raw_of_der(out);
  }
  if (!ok || out.empty()) {
    return ossl::error("cannot sign a token");
  }
  return out;
}

}  // namespace

Expected<Secret> sign_jwt(const Secret& private_key_pem, std::string_view claims,
                          std::string_view key_id) {
  const ossl::Pkey key = key_of(private_key_pem);
  if (key == nullptr) {
    return make_error(ErrorCode::kInvalid, "the private key is no unencrypted key in PEM");
  }
  const bool ec = is_p256(key.get());
  if (!ec && !is_rsa(key.get())) {
    return make_error(ErrorCode::kInvalid,
                      "the private key is neither RSA of at least 2048 bits nor P-256");
  }
  std::string header = std::string(R"({"alg":")") + (ec ? "ES256" : "RS256") + R"(","typ":"JWT")";
  if (!key_id.empty()) {
    header += R"(,"kid":")" + encoding::json_escaped(key_id) + '"';
  }
  header += '}';
  SecretBuffer out;
  out.append(encoding::base64(header, encoding::Base64::kUrl));
  out.push_back('.');
  out.append(encoding::base64(claims, encoding::Base64::kUrl));
  AV_TRY(const std::string signed_by, signature(key.get(), out.view(), ec));
  out.push_back('.');
  out.append(encoding::base64(signed_by, encoding::Base64::kUrl));
  return out.to_secret();
}

Expected<JwtParts> split_jwt(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  JwtParts out;
  if (second != std::string_view::npos) {
    out.header = token.substr(0, first);
    out.payload = token.substr(first + 1, second - first - 1);
    out.signature = token.substr(second + 1);
    out.signed_text = token.substr(0, second);
  }
  if (out.header.empty() || out.payload.empty() || out.signature.empty() ||
      out.signature.find('.') != std::string_view::npos) {
    return make_error(ErrorCode::kInvalid, "not a signed token of three parts");
  }
  return out;
}

Expected<SecretBuffer> from_base64url(std::string_view text) {
  SecretBuffer out;
  std::string room(encoding::base64_decoded_bound(text.size()), '\0');
  out.append(room);
  const auto size =
      text.ends_with('=')
          ? std::nullopt
          : encoding::from_base64(text, {reinterpret_cast<std::uint8_t*>(out.data()), out.size()},
                                  encoding::Base64::kUrl);
  if (!size) {
    return make_error(ErrorCode::kInvalid, "a part of a token is not base64url");
  }
  out.truncate(*size);
  return out;
}

void peek_claims(const Secret& token, const std::function<void(const vault::JsonView&)>& use) {
  token.reveal([&](std::string_view bytes) {
    const auto parts = split_jwt(bytes);
    const auto payload = parts ? from_base64url(parts->payload)
                               : Expected<SecretBuffer>(make_error(ErrorCode::kInvalid, ""));
    if (!payload) {
      return;
    }
    const auto document = vault::JsonDocument::parse(payload->view());
    if (document && document->root().is(vault::JsonView::Kind::kObject)) {
      use(document->root());
    }
  });
}

std::string der_of_es256(std::string_view raw) {
  if (raw.size() != 2 * kHalf) {
    return {};
  }
  const EcdsaSig sig(ECDSA_SIG_new());
  BIGNUM* const r = BN_bin2bn(as_bytes(raw), kHalf, nullptr);
  BIGNUM* const s = BN_bin2bn(as_bytes(raw.substr(kHalf)), kHalf, nullptr);
  if (sig == nullptr || r == nullptr || s == nullptr || ECDSA_SIG_set0(sig.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return {};
  }
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(sig.get(), &der);
  std::string out;
  if (size > 0) {
    out.assign(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  }
  OPENSSL_free(der);
  return out;
}

}  // namespace av::oauth
