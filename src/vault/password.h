#pragma once
// Passwords of users: Argon2id (RFC 9106), each hash with its own salt and the parameters that made
// it. A hash takes a tenth of a second and 64 MiB: who calls this bounds how many run at one time.

#include <atomic>
#include <cstdint>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/secret.h"

namespace av::vault {

struct PasswordHash {
  crypto::Argon2Params params;
  crypto::Bytes salt;
  crypto::Bytes hash;
};

inline constexpr std::size_t kMinPassword = 8;
inline constexpr std::size_t kMaxPassword = 1024;
// kInvalid: shorter or longer than these, in bytes. Nothing is said of what it is made of.
[[nodiscard]] Status check_password(const Secret& password);

// Any thread. Tests give cheap parameters.
class PasswordHasher {
 public:
  static constexpr crypto::Argon2Params kParams{3, 64 * 1024, 1};
  explicit PasswordHasher(crypto::Argon2Params params = kParams) : params_(params) {}

  [[nodiscard]] Expected<PasswordHash> hash(const Secret& password) const;
  // Whether it is the one that `known` was made of. Null: there is no such account, or it has no
  // password; that costs what a wrong password costs and is false.
  [[nodiscard]] Expected<bool> verify(const Secret& password, const PasswordHash* known) const;

  // How often Argon2id was computed: what tests look at in place of a clock.
  [[nodiscard]] std::uint64_t computed() const { return computed_.load(); }

 private:
  [[nodiscard]] Expected<crypto::Bytes> compute(const Secret& password, const crypto::Bytes& salt,
                                                const crypto::Argon2Params& params) const;
  crypto::Argon2Params params_;
  mutable std::atomic<std::uint64_t> computed_{0};
};

}  // namespace av::vault
