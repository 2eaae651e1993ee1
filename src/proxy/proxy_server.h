#pragma once
// ProxyServer: listeners, one thread, and what is published to it. The composition roots make one:
// cmd/run for the grant of its run, cmd/serve for all that have a token.
//
// start(), publish() and stop() belong to the thread that owns the object; everything else happens
// on the server's, which shares nothing mutable with it.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/expected.h"
#include "core/fs.h"
#include "core/ossl.h"
#include "proxy/certificate_authority.h"
#include "proxy/egress_proxy.h"
#include "proxy/local_login.h"
#include "proxy/net_guard.h"
#include "proxy/value_source.h"
#include "vault/approval.h"
#include "vault/audit.h"
#include "vault/key_ring.h"
#include "vault/lanes.h"
#include "vault/limits.h"
#include "vault/placeholder_index.h"
#include "vault/policy.h"

namespace av::proxy {

class ApiHandler;
class LoginKeeper;
class Metrics;
class TenantPlan;
class TokenSource;

struct ProxyOptions {
  std::vector<UniqueFd> listeners;      // bound and listening sockets, non-blocking
  std::vector<UniqueFd> api_listeners;  // the same, for requests to the broker itself only
  // Of a run with a network of its own, where whoever connects is of the run: listeners for what a
  // program takes for the server itself, and for ssh; and the socket of the name server.
  std::vector<UniqueFd> direct_listeners;
  std::vector<UniqueFd> ssh_listeners;
  UniqueFd names;
  // Who answers requests to the broker itself; null: nobody.
  std::shared_ptr<ApiHandler> api;
  // The context for TLS on the API's listeners, asked for each connection on the server's thread;
  // null from it ends the connection. Empty: in clear.
  std::function<SSL_CTX*()> api_tls;
  std::shared_ptr<Metrics> metrics;  // null: nobody looks
  NetOptions net;                    // --resolve, --allow-net
  std::vector<std::string> upstream_ca_files;
  std::shared_ptr<const EgressOptions> egress;  // the user's own proxy; null: none
  std::optional<vault::UnmatchedPolicy> unmatched_override;
  Millis connect_timeout{10'000};
  Millis header_timeout{300'000};
  Millis idle_timeout{120'000};
  std::shared_ptr<vault::LimitLedger> limits;      // null: what is limited is refused
  std::shared_ptr<vault::ApprovalDesk> approvals;  // null: what must be approved is refused
  std::shared_ptr<vault::LaneKeeper> lanes;        // null: an agent with a limit is refused
  std::shared_ptr<ValueSource> values;             // null: nothing is kept elsewhere
  std::shared_ptr<TokenSource> tokens;             // null: access tokens are used until they end
  std::shared_ptr<LoginKeeper> logins;             // null: programs' own logins pass like anything
};

// The token that the child presents, and who it stands for. Only the hash is kept.
struct SessionGrant {
  crypto::Digest token_hash{};
  vault::Principal principal;
  // When the agent's token was made, for a run of an agent: a newer one ends the grant.
  std::int64_t agent_rotated_ms = 0;
  std::int64_t expires_ms = 0;  // wall clock; 0: with the run
  // What the child of a run was told that its vault is called; it may have a new name by now.
  std::string vault;
  // What the child was given instead of values; null: nothing.
  std::shared_ptr<const vault::PlaceholderIndex> placeholders;
  std::vector<LocalLogin> logins;  // token endpoints that are answered here
};

class ProxyServer {
 public:
  static Expected<std::unique_ptr<ProxyServer>> start(
      ProxyOptions options, std::shared_ptr<const CertificateAuthority> authority,
      SessionGrant grant, vault::SnapshotPtr snapshot,
      std::shared_ptr<const vault::KeyRing> key_ring, vault::AuditLog& audit, const Clock& clock);
  // For all that are in `plan`, each under its own grant and policy.
  static Expected<std::unique_ptr<ProxyServer>> start_shared(
      ProxyOptions options, std::shared_ptr<const CertificateAuthority> authority,
      std::shared_ptr<const TenantPlan> plan, vault::AuditLog& audit, const Clock& clock);
  ~ProxyServer();  // stops

  // Takes effect for exchanges that begin a moment later: the worker takes it between two steps of
  // what it is doing. Where the grant's agent is not in it any more,
  // or has got a new token, every connection is cut and new ones are refused.
  void publish(vault::SnapshotPtr snapshot, std::shared_ptr<const vault::KeyRing> key_ring);
  // The same on a server of many: who is not in the plan any more is cut.
  void publish(std::shared_ptr<const TenantPlan> plan);
  // Refuses new work, gives running exchanges `grace`, closes everything, joins the worker.
  void stop(Millis grace = Millis{0});

 private:
  struct Impl;
  explicit ProxyServer(std::unique_ptr<Impl> impl);
  static Expected<std::unique_ptr<ProxyServer>> run(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace av::proxy
