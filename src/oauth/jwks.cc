#include "oauth/jwks.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <optional>
#include <vector>

#include "oauth/answer.h"
#include "oauth/jwt.h"

namespace av::oauth {
namespace {

using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, ossl::Free<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, ossl::Free<OSSL_PARAM_free>>;
using Number = std::unique_ptr<BIGNUM, ossl::Free<BN_free>>;

constexpr std::size_t kMostKeys = 100;
constexpr int kLeastBits = 2048;
constexpr int kMostBits = 8192;  // what a check costs grows with it
constexpr std::size_t kCoordinate = 32;

Error no_key(std::string_view why) {
  return make_error(ErrorCode::kNotPermitted,
                    "the token's signature cannot be checked: " + std::string(why));
}

const unsigned char* as_bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// A public number; empty when it is none.
std::string member_bytes(const JsonView& key, std::string_view name) {
  const auto bytes = from_base64url(text_of(key, name));
  return bytes ? std::string(bytes->view()) : std::string();
}

ossl::Pkey from_params(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const ossl::PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params != nullptr && ctx != nullptr && EVP_PKEY_fromdata_init(ctx.get()) == 1) {
    (void)EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get());
  }
  return ossl::Pkey(key);
}

ossl::Pkey rsa_key(const JsonView& key) {
  const std::string n = member_bytes(key, "n");
  const std::string e = member_bytes(key, "e");
  if (n.empty() || e.empty() || n.size() > kMostBits / 8 || e.size() > 4) {
    return nullptr;
  }
  const Number modulus(BN_bin2bn(as_bytes(n), static_cast<int>(n.size()), nullptr));
  const Number exponent(BN_bin2bn(as_bytes(e), static_cast<int>(e.size()), nullptr));
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  const bool ok =
      modulus != nullptr && exponent != nullptr && builder != nullptr &&
      BN_num_bits(modulus.get()) >= kLeastBits && BN_is_odd(modulus.get()) == 1 &&
      BN_is_odd(exponent.get()) == 1 && BN_is_one(exponent.get()) == 0 &&
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) == 1 &&
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) == 1;
  return ok ? from_params("RSA", builder.get()) : nullptr;
}

ossl::Pkey ec_key(const JsonView& key) {
  const std::string x = member_bytes(key, "x");
  const std::string y = member_bytes(key, "y");
  // RFC 7518 section 6.2.1.2: the full size of a coordinate.
  if (text_of(key, "crv") != "P-256" || x.size() != kCoordinate || y.size() != kCoordinate) {
    return nullptr;
  }
  const std::string point = '\x04' + x + y;
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  const bool ok = builder != nullptr &&
                  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                                  "prime256v1", 0) == 1 &&
                  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY,
                                                   point.data(), point.size()) == 1;
  ossl::Pkey out = ok ? from_params("EC", builder.get()) : nullptr;
  const ossl::PkeyCtx ctx(out == nullptr ? nullptr
                                         : EVP_PKEY_CTX_new_from_pkey(nullptr, out.get(), nullptr));
  return ctx != nullptr && EVP_PKEY_public_check(ctx.get()) == 1 ? std::move(out) : nullptr;
}

// Absent, or this.
bool may_be(const JsonView& key, std::string_view name, std::string_view wanted) {
  const auto found = key.find(name);
  return !found || found->text() == wanted;
}

bool may_verify(const JsonView& key) {
  const auto operations = key.find("key_ops");
  if (!operations) {
    return true;
  }
  for (const JsonView& one : operations->children()) {
    if (one.text() == "verify") {
      return true;
    }
  }
  return false;
}

}  // namespace

Expected<ossl::Pkey> signing_key(const JsonView& jwks, JwtAlgorithm algorithm,
                                 std::string_view key_id) {
  const auto list = jwks.find("keys");
  if (!list || !list->is(JsonView::Kind::kArray)) {
    return no_key("the issuer's keys are no list");
  }
  const bool rsa = algorithm == JwtAlgorithm::kRs256;
  std::optional<JsonView> chosen;
  std::size_t seen = 0;
  for (const JsonView& key : list->children()) {
    if (++seen > kMostKeys) {
      return no_key("the issuer has more than 100 keys");
    }
    const bool fits = text_of(key, "kty") == (rsa ? "RSA" : "EC") && may_be(key, "use", "sig") &&
                      may_be(key, "alg", rsa ? "RS256" : "ES256") && may_verify(key) &&
                      (key_id.empty() || text_of(key, "kid") == key_id);
    if (!fits) {
      continue;
    }
    if (chosen) {
      return no_key("several keys of the issuer could have signed it");
    }
    chosen = key;
  }
  if (!chosen) {
    return no_key("the issuer has no such key");
  }
  ossl::Pkey out = rsa ? rsa_key(*chosen) : ec_key(*chosen);
  (void)ossl::drain_errors();
  if (out == nullptr) {
    return no_key("the issuer's key is malformed or too weak");
  }
  return out;
}

}  // namespace av::oauth
