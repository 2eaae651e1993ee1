#include "vault/password.h"

#include <string>

namespace av::vault {
namespace {

constexpr std::size_t kSaltSize = 16;

std::string_view view(const crypto::Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Status check_password(const Secret& password) {
  if (password.size() < kMinPassword || password.size() > kMaxPassword) {
    return make_error(ErrorCode::kInvalid,
                      "a password has " + std::to_string(kMinPassword) + " to " +
                          std::to_string(kMaxPassword) + " bytes",
                      "several words make a good one");
  }
  return {};
}

Expected<crypto::Bytes> PasswordHasher::compute(const Secret& password, const crypto::Bytes& salt,
                                                const crypto::Argon2Params& params) const {
  computed_.fetch_add(1);
  AV_TRY(const Secret key, crypto::argon2id(password, salt, params));
  return key.reveal(
      [](std::string_view bytes) { return crypto::Bytes(bytes.begin(), bytes.end()); });
}

Expected<PasswordHash> PasswordHasher::hash(const Secret& password) const {
  AV_CHECK(check_password(password));
  PasswordHash made;
  made.params = params_;
  made.salt.resize(kSaltSize);
  crypto::random_bytes(made.salt);
  AV_TRY(made.hash, compute(password, made.salt, params_));
  return made;
}

Expected<bool> PasswordHasher::verify(const Secret& password, const PasswordHash* known) const {
  static const crypto::Bytes kNoSalt(kSaltSize, 0);
  const bool there = known != nullptr && known->salt.size() == kSaltSize;
  AV_TRY(const crypto::Bytes computed,
         compute(password, there ? known->salt : kNoSalt, there ? known->params : params_));
  return there && crypto::constant_time_equal(view(computed), view(known->hash));
}

}  // namespace av::vault
