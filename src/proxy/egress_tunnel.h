#pragma once
// The words with which the user's own proxy is asked for a connection to somewhere else: CONNECT
// (RFC 9110 section 9.3.6) and SOCKS5 (RFC 1928, RFC 1929).

#include <optional>
#include <string>

#include "proxy/egress_proxy.h"
#include "proxy/fault.h"
#include "proxy/happy_eyeballs.h"
#include "proxy/io.h"
#include "proxy/upstream.h"

namespace av::proxy {

// What the proxy is asked to connect to.
struct TunnelTarget {
  TunnelTarget(std::string to_host, std::uint16_t to_port)
      : host(std::move(to_host)), address(parse_ip(host)), port(to_port) {}
  explicit TunnelTarget(const Endpoint& endpoint)
      : host(endpoint.address.is_v4() ? endpoint.address.to_string()
                                      : '[' + endpoint.address.to_string() + ']'),
        address(endpoint.address),
        port(endpoint.port) {}
  [[nodiscard]] std::string to_string() const { return host + ':' + std::to_string(port); }
  std::string host;  // canonical; IPv6 in brackets
  std::optional<IpAddress> address;
  std::uint16_t port;
};

// `connection` leads to `proxy`, under TLS where its kind says so. Afterwards it is a connection to
// the target, and nothing has been read of it. Faults: `egress_proxy_auth` (it wants other
// credentials), `egress_proxy_refused` (it does not connect to there; transient when it could not),
// `egress_proxy_failed` (it does not speak as it should), `egress_proxy_timeout`. All references
// must outlive the call.
Awaitable<Outcome<void>> open_egress_tunnel(UpstreamConnection& connection,
                                            const EgressProxy& proxy, const TunnelTarget& target,
                                            ConnectBudget budget);

}  // namespace av::proxy
