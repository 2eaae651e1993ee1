#pragma once
// From a request's head to its one identity: CONNECT target, SNI, Host or :authority, scheme and
// path must tell the same story, or the request is refused (421, 400). Both protocols come through
// here.

#include <optional>
#include <string>

#include "proxy/fault.h"
#include "proxy/head.h"
#include "vault/canonical.h"

namespace av::proxy {

// The tunnel that a request comes through.
struct TunnelIdentity {
  vault::Scheme scheme = vault::Scheme::kHttps;
  vault::Authority authority;      // of CONNECT
  std::optional<std::string> sni;  // as the client sent it; older clients and IP literals send none
};

[[nodiscard]] Outcome<vault::RequestIdentity> identity_in_tunnel(const TunnelIdentity& tunnel,
                                                                 const RequestHead& head);
// `http://` and `https://` targets outside a tunnel (RFC 9112 section 3.2.2).
[[nodiscard]] Outcome<vault::RequestIdentity> identity_of_absolute_form(const RequestHead& head);

[[nodiscard]] Fault bad_request(std::string message);

}  // namespace av::proxy
