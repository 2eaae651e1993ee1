#pragma once
// HashiLogin: how one paired Vault is logged in to: by a token, AppRole, Kubernetes or JWT. Makes
// and renews tokens, and unwraps at pairing what was handed over wrapped.
//
// Thread-safe.

#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "source/hashi_client.h"
#include "source/login_cell.h"
#include "source/ports.h"
#include "vault/external.h"

namespace av::source {

enum class HashiAuth : std::uint8_t { kToken, kAppRole, kKubernetes, kJwt };

struct HashiLoginSettings {
  HashiAuth auth = HashiAuth::kToken;
  std::string mount;       // "approle"
  std::string role;        // of Kubernetes and JWT
  std::string role_id;     // of AppRole
  std::string token_file;  // of Kubernetes and JWT, read again for each login
};

class HashiLogin {
 public:
  HashiLogin(const HashiClient& client, const Clock& clock, HashiLoginSettings settings,
             vault::StoreSecrets secrets, std::function<Status(const vault::StoreSecrets&)> keep);

  // Once, when the store is paired: unwraps, and keeps what was inside. Nothing to do without a
  // wrapped secret. kDenied: somebody else may have unwrapped it.
  [[nodiscard]] Result<void> unwrap();
  // For LoginCell.
  [[nodiscard]] Result<LoginToken> make(const LoginToken* before) const;
  // A token that we cannot make again.
  [[nodiscard]] bool given() const { return settings_.auth == HashiAuth::kToken; }
  [[nodiscard]] std::string_view method() const;
  [[nodiscard]] const HashiLoginSettings& settings() const { return settings_; }

 private:
  [[nodiscard]] Result<Secret> secret(std::string_view name) const;
  [[nodiscard]] Result<Secret> assertion() const;
  [[nodiscard]] Result<LoginToken> look_up_given() const;
  [[nodiscard]] Result<LoginToken> log_in() const;
  [[nodiscard]] Result<LoginToken> renewed(const LoginToken& before) const;
  [[nodiscard]] Result<RestAnswer> ask_to_log_in() const;
  [[nodiscard]] Result<void> check_wrapped(const Secret& wrapped) const;
  [[nodiscard]] bool may_wrap(std::string_view creation_path) const;

  const HashiClient& client_;
  const Clock& clock_;
  const HashiLoginSettings settings_;
  std::function<Status(const vault::StoreSecrets&)> keep_;
  mutable std::mutex mutex_;
  vault::StoreSecrets secrets_;
};

}  // namespace av::source
