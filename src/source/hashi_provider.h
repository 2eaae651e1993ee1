#pragma once
// HashiProvider: secrets of one HashiCorp Vault or OpenBao. KV versions 1 and 2 are read as the
// `vault kv` command does; any other path is read as `vault read` does, and what Vault makes for us
// there comes with a lease.
//
// Only fetch() reads paths of secrets engines that are no KV: elsewhere that would make a
// credential that nobody asked for.

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "source/hashi_client.h"
#include "source/hashi_login.h"
#include "source/hashi_reference.h"
#include "source/kinds.h"
#include "source/login_cell.h"
#include "source/provider.h"

namespace av::source {

extern const Kind kHashi;

class HashiProvider final : public Provider {
 public:
  HashiProvider(std::string base, std::string name_space, HashiLoginSettings login,
                vault::StoreSecrets secrets, const Ports& ports);

  Result<About> pair() override;
  Result<About> test() override;
  Result<Record> fetch(const std::string& item) override;
  Result<Lease> renew(const Lease& lease) override;
  Result<void> revoke(const Lease& lease) override;
  Result<std::vector<Listed>> list(const std::string& reference) override;
  Result<void> disconnect() override;

 private:
  // A secrets engine, and what of a path stands behind its mount.
  struct Mount {
    std::string path;  // "team/kv/"
    bool kv = false;
    bool versioned = false;
    std::int64_t read_ms = 0;  // when this was learned
    bool operator==(const Mount& other) const {
      return path == other.path && kv == other.kv && versioned == other.versioned;
    }
  };
  // An answer, and the token that it was given to.
  struct Answered {
    RestAnswer answer;
    LoginCell::Held token;
  };

  [[nodiscard]] Result<Answered> ask(std::string_view method, const std::string& target,
                                     SecretBuffer (*body)(const std::string&),
                                     const std::string& argument);
  [[nodiscard]] Result<Answered> ask(std::string_view method, const std::string& target);
  [[nodiscard]] Result<bool> still_taken(const LoginToken& token, const RestAnswer& denial) const;
  [[nodiscard]] Result<Mount> mount_of(const std::string& path, bool& cached);
  [[nodiscard]] Result<Mount> learn_mount(const std::string& path);
  void forget_mount(const std::string& path);
  [[nodiscard]] Result<Record> read(const HashiItem& item, const Mount& mount);
  [[nodiscard]] Result<Record> read_kv2(const HashiItem& item, const RestAnswer& answer) const;
  [[nodiscard]] Result<Record> read_plain(const RestAnswer& answer, const Mount& mount,
                                          const LoginCell::Held& token);
  [[nodiscard]] std::optional<Lease> read_lease(const RestAnswer& answer,
                                                const LoginCell::Held& token);
  [[nodiscard]] std::int64_t within_token(std::int64_t life_ms, std::int64_t ends_ms) const;
  [[nodiscard]] Result<std::vector<Listed>> list_mounts();
  [[nodiscard]] Result<std::vector<Listed>> list_folder(const std::string& path,
                                                        const Mount& mount);
  [[nodiscard]] Result<std::vector<Listed>> list_fields(const std::string& path,
                                                        const Mount& mount);

  const Clock& clock_;
  HashiClient client_;
  HashiLogin login_;
  LoginCell cell_;
  std::mutex mutex_;
  std::map<std::string, Mount> mounts_;           // by path that was asked for
  std::map<std::string, std::uint64_t> parents_;  // lease -> serial of the token it hangs on
};

}  // namespace av::source
