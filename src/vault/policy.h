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
#include "vault/canonical.h"
#include "vault/matcher.h"
#include "vault/placeholder_index.h"
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
};

// Everything that deciding and injecting needs, read from the store in one transaction. A change in
// the store makes a new snapshot; exchanges keep the one that they began with.
struct PolicySnapshot {
  std::string vault_name;
  std::string vault_uid;
  UnmatchedPolicy unmatched = UnmatchedPolicy::kPassthrough;
  Matcher matcher;
  PlaceholderIndex placeholders;  // declared by the services
  std::map<std::string, SealedCredential, std::less<>> credentials;
  std::uint64_t generation = 0;  // differs between any two snapshots of one process

  // Compiles what depends on the services.
  void set_services(std::vector<Service> services);
};
using SnapshotPtr = std::shared_ptr<const PolicySnapshot>;

// Who is asking: set by the authenticator from the token.
struct Principal {
  std::string agent;   // name of the agent, or "" for an anonymous run
  std::string run_id;  // the run or session
};

class AllowedRequest;

struct Deny {
  enum class Reason : std::uint8_t {
    kUnmatchedHost,
    kServiceDisabled,
    // Servers that merge "//" or drop ";parameters" would read a path of another service.
    kAmbiguousPath,
  };
  Reason reason = Reason::kUnmatchedHost;
  std::string service;  // when one matched
};

// `unmatched` overrides the snapshot's own policy for hosts without a service.
class Policy {
 public:
  [[nodiscard]] static std::variant<AllowedRequest, Deny> decide(
      SnapshotPtr snapshot, const Principal& principal, RequestIdentity identity,
      std::optional<UnmatchedPolicy> unmatched = std::nullopt);
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
  [[nodiscard]] const PolicySnapshot& snapshot() const { return *snapshot_; }

 private:
  friend class Policy;
  AllowedRequest(SnapshotPtr snapshot, RequestIdentity identity, const Service* service)
      : snapshot_(std::move(snapshot)), identity_(std::move(identity)), service_(service) {}
  SnapshotPtr snapshot_;
  RequestIdentity identity_;
  const Service* service_;
};

}  // namespace av::vault
