#pragma once
// ConnectTarget: what a connection is made for. There are two kinds: a request that policy has
// allowed and that is ready to go, and one of the broker's own, to a place that a person has named
// (a provider's token endpoint). Nothing else gets a connection.

#include "proxy/injector.h"
#include "vault/canonical.h"

namespace av::proxy {

class ConnectTarget {
 public:
  // `request` must outlive it.
  ConnectTarget(const OutboundRequest& request)  // NOLINT: by design
      : authority_(&request.identity().authority),
        scheme_(request.identity().scheme),
        service_(request.service()),
        credential_(request.credential()) {}

  [[nodiscard]] const vault::Authority& authority() const { return *authority_; }
  [[nodiscard]] vault::Scheme scheme() const { return scheme_; }
  // For its client certificate and its roots; null: none of its own.
  [[nodiscard]] const vault::Service* service() const { return service_; }
  [[nodiscard]] const ResolvedCredential* credential() const { return credential_; }

 private:
  friend class BrokerClient;
  friend class BrokerStream;
  // `tls`: of its upstream TLS, the roots; null: none of its own.
  ConnectTarget(const vault::Authority& authority, vault::Scheme scheme, const vault::Service* tls)
      : authority_(&authority), scheme_(scheme), service_(tls) {}
  const vault::Authority* authority_;
  vault::Scheme scheme_;
  const vault::Service* service_ = nullptr;
  const ResolvedCredential* credential_ = nullptr;
};

}  // namespace av::proxy
