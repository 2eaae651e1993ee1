#pragma once
// TlsConnector: TLS with one upstream or proxy, from the choice of roots to the verified end of the
// handshake. Belongs to one worker.

#include <memory>
#include <string>
#include <vector>

#include "proxy/connect_target.h"
#include "proxy/egress_proxy.h"
#include "proxy/fault.h"
#include "proxy/happy_eyeballs.h"
#include "proxy/tls_profile.h"
#include "proxy/tls_session_cache.h"
#include "proxy/upstream.h"

namespace av::proxy {

class TlsConnector {
 public:
  explicit TlsConnector(std::shared_ptr<UpstreamRoots> roots) : profiles_(std::move(roots)) {}

  // With the server of a target. Sets connection.http2. All references must outlive the call.
  // Faults: upstream_certificate_*, upstream_tls_failed, upstream_tls_timeout, upstream_alpn,
  // client_certificate_invalid, trust_store.
  Awaitable<Outcome<void>> connect(UpstreamConnection& connection, const ConnectTarget& target,
                                   AlpnOffer offer, ConnectBudget budget, std::int64_t now_ms);
  // With an https:// proxy; its certificate is verified as an upstream's is.
  Awaitable<Outcome<void>> connect_to_proxy(UpstreamConnection& connection,
                                            const EgressProxy& proxy, ConnectBudget budget,
                                            std::int64_t now_ms);
  void sweep(std::int64_t now_ms) { profiles_.sweep(now_ms); }
  [[nodiscard]] const TlsSessionCache& sessions() const { return *sessions_; }

 private:
  Outcome<ossl::Ssl> prepare(const TlsProfiles::Profile& profile, const std::string& host,
                             AlpnOffer offer, const std::string& session_key);
  Awaitable<Outcome<void>> handshake(UpstreamConnection& connection, ossl::Ssl ssl,
                                     const std::string& host, const std::string& session_key,
                                     ConnectBudget budget);

  TlsProfiles profiles_;
  std::shared_ptr<TlsSessionCache> sessions_ = std::make_shared<TlsSessionCache>();
};

}  // namespace av::proxy
