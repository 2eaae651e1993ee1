#pragma once
// What the API is told about the process that it is part of.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/rule_explanation.h"
#include "api/store_port.h"
#include "api/user_directory.h"
#include "core/clock.h"
#include "core/fs.h"
#include "oauth/http_port.h"
#include "store/store.h"
#include "vault/audit.h"
#include "vault/limits.h"
#include "vault/oauth_refresh.h"
#include "vault/user.h"

namespace av::api {

// Figures of the data plane in Prometheus' text form; called on the API's thread.
class MetricsSource {
 public:
  virtual ~MetricsSource() = default;
  [[nodiscard]] virtual std::string metrics() = 0;
};

// An issuer of identities by which people sign in (OpenID Connect).
struct SignInOptions {
  std::string name;    // on the button: "Google"
  std::string issuer;  // https; its metadata say the rest
  std::string client_id;
  std::shared_ptr<const Secret> client_secret;  // null: a public client
  // Who may come in at all; both empty: whoever has an account or an invite. Canonical.
  std::vector<std::string> allowed_domains;
  std::vector<std::string> allowed_emails;
  // Whoever is allowed and has no account gets one; none: only existing users and invites.
  std::optional<vault::InstanceRole> auto_create;
};

enum class Mode : std::uint8_t { kServe, kRun };

struct ApiOptions {
  Mode mode = Mode::kServe;
  // What people and agents reach the API by: "http://127.0.0.1:14321", without a slash at the end.
  // Links are made of it. Its host and those in `other_urls` may be in `Host`, they themselves in
  // `Origin`.
  std::string base_url;
  std::vector<std::string> other_urls;
  std::uint16_t api_port = 0;
  std::uint16_t proxy_port = 0;
  // What agents reach the proxy by; "http://127.0.0.1:14322". Empty: the host of base_url.
  std::string proxy_url;
  std::string run_vault;  // Mode::kRun: the run's own
  // The certificate of the CA that signs what the proxy shows; empty when there is none. Called on
  // the API's thread.
  std::function<std::string()> ca_pem;
  std::string skill_text;
  // Returns when the proxy goes by what is in the store now. Called on the API's thread before an
  // answer that tells of a change, so that what the client does next meets the new state.
  std::function<void()> settle;
  MetricsSource* metrics = nullptr;            // may be null; must outlive the API
  vault::AuditLog* audit = nullptr;            // only used on the API's thread; must outlive it
  const Clock* clock = nullptr;                // must outlive the API
  std::shared_ptr<vault::LimitLedger> limits;  // may be null: rule tests do not know the counts
  Denial denial;                               // proxy::denial_fault, for rule tests; may be empty
  fs::Paths paths;                             // of the store, for its audit log
  // How providers of tokens are reached; called on threads of the API's. Empty: they are not.
  std::function<Expected<std::unique_ptr<oauth::HttpPort>>()> provider_http;
  // Has a new access token made now, as proxy::TokenSource does; may be empty.
  std::function<void(const vault::TokenName& name, std::uint64_t known,
                     std::function<void(vault::RefreshResult)> done)>
      refresh_token;
  std::optional<SignInOptions> sign_in;
  // How external stores are reached; null: they are not. Must outlive the API.
  StorePort* stores = nullptr;
  // Whose pages may read answers, beside our own: exact origins (see cors.h).
  std::vector<std::string> cors_origins;
  // People; null: there are none.
  std::function<std::unique_ptr<UserDirectory>(store::Store&)> users;
};

}  // namespace av::api
