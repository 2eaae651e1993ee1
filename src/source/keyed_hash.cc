#include "source/keyed_hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "core/ossl.h"

namespace av::source {
namespace {

const EVP_MD* digest_of(HashKind hash) {
  switch (hash) {
    case HashKind::kSha1:
      return EVP_sha1();
    case HashKind::kSha256:
      return EVP_sha256();
    case HashKind::kSha512:
      return EVP_sha512();
  }
  return nullptr;
}

constexpr std::size_t kBlock = 32;

}  // namespace

Expected<Secret> hmac(HashKind hash, std::string_view key, std::string_view message) {
  const EVP_MD* const digest = digest_of(hash);
  AV_TRY(Secret out, Secret::with_size(static_cast<std::size_t>(EVP_MD_get_size(digest))));
  unsigned size = 0;
  if (HMAC(digest, key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(message.data()), message.size(),
           out.writable().data(), &size) == nullptr ||
      size != out.size()) {
    return ossl::error("cannot compute an HMAC");
  }
  return out;
}

Expected<Secret> hmac(HashKind hash, const Secret& key, std::string_view message) {
  return key.reveal([&](std::string_view bytes) { return hmac(hash, bytes, message); });
}

Expected<Secret> hkdf_expand(const Secret& key, std::string_view info, std::size_t size) {
  if (size > 255 * kBlock) {
    return make_error(ErrorCode::kInternal, "HKDF cannot make so much");
  }
  SecretBuffer out;
  Secret block;
  for (char counter = 1; out.size() < size; ++counter) {
    SecretBuffer message;
    message.append(block);
    message.append(info);
    message.push_back(counter);
    AV_TRY(block, hmac(HashKind::kSha256, key, message.view()));
    out.append(block);
  }
  out.truncate(size);
  return out.to_secret();
}

}  // namespace av::source
