#pragma once
// Call: one request of the API on its way through router and handler, on the API's thread.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/actor.h"
#include "api/container_sessions.h"
#include "api/flow_table.h"
#include "api/json_view.h"
#include "api/options.h"
#include "api/provider_pool.h"
#include "api/query.h"
#include "api/rate_limiter.h"
#include "api/reply.h"
#include "api/store_pool.h"
#include "oauth/provider.h"
#include "proxy/api_handler.h"
#include "vault/audit_action.h"

namespace av::api {

// What the issuer of identities says about itself, asked for when somebody signs in.
struct IssuerCache {
  std::optional<oauth::Discovered> known;
  std::chrono::steady_clock::time_point until;
  int asking = 0;  // under way
};

// What all calls share. Belongs to the API's thread.
class Shared final : public vault::ActionLog {
 public:
  Shared(std::unique_ptr<store::Store> opened, ApiOptions given);
  Status audit(vault::AuditRecord record) override;
  [[nodiscard]] std::uint64_t next_action() override { return ++actions_; }

  ApiOptions options;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<UserDirectory> users;
  RateLimiter limiter;
  ContainerSessions containers;
  FlowTable flows;
  ConnectionShelf shelf;
  ProviderPool providers;
  StorePool store_pool;
  IssuerCache issuer;
  // Who waits for something may be told of a change of our own, which the store's counter does not
  // show.
  bool changed = false;
  // The call that is being answered has changed something.
  bool unsettled = false;

 private:
  std::uint64_t actions_ = 0;
};

class Call {
 public:
  Call(Shared& shared, const proxy::ApiRequest& from) : request(from), shared_(shared) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const proxy::ApiRequest& request;
  Actor actor;
  std::vector<std::string> parts;  // what stood for {names}, in order, decoded
  Query query;

  [[nodiscard]] store::Store& store() { return *shared_.store; }
  [[nodiscard]] UserDirectory& users() { return *shared_.users; }
  [[nodiscard]] const ApiOptions& options() const { return shared_.options; }
  [[nodiscard]] std::int64_t now_ms() const { return shared_.options.clock->wall_ms(); }
  [[nodiscard]] RateLimiter& limiter() { return shared_.limiter; }
  [[nodiscard]] ContainerSessions& containers() { return shared_.containers; }
  [[nodiscard]] FlowTable& flows() { return shared_.flows; }
  [[nodiscard]] ConnectionShelf& shelf() { return shared_.shelf; }
  [[nodiscard]] ProviderPool& providers() { return shared_.providers; }
  [[nodiscard]] StorePool& store_pool() { return shared_.store_pool; }
  [[nodiscard]] IssuerCache& issuer() { return shared_.issuer; }

  // The vault that is meant, which the actor may use: {v}, else ?vault=, else "vault" in the body,
  // else X-Vault, else the actor's own, else "default". Only for routes in a vault.
  [[nodiscard]] const std::string& vault() const { return vault_; }
  // What the actor is in it.
  [[nodiscard]] Role role() const { return role_; }
  // What the actor is in some vault; kNone also when there is no such vault.
  [[nodiscard]] Expected<Role> role_in(std::string_view vault);

  // The body, an object: kInvalid when it is none. An empty body is an empty object.
  [[nodiscard]] Expected<JsonView> body();
  // A string member, or why there is none.
  [[nodiscard]] Expected<std::string> text(std::string_view name);
  // The same; `otherwise` when it is absent or null.
  [[nodiscard]] Expected<std::string> text_or(std::string_view name, std::string_view otherwise);
  [[nodiscard]] Expected<std::int64_t> number_or(std::string_view name, std::int64_t least,
                                                 std::int64_t most, std::int64_t otherwise);
  [[nodiscard]] Expected<bool> flag_or(std::string_view name, bool otherwise);
  // An array of strings, none when it is absent.
  [[nodiscard]] Expected<std::vector<std::string>> texts(std::string_view name);

  // A record that names who does it; `detail` names what is changed, never a value.
  [[nodiscard]] vault::AuditRecord action(std::string_view event, std::string_view detail = {},
                                          std::vector<std::string> credentials = {}) const;
  // Does `body` (which returns an Expected) between two records on the log.
  template <typename F>
  std::invoke_result_t<F> audited(vault::AuditRecord record, F&& body) {
    shared_.changed = true;
    shared_.unsettled = true;
    return vault::audited(shared_, std::move(record), std::forward<F>(body));
  }
  // The second half of audited(), for what takes longer than one call: note_intention() was its
  // first.
  template <typename F>
  std::invoke_result_t<F> completed(vault::AuditRecord record, F&& body) {
    shared_.changed = true;
    shared_.unsettled = true;
    std::invoke_result_t<F> result = std::forward<F>(body)();
    const Status noted =
        vault::note_outcome(shared_, std::move(record), result ? nullptr : &result.error());
    if (result && !noted) {
      return noted.error();
    }
    return result;
  }
  [[nodiscard]] vault::ActionLog& log() { return shared_; }

  // The URL under which the client knows the API: its own Host where that is one of ours.
  [[nodiscard]] std::string base_url() const;

 private:
  friend class Router;
  Shared& shared_;
  std::string vault_;
  Role role_ = Role::kNone;
  std::optional<JsonDocument> document_;
  bool read_ = false;
};

}  // namespace av::api
