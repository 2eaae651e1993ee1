#include "source/enc_string.h"

#include <openssl/evp.h>

#include <array>
#include <optional>

#include "core/crypto.h"
#include "core/encoding.h"
#include "core/ossl.h"
#include "source/keyed_hash.h"
#include "source/ours.h"

namespace av::source {
namespace {

constexpr std::size_t kMostText = std::size_t{512} << 10;
constexpr std::size_t kBlock = 16;

const std::uint8_t* as_bytes(std::string_view s) {
  return reinterpret_cast<const std::uint8_t*>(s.data());
}

Failure malformed(const char* why) {
  return failure(Failure::Why::kMalformed, std::string("what Bitwarden keeps sealed ") + why);
}

std::optional<crypto::Bytes> decoded(std::string_view text) {
  crypto::Bytes out(encoding::base64_decoded_bound(text.size()));
  const auto size = encoding::from_base64(text, out);
  if (!size) {
    return std::nullopt;
  }
  out.resize(*size);
  return out;
}

std::string_view as_text(const crypto::Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Nothing when there are not three of them.
std::optional<std::array<crypto::Bytes, 3>> parts_of(std::string_view text) {
  std::array<crypto::Bytes, 3> out;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t bar = text.find('|');
    if ((bar == std::string_view::npos) != (i + 1 == out.size())) {
      return std::nullopt;
    }
    auto part = decoded(text.substr(0, bar));
    if (!part) {
      return std::nullopt;
    }
    out[i] = std::move(*part);
    text.remove_prefix(bar == std::string_view::npos ? text.size() : bar + 1);
  }
  return out;
}

Result<Secret> decrypted(std::string_view key, const crypto::Bytes& iv,
                         const crypto::Bytes& ciphertext) {
  AV_TRY(Secret out, ours(Secret::with_size(ciphertext.size() + kBlock)));
  const ossl::CipherCtx ctx(EVP_CIPHER_CTX_new());
  int first = 0;
  int last = 0;
  if (ctx == nullptr ||
      EVP_DecryptInit_ex(ctx.get(), EVP_aes_256_cbc(), nullptr, as_bytes(key), iv.data()) != 1 ||
      EVP_DecryptUpdate(ctx.get(), out.writable().data(), &first, ciphertext.data(),
                        static_cast<int>(ciphertext.size())) != 1 ||
      EVP_DecryptFinal_ex(ctx.get(), out.writable().data() + first, &last) != 1) {
    static_cast<void>(ossl::drain_errors());
    return malformed("is not padded as it must be");
  }
  out.truncate(static_cast<std::size_t>(first + last));
  return out;
}

}  // namespace

Result<Secret> open_enc_string(const Secret& key, std::string_view text) {
  if (key.size() != kEncKeySize || text.size() > kMostText) {
    return malformed("is too long, or its key has the wrong size");
  }
  if (text.size() < 2 || text[1] != '.') {
    return malformed("is not an EncString");
  }
  if (text[0] != '2') {
    return malformed("is of a kind that is not known here: only AES-256-CBC with HMAC is");
  }
  const auto parts = parts_of(text.substr(2));
  if (!parts) {
    return malformed("is not an EncString");
  }
  const crypto::Bytes& iv = (*parts)[0];
  const crypto::Bytes& ciphertext = (*parts)[1];
  const crypto::Bytes& mac = (*parts)[2];
  if (iv.size() != kBlock || mac.size() != 32 || ciphertext.empty() ||
      ciphertext.size() % kBlock != 0) {
    return malformed("has parts of the wrong size");
  }
  return key.reveal([&](std::string_view bytes) -> Result<Secret> {
    crypto::Bytes message = iv;
    message.insert(message.end(), ciphertext.begin(), ciphertext.end());
    AV_TRY(const Secret expected,
           ours(hmac(HashKind::kSha256, bytes.substr(32), as_text(message))));
    const bool same = expected.reveal(
        [&](std::string_view own) { return crypto::constant_time_equal(own, as_text(mac)); });
    if (!same) {
      return malformed("does not authenticate: it is damaged, or of another key");
    }
    return decrypted(bytes.substr(0, 32), iv, ciphertext);
  });
}

Expected<Secret> shareable_key(const Secret& secret, std::string_view name, std::string_view info) {
  AV_TRY(const Secret extracted, secret.reveal([&](std::string_view bytes) {
    return hmac(HashKind::kSha256, "bitwarden-" + std::string(name), bytes);
  }));
  return hkdf_expand(extracted, info, kEncKeySize);
}

}  // namespace av::source
