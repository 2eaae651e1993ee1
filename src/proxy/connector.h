#pragma once
// Connector: from an allowed request to a connection that it may be sent on. Directly: name ->
// checked addresses -> TCP -> verified TLS; or through the user's own proxy. Takes nothing less
// than a ConnectTarget: a connection is made for a request that policy has allowed. Belongs to
// one worker.

#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "proxy/connect_target.h"
#include "proxy/egress_proxy.h"
#include "proxy/egress_tunnel.h"
#include "proxy/fault.h"
#include "proxy/happy_eyeballs.h"
#include "proxy/io.h"
#include "proxy/net_guard.h"
#include "proxy/resolver.h"
#include "proxy/upstream.h"
#include "proxy/upstream_tls.h"

namespace av::proxy {

struct ConnectorOptions {
  NetOptions net;
  std::vector<std::string> upstream_ca_files;
  std::shared_ptr<UpstreamRoots> roots;         // null: made of upstream_ca_files
  std::shared_ptr<const EgressOptions> egress;  // null: always directly
  // Once for looking a name up, and once for everything after it: TCP, proxy, TLS.
  Millis connect_timeout{10'000};
  Millis attempt_delay = kAttemptDelay;
};

class Connector {
 public:
  // `resolver`: null for the system's.
  Connector(Executor executor, DeadlineList& deadlines, ConnectorOptions options,
            std::unique_ptr<NameResolver> resolver = nullptr);

  // What `target` views must outlive the call. The protocol that the server chose is in the
  // connection.
  Awaitable<Outcome<UpstreamPtr>> connect(ConnectTarget target, AlpnOffer offer);

  // A port of the broker's own, which no request may lead back to.
  void add_own_listener(const Endpoint& listener) { guard_.add_own_listener(listener); }
  // Name look-ups that a blocking resolver is still busy with.
  [[nodiscard]] int resolving() const { return resolver_->pending(); }
  // Forgets private keys that are not used any more.
  void sweep(std::int64_t now_ms) { tls_.sweep(now_ms); }
  [[nodiscard]] const TlsSessionCache& sessions() const { return tls_.sessions(); }

 private:
  using Endpoints = std::vector<Endpoint>;
  Awaitable<Outcome<std::vector<IpAddress>>> addresses_of(const std::string& host);
  Awaitable<Outcome<Endpoints>> checked_endpoints(const vault::Authority& authority);
  Outcome<Endpoints> overridden(const ResolveOverride& entry) const;
  Awaitable<Outcome<UpstreamPtr>> secure(UpstreamPtr connection, const ConnectTarget& target,
                                         AlpnOffer offer, ConnectBudget budget);
  Awaitable<Outcome<std::vector<TunnelTarget>>> tunnel_targets(const vault::Authority& authority,
                                                               const EgressProxy& proxy);
  Awaitable<Outcome<UpstreamPtr>> reach_proxy(const Endpoints& endpoints, const EgressProxy& proxy,
                                              ConnectBudget budget);
  Awaitable<Outcome<UpstreamPtr>> connect_through(const EgressProxy& proxy,
                                                  const ConnectTarget& target, AlpnOffer offer);

  Executor executor_;
  DeadlineList& deadlines_;
  ConnectorOptions options_;
  NetGuard guard_;
  std::unique_ptr<NameResolver> resolver_;
  TlsConnector tls_;
};

}  // namespace av::proxy
