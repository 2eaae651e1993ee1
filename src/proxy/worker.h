#pragma once
// Worker: the state that all sessions of one grant share: its upstream connections, its opened
// credentials, the policy that it is under. No locks: everything here is touched by the server's
// thread only. A run has one worker; `serve` has one for each token and vault in use, and one in
// whose care connections are until they have shown a token (tenants.h). What one agent opened,
// another never meets.

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/connector.h"
#include "proxy/credential_resolver.h"
#include "proxy/deadline.h"
#include "proxy/fault.h"
#include "proxy/io.h"
#include "proxy/proxy_server.h"
#include "proxy/server_state.h"
#include "proxy/upstream_pool.h"

namespace av::proxy {

class PolicyGate;
class Session;
class Tenants;
struct ShownToken;

// Why the grant of a worker is not valid any more. A run's own end is not among the reasons: its
// port ends with it.
enum class GrantEnd : std::uint8_t { kNone, kRevoked, kExpired };

struct Worker {
  Worker(ServerState& shared, SessionGrant session_grant)
      : state(shared),
        io(shared.io),
        options(shared.options),
        audit(shared.audit),
        clock(shared.clock),
        grant(std::move(session_grant)),
        connector(shared.io.get_executor(), deadlines, connector_options(shared)),
        pool(shared.io.get_executor(), deadlines, connector),
        resolver(shared.options.tokens.get(), shared.guards) {
    for (const Endpoint& own : shared.own_listeners) {
      connector.add_own_listener(own);
    }
    deadlines.tick(clock.steady());
  }

  static ConnectorOptions connector_options(const ServerState& shared) {
    ConnectorOptions out;
    out.net = shared.options.net;
    out.roots = shared.roots;
    out.egress = shared.options.egress;
    out.connect_timeout = shared.options.connect_timeout;
    return out;
  }

  ServerState& state;
  asio::io_context& io;
  const ProxyOptions& options;
  vault::AuditLog& audit;
  const Clock& clock;
  SessionGrant grant;
  DeadlineList deadlines;
  Connector connector;
  UpstreamPool pool;
  CredentialResolver resolver;
  // Replaced by publish(); an exchange keeps the pair that it began with.
  vault::SnapshotPtr snapshot;
  std::shared_ptr<const vault::KeyRing> key_ring;
  // Where a connection goes that shows a token: null for a worker whose own grant it must show.
  Tenants* tenants = nullptr;
  // All of its connections: they are told when draining begins.
  std::list<Session*> open_sessions;
  // Requests that wait for a human, by the id that the human sees.
  std::map<std::string, PolicyGate*> waiting;
  GrantEnd grant_end = GrantEnd::kNone;

  // What a new snapshot changes.
  void set_policy(vault::SnapshotPtr new_snapshot, std::shared_ptr<const vault::KeyRing> ring);
  // Whether what stands behind the token of this grant names its vault.
  [[nodiscard]] std::optional<Fault> check_vault(const ShownToken& shown) const;
  // More of what the child holds; what an exchange looks at stays where it is.
  void know_placeholders(std::shared_ptr<const vault::PlaceholderIndex> all);
  // Several times a second.
  void tick();
  // Looks whether the grant still holds by the snapshot and the clock. When it has just ended,
  // everything is cut: what the clients and the upstreams have open, exchanges, WebSockets, streams
  // of HTTP/2. Not from a coroutine of a session.
  void check_grant();
  // The same for a grant that was taken away as a whole.
  void revoke();

 private:
  void end_grant(GrantEnd why);
  std::vector<std::shared_ptr<const vault::PlaceholderIndex>> earlier_placeholders_;
};

}  // namespace av::proxy
