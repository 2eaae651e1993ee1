#pragma once
// Connector: name -> checked addresses -> TCP -> verified TLS. Takes nothing less than an
// OutboundRequest: a connection is made for a request that policy has allowed. Belongs to one
// worker.

#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "proxy/fault.h"
#include "proxy/injector.h"
#include "proxy/io.h"
#include "proxy/net_guard.h"
#include "proxy/upstream.h"
#include "vault/canonical.h"

namespace av::proxy {

// What is offered in ALPN (RFC 7301). A server that knows none of it answers with an alert.
enum class AlpnOffer : std::uint8_t { kHttp1, kHttp2, kHttp2OrHttp1 };

class Connector {
 public:
  Connector(Executor executor, DeadlineList& deadlines, NetOptions net,
            std::vector<std::string> upstream_ca_files, Millis connect_timeout);

  // `request` must outlive the call. The protocol that the server chose is in the connection.
  Awaitable<Outcome<UpstreamPtr>> connect(const OutboundRequest& request, AlpnOffer offer);
  // Name look-ups that a blocking resolver is still busy with.
  [[nodiscard]] int resolving() const { return *resolving_; }

 private:
  struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;
  };
  Awaitable<Outcome<std::vector<Endpoint>>> resolve(const vault::Authority& authority);
  Awaitable<Outcome<UpstreamPtr>> open(const std::vector<Endpoint>& endpoints,
                                       const vault::Authority& authority);
  Outcome<ossl::Ssl> make_client_ssl(const vault::Authority& authority, AlpnOffer offer);
  Outcome<void> load_roots();

  Executor executor_;
  DeadlineList& deadlines_;
  NetGuard guard_;
  std::vector<std::string> upstream_ca_files_;
  Millis connect_timeout_;
  ossl::SslCtx client_context_;  // made at the first TLS upstream: reading the roots takes a while
  std::shared_ptr<int> resolving_ = std::make_shared<int>(0);
};

}  // namespace av::proxy
