#include "proxy/connector.h"

#include <algorithm>

#include "proxy/gateway_fault.h"

namespace av::proxy {
namespace {

// Addresses of one host that a proxy is asked for in turn.
constexpr std::size_t kMaxTunnelTargets = 4;

Fault not_allowed(std::string message, std::string help) {
  Fault fault;
  fault.status = 403;
  fault.code = "address_not_allowed";
  fault.message = std::move(message);
  fault.help = std::move(help);
  return fault;
}

Fault guard_fault(const std::string& host, const IpAddress& address) {
  const bool metadata = classify(address) == AddressClass::kMetadata;
  return not_allowed(
      host + " is at " + address.to_string() +
          (metadata ? ", a cloud metadata service" : ", which is not on the public internet"),
      "the owner of the vault can permit it: agent-vault run --allow-net " + address.to_string());
}

Fault own_listener_fault(const std::string& host) {
  return not_allowed(host + " leads back to this proxy", {});
}

// What went wrong on the way to the proxy, in terms of the proxy: the agent cannot do anything
// about it, and it is not the upstream that is down.
Fault proxy_unreachable(const EgressProxy& proxy, const Fault& fault) {
  if (fault.code == "trust_store") {
    return fault;
  }
  const std::string what = "the upstream proxy " + proxy.label() + ": " + fault.message;
  if (fault.status == 504) {
    return gateway_fault("egress_proxy_timeout", what, {}, true);
  }
  return gateway_fault(
      "egress_proxy_failed", what,
      fault.help.empty() ? "check --upstream-proxy, HTTPS_PROXY or the proxy itself" : fault.help,
      fault.transient);
}

}  // namespace

Connector::Connector(Executor executor, DeadlineList& deadlines, ConnectorOptions options,
                     std::unique_ptr<NameResolver> resolver)
    : executor_(executor),
      deadlines_(deadlines),
      options_(std::move(options)),
      guard_(options_.net),
      resolver_(std::move(resolver)),
      tls_(options_.roots != nullptr
               ? options_.roots
               : std::make_shared<UpstreamRoots>(options_.upstream_ca_files)) {
  if (resolver_ == nullptr) {
    resolver_ = std::make_unique<SystemResolver>(executor);
  }
}

Awaitable<Outcome<std::vector<IpAddress>>> Connector::addresses_of(const std::string& host) {
  if (const auto literal = parse_ip(host)) {
    std::vector<IpAddress> one(1, *literal);
    co_return std::move(one);
  }
  co_return co_await resolver_->resolve(host, options_.connect_timeout);
}

// Named by hand, so private ranges are fine; metadata services never come in by accident, and the
// broker does not talk to itself.
Outcome<Connector::Endpoints> Connector::overridden(const ResolveOverride& entry) const {
  const Endpoint endpoint{entry.address, entry.port};
  if (guard_.is_own_listener(endpoint)) {
    return own_listener_fault(entry.from.host);
  }
  if (classify(entry.address) == AddressClass::kMetadata && !guard_.allows(entry.address)) {
    return guard_fault(entry.from.host, entry.address);
  }
  return Endpoints(1, endpoint);
}

// One look-up, every address checked, and only what was checked is connected to. An address that is
// refused is left out when others are not; it is a fault when all are.
Awaitable<Outcome<Connector::Endpoints>> Connector::checked_endpoints(
    const vault::Authority& authority) {
  if (const ResolveOverride* const entry = guard_.override_for(authority)) {
    co_return overridden(*entry);
  }
  auto found = co_await addresses_of(authority.host);
  if (!found) {
    co_return std::move(found.error());
  }
  Endpoints allowed;
  bool own = false;
  for (const IpAddress& address : *found) {
    const Endpoint endpoint{address, authority.port};
    const bool leads_back = guard_.is_own_listener(endpoint);
    own = own || leads_back;
    if (!leads_back && guard_.allows(address)) {
      allowed.push_back(endpoint);
    }
  }
  if (allowed.empty()) {
    co_return own&& guard_.allows(found->front()) ? own_listener_fault(authority.host)
                                                  : guard_fault(authority.host, found->front());
  }
  co_return std::move(allowed);
}

Awaitable<Outcome<UpstreamPtr>> Connector::secure(UpstreamPtr connection,
                                                  const ConnectTarget& target, AlpnOffer offer,
                                                  ConnectBudget budget) {
  if (target.scheme() == vault::Scheme::kHttps) {
    auto done = co_await tls_.connect(*connection, target, offer, budget, deadlines_.now_ms());
    if (!done) {
      co_return std::move(done.error());
    }
  }
  co_return std::move(connection);
}

// What the proxy is asked for. Where it looks names up, the guard cannot see the address: it judges
// literals and the names of metadata services. Looking up here as well would tell the name servers
// of this machine what the user sends through the proxy, and decide nothing: the proxy's own answer
// may be another one.
Awaitable<Outcome<std::vector<TunnelTarget>>> Connector::tunnel_targets(
    const vault::Authority& authority, const EgressProxy& proxy) {
  std::vector<TunnelTarget> targets;
  if (proxy.looks_up_names() && !parse_ip(authority.host)) {
    if (!guard_.allows_name(authority.host)) {
      co_return not_allowed(
          authority.host + " is a cloud metadata service",
          "the owner of the vault can permit it: agent-vault run --allow-net 169.254.169.254");
    }
    targets.emplace_back(authority.host, authority.port);
    co_return std::move(targets);
  }
  auto endpoints = co_await checked_endpoints(authority);
  if (!endpoints) {
    co_return std::move(endpoints.error());
  }
  for (const Endpoint& endpoint : interleave(*endpoints)) {
    if (targets.size() < kMaxTunnelTargets) {
      targets.emplace_back(endpoint);
    }
  }
  co_return std::move(targets);
}

Awaitable<Outcome<UpstreamPtr>> Connector::reach_proxy(const Endpoints& endpoints,
                                                       const EgressProxy& proxy,
                                                       ConnectBudget budget) {
  auto connection = co_await race_connect(executor_, deadlines_, endpoints, proxy.host(), budget,
                                          options_.attempt_delay);
  if (connection && proxy.kind() == EgressProxy::Kind::kHttps) {
    auto done = co_await tls_.connect_to_proxy(**connection, proxy, budget, deadlines_.now_ms());
    if (!done) {
      co_return proxy_unreachable(proxy, done.error());
    }
  }
  if (!connection) {
    co_return proxy_unreachable(proxy, connection.error());
  }
  (*connection)->address += " (proxy)";
  co_return std::move(connection);
}

Awaitable<Outcome<UpstreamPtr>> Connector::connect_through(const EgressProxy& proxy,
                                                           const ConnectTarget& target,
                                                           AlpnOffer offer) {
  auto targets = co_await tunnel_targets(target.authority(), proxy);
  if (!targets) {
    co_return std::move(targets.error());
  }
  // The user has named the proxy: it may be in a private range.
  auto addresses = co_await addresses_of(proxy.host());
  if (!addresses) {
    co_return proxy_unreachable(proxy, addresses.error());
  }
  Endpoints endpoints;
  for (const IpAddress& address : *addresses) {
    const Endpoint endpoint{address, proxy.port()};
    if (!guard_.is_own_listener(endpoint)) {
      endpoints.push_back(endpoint);
    }
  }
  if (endpoints.empty()) {
    co_return gateway_fault("egress_proxy_failed",
                            "the upstream proxy " + proxy.label() + " is this proxy itself",
                            "set HTTPS_PROXY to what it was before the run", false);
  }
  const ConnectBudget budget(options_.connect_timeout);
  for (std::size_t i = 0;; ++i) {
    auto connection = co_await reach_proxy(endpoints, proxy, budget);
    if (!connection) {
      co_return std::move(connection);
    }
    auto opened = co_await open_egress_tunnel(**connection, proxy, (*targets)[i], budget);
    if (opened) {
      co_return co_await secure(std::move(*connection), target, offer, budget);
    }
    const bool next = opened.error().code == "egress_proxy_refused" && opened.error().transient;
    if (!next || i + 1 == targets->size() || budget.spent()) {
      co_return std::move(opened.error());
    }
  }
}

Awaitable<Outcome<UpstreamPtr>> Connector::connect(ConnectTarget target, AlpnOffer offer) {
  const vault::Authority& authority = target.authority();
  // An override says where to connect to from here: no proxy is asked.
  const bool by_hand = guard_.override_for(authority) != nullptr;
  const EgressProxy* const proxy = by_hand || options_.egress == nullptr
                                       ? nullptr
                                       : options_.egress->proxy_for(target.scheme(), authority);
  if (proxy != nullptr) {
    co_return co_await connect_through(*proxy, target, offer);
  }
  auto endpoints = co_await checked_endpoints(authority);
  if (!endpoints) {
    co_return std::move(endpoints.error());
  }
  const ConnectBudget budget(options_.connect_timeout);
  auto connection = co_await race_connect(executor_, deadlines_, std::move(*endpoints),
                                          authority.host, budget, options_.attempt_delay);
  if (!connection) {
    co_return std::move(connection);
  }
  co_return co_await secure(std::move(*connection), target, offer, budget);
}

}  // namespace av::proxy
