// Any text as an ID token, as an issuer's keys and, signed with a key of our own, as claims:
// nothing unsigned is taken, and what is taken names the issuer, the client and the time that were
// expected.

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/encoding.h"
#include "core/ossl.h"
#include "fuzz/oauth_port.h"
#include "fuzz/require.h"
#include "oauth/id_token.h"

namespace {

using namespace av;

struct Key {
  ossl::Pkey key{EVP_EC_gen("P-256")};
  std::string jwks;
  Key() {
    std::array<unsigned char, 65> point{};
    std::size_t size = 0;
    require(EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                            point.size(), &size) == 1 &&
            size == point.size());
    const auto part = [&](std::size_t at) {
      return encoding::base64({reinterpret_cast<const char*>(point.data() + at), 32},
                              encoding::Base64::kUrl);
    };
    jwks = R"({"keys":[{"kty":"EC","crv":"P-256","x":")" + part(1) + R"(","y":")" + part(33) +
           R"("}]})";
  }

  // Compact form; the signature is made with a fixed-size r || s.
  std::string token(std::string_view claims) const {
    const std::string text = encoding::base64(R"({"alg":"ES256"})", encoding::Base64::kUrl) + "." +
                             encoding::base64(claims, encoding::Base64::kUrl);
    std::array<unsigned char, 128> der{};
    std::size_t size = der.size();
    const ossl::MdCtx ctx(EVP_MD_CTX_new());
    require(EVP_DigestSignInit_ex(ctx.get(), nullptr, "SHA256", nullptr, nullptr, key.get(),
                                  nullptr) == 1 &&
            EVP_DigestSign(ctx.get(), der.data(), &size,
                           reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1);
    // SEQUENCE { INTEGER r, INTEGER s }, each with or without a zero in front.
    std::string raw;
    std::size_t at = 2;
    for (int i = 0; i < 2; ++i) {
      const std::size_t length = der.at(at + 1);
      std::string number(reinterpret_cast<const char*>(&der.at(at + 2)), length);
      if (number.size() > 32) {
        number = number.substr(number.size() - 32);
      }
      raw += std::string(32 - number.size(), '\0') + number;
      at += 2 + length;
    }
    return text + "." + encoding::base64(raw, encoding::Base64::kUrl);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The key first: OpenSSL would put its random generators into the arena, where the search for
  // leaks does not see what they hold.
  static const Key key;
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > 32 * 1024) {
    return 0;
  }
  const std::string text(reinterpret_cast<const char*>(data), size);
  oauth::IdTokenExpectation expected;
  expected.issuer = "https://id.example.com";
  expected.client_id = "client";
  expected.nonce = "nonce";
  expected.now_s = 1'800'000'000;
  const std::string_view url = "https://id.example.com/jwks";
  const std::string good =
      R"({"iss":"https://id.example.com","aud":"client","sub":"s","nonce":"nonce",)"
      R"("iat":1800000000,"exp":1800000600})";
  {
    fuzz::PartsPort port({key.jwks});
    require(!oauth::verify_id_token(port, url, fuzz::secret(text), expected));
  }
  {
    fuzz::PartsPort port({text});
    // The key is of this process: no text has it.
    require(!oauth::verify_id_token(port, url, fuzz::secret(key.token(good)), expected));
  }
  fuzz::PartsPort port({key.jwks});
  const auto identity = oauth::verify_id_token(port, url, fuzz::secret(key.token(text)), expected);
  if (identity) {
    require(identity->issuer == expected.issuer && !identity->subject.empty());
    fuzz::require_printable(identity->subject, 255);
    fuzz::require_printable(identity->email, 320);
    require(text.find("client") != std::string::npos);
  } else {
    require(text != good);
  }
  return 0;
}
