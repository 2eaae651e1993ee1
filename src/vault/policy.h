#pragma once
// Policy: the decision about one request, from an immutable snapshot. Nothing here touches sockets,
// the database or a secret value.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/crypto.h"
#include "vault/agent.h"
#include "vault/approval.h"
#include "vault/canonical.h"
#include "vault/external.h"
#include "vault/limits.h"
#include "vault/matcher.h"
#include "vault/oauth_refresh.h"
#include "vault/placeholder_index.h"
#include "vault/rule_set.h"
#include "vault/service.h"

namespace av::vault {

enum class UnmatchedPolicy : std::uint8_t { kPassthrough, kDeny };
[[nodiscard]] std::string_view to_string(UnmatchedPolicy policy);
[[nodiscard]] std::optional<UnmatchedPolicy> unmatched_from_string(std::string_view text);

// A credential as the snapshot carries it: still sealed.
struct SealedCredential {
  std::string key;
  std::uint64_t version = 0;
  crypto::Bytes sealed;
  std::optional<TokenTimes> token;  // of an OAuth credential
  // Where it is kept when it is not kept here: `sealed` is empty then. The preferred store first.
  std::vector<SourceRef> sources = {};
  // Its last few values before this one, the oldest first: not used, but not to be shown either.
  struct Earlier {
    std::uint64_t version = 0;
    crypto::Bytes sealed;
  };
  std::vector<Earlier> earlier = {};
};

// Everything that deciding and injecting needs, read from the store in one transaction. A change in
// the store makes a new snapshot; exchanges keep the one that they began with.
struct PolicySnapshot {
  std::string vault_name;
  std::string vault_uid;
  UnmatchedPolicy unmatched = UnmatchedPolicy::kPassthrough;
  Matcher matcher;
  // What people's own stores have for hosts that no service covers; see host_mapping.h.
  Matcher mappings;
  std::optional<Service> any_host;  // what they have for every other host, by its name
  RuleSet rules;                    // the enabled ones
  PlaceholderIndex placeholders;    // declared by the services
  // Those that may act in this vault, by name; revoked ones are not there.
  std::map<std::string, Agent, std::less<>> agents;
  std::vector<ApprovalGrant> grants;  // not expired when it was read
  std::map<std::string, SealedCredential, std::less<>> credentials;
  std::uint64_t generation = 0;  // differs between any two snapshots of one process

  // Whether any credential is an access token.
  [[nodiscard]] bool has_tokens() const;
  // Whether any is kept elsewhere; and the paired stores, by uid, with how often each was paired.
  bool has_sources = false;
  std::map<std::string, std::uint64_t, std::less<>> stores;
  // Compile what depends on the services and on the rules.
  void set_services(std::vector<Service> services);
  void set_rules(std::vector<Rule> list) { rules = RuleSet(std::move(list)); }
};
using SnapshotPtr = std::shared_ptr<const PolicySnapshot>;

// Who is asking: set by the authenticator from the token.
struct Principal {
  std::string agent;      // name of the agent, or "" for a run without one
  std::string agent_uid;  // must be the one of that name in the snapshot
  std::string run_id;     // the run or session
};

// Whether the agent may use the service, and every credential that it names. Not for mappings; see
// Agent::may_use_mapping.
[[nodiscard]] bool in_scope(const Agent& agent, const Service& service);

class AllowedRequest;
class HeldRequest;

struct Deny {
  enum class Reason : std::uint8_t {
    kUnmatchedHost,
    kServiceDisabled,
    kServiceExpired,  // only a service whose time is over covers it
    kServiceUsedUp,   // all that it was allowed to serve has been served
    // Servers that merge "//" or drop ";parameters" would read a path of another service.
    kAmbiguousPath,
    kAgentRevoked,   // or deleted, or not of this vault any more
    kOutOfScope,     // the agent may not use the service, or a credential that it names
    kBlocked,        // by `rule`
    kRateLimited,    // by `rule`, or by the agent's own limit when that is empty
    kLimitsUnknown,  // the counters cannot be had: `detail`
  };
  Reason reason = Reason::kUnmatchedHost;
  std::string service;  // when one matched
  std::string rule;     // its name
  std::string words;    // the rule's reason for the agent
  std::string detail;
  // kBlocked: the rule has conditions on the body, which cannot be read.
  bool body_unreadable = false;
  // kRateLimited: when the window ends.
  std::int64_t retry_at_ms = 0;
};

// Whether some rule depends on the body, which decide() has not been given.
struct NeedsBody {};

using Decision = std::variant<AllowedRequest, Deny, NeedsBody, HeldRequest>;

// What decide() needs beyond the request.
struct PolicyInput {
  SnapshotPtr snapshot;
  const Principal* principal = nullptr;
  std::optional<UnmatchedPolicy> unmatched;  // overrides the snapshot's own
  LimitLedger* limits = nullptr;             // null: there are none, so what is limited is refused
  std::int64_t now_ms = 0;                   // wall clock
  bool counted = false;  // an earlier decision about this request has taken its limits
};

class Policy {
 public:
  // Without a `body` the answer may be NeedsBody, and no limit has been counted then; with one it
  // never is. A request that is held has been counted.
  [[nodiscard]] static Decision decide(const PolicyInput& input, RequestIdentity identity,
                                       const BodyView* body = nullptr);
};

// Proof that Policy said yes: nobody else can make one, and the injector takes nothing less.
class AllowedRequest {
 public:
  AllowedRequest(AllowedRequest&&) noexcept = default;
  AllowedRequest& operator=(AllowedRequest&&) noexcept = default;
  AllowedRequest(const AllowedRequest&) = delete;
  AllowedRequest& operator=(const AllowedRequest&) = delete;
  ~AllowedRequest() = default;

  [[nodiscard]] const RequestIdentity& identity() const { return identity_; }
  // Null when no service matched and the vault lets such traffic pass.
  [[nodiscard]] const Service* service() const { return service_; }
  // The one that decided; null when none matched.
  [[nodiscard]] const Rule* rule() const { return rule_; }
  [[nodiscard]] const PolicySnapshot& snapshot() const { return *snapshot_; }
  // The same request with nothing of what its service would put into it.
  [[nodiscard]] AllowedRequest without_service() && {
    service_ = nullptr;
    return std::move(*this);
  }

 private:
  friend class Policy;
  AllowedRequest(SnapshotPtr snapshot, RequestIdentity identity, const Service* service,
                 const Rule* rule)
      : snapshot_(std::move(snapshot)),
        identity_(std::move(identity)),
        service_(service),
        rule_(rule) {}
  SnapshotPtr snapshot_;
  RequestIdentity identity_;
  const Service* service_;
  const Rule* rule_;
};

// A request that would be allowed if a human said so. Only an answer of kAllowed turns it into an
// AllowedRequest.
class HeldRequest {
 public:
  // All that ask, in order; at least one.
  [[nodiscard]] const std::vector<const Rule*>& rules() const { return rules_; }
  [[nodiscard]] const AllowedRequest& request() const { return request_; }
  [[nodiscard]] std::optional<AllowedRequest> decided(ApprovalState answer) && {
    return answer == ApprovalState::kAllowed ? std::optional(std::move(request_)) : std::nullopt;
  }

 private:
  friend class Policy;
  HeldRequest(AllowedRequest request, std::vector<const Rule*> rules)
      : request_(std::move(request)), rules_(std::move(rules)) {}
  AllowedRequest request_;
  std::vector<const Rule*> rules_;
};

}  // namespace av::vault
