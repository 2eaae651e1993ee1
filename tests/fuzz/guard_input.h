#pragma once
// A service with a substitution, and a placeholder of another credential, for fuzz targets.

#include <cstdlib>
#include <memory>
#include <string>

#include "proxy/credential_resolver.h"
#include "proxy/placeholder_guard.h"

namespace av::fuzz {

inline const std::string kOwn = "__A__A_";
inline const std::string kForeign = "__A__B__0123456789";
inline const std::string kValue = "v\"a<l&ue secret";

inline const vault::KeyRing& ring() {
  static const vault::KeyRing keys = *vault::KeyRing::generate();
  return keys;
}

inline const vault::AllowedRequest& allowed() {
  static const vault::AllowedRequest request = [] {
    vault::Service service;
    service.name = "svc";
    service.host = "h.test";
    vault::Substitution substitution;
    substitution.credential_key = "KEY";
    substitution.placeholder = kOwn;
    substitution.surfaces = static_cast<std::uint8_t>(vault::Surface::kBody) |
                            static_cast<std::uint8_t>(vault::Surface::kWebSocket);
    service.substitutions.push_back(substitution);
    auto snapshot = std::make_shared<vault::PolicySnapshot>();
    snapshot->vault_uid = "uid";
    snapshot->set_services({service});
    snapshot->generation = 1;
    snapshot->credentials["KEY"] = vault::SealedCredential{
        "KEY", 1, *ring().seal(vault::SealContext{"uid", "credential", "KEY", 1}, kValue), {}};
    vault::RequestIdentity identity;
    identity.authority = {"h.test", 443};
    identity.method = "POST";
    identity.target.path = "/";
    const vault::Principal nobody;
    vault::PolicyInput input;
    input.snapshot = snapshot;
    input.principal = &nobody;
    auto decision = vault::Policy::decide(input, identity);
    return std::get<vault::AllowedRequest>(std::move(decision));
  }();
  return request;
}

inline const proxy::ResolvedPtr& values() {
  static const proxy::ResolvedPtr resolved =
      *proxy::CredentialResolver().resolve(allowed(), ring(), {1, 0});
  return resolved;
}

inline const vault::PlaceholderIndex& run_placeholders() {
  static const vault::PlaceholderIndex index({{kForeign, "OTHER"}});
  return index;
}

inline proxy::PlaceholderGuard guard() {
  return proxy::PlaceholderGuard(allowed(), &run_placeholders());
}

}  // namespace av::fuzz
