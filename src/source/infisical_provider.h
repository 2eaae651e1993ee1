#pragma once
// InfisicalProvider: the secrets of one project of Infisical, in the cloud or self-hosted, for a
// machine identity. By the API as documented for Infisical 0.140 and later: secrets by
// /api/v4/secrets, and by /api/v3/secrets/raw of servers that do not know that yet.
//
// It reads only. Dynamic secrets are leased by fetch() and by nothing else.

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "source/infisical_reference.h"
#include "source/kinds.h"
#include "source/login_cell.h"
#include "source/ports.h"
#include "source/provider.h"
#include "source/rest.h"
#include "vault/external.h"

namespace av::source {

extern const Kind kInfisical;

struct InfisicalSettings {
  std::string url;
  bool kubernetes = false;  // else universal auth
  std::string client_id;    // of universal auth
  std::string identity_id;  // of Kubernetes
  std::string token_file;   // of Kubernetes, read again for each login
  std::string project;      // id
  std::string slug;         // of the project; empty: asked for when a dynamic secret needs it
  std::string environment;
  std::string folder;     // "a/b", or empty: what references are below
  std::string lease_ttl;  // "1h"; empty: the dynamic secret's own
};

class InfisicalProvider final : public Provider {
 public:
  InfisicalProvider(InfisicalSettings settings, vault::StoreSecrets secrets, const Ports& ports);

  Result<About> pair() override { return test(); }
  Result<About> test() override;
  Result<Record> fetch(const std::string& item) override;
  Result<Lease> renew(const Lease& lease) override;
  Result<void> revoke(const Lease& lease) override;
  Result<std::vector<Listed>> list(const std::string& reference) override;
  Result<void> disconnect() override;

 private:
  struct Answered {
    RestAnswer answer;
    LoginCell::Held token;
  };
  // Where something lies, as the API wants it.
  struct Place {
    std::string environment;
    std::string path;  // "/a/b"
  };

  [[nodiscard]] static bool is_unknown_route(const RestAnswer& answer);
  [[nodiscard]] Result<LoginToken> log_in() const;
  [[nodiscard]] Result<Answered> ask(std::string_view method, const std::string& target,
                                     const std::string& body = {});
  [[nodiscard]] Result<RestAnswer> send(std::string_view method, const std::string& target,
                                        const LoginToken& token, const std::string& body) const;
  [[nodiscard]] Failure failure_of(const Answered& got, const std::string& what) const;
  [[nodiscard]] Place place_of(const InfisicalItem& item) const;
  // The project's description; an older server's under its older name.
  [[nodiscard]] Result<Answered> ask_project(std::string_view& member);
  [[nodiscard]] Result<std::string> slug();
  [[nodiscard]] Result<Record> fetch_secret(const InfisicalItem& item);
  [[nodiscard]] Result<Record> fetch_dynamic(const InfisicalItem& item);
  [[nodiscard]] std::string query_of(const Place& place) const;
  [[nodiscard]] Result<std::int64_t> life_of(const RestAnswer& answer) const;
  // The JSON of a request about leases; nothing in it is a secret.
  [[nodiscard]] Result<std::string> lease_body(const Place& place, const std::string& name);

  const Clock& clock_;
  const InfisicalSettings settings_;
  const vault::StoreSecrets secrets_;
  Rest rest_;
  LoginCell cell_;
  std::atomic<bool> old_api_{false};
  std::mutex mutex_;
  std::string slug_;
};

}  // namespace av::source
