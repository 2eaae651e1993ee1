#pragma once
// TlsProfiles: the client contexts with which upstreams are spoken to. Most share one: the system's
// roots and --upstream-ca. A service may add roots or show a client certificate; it then has a
// context of its own. Belongs to one worker.

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/ossl.h"
#include "proxy/credential_resolver.h"
#include "proxy/fault.h"
#include "vault/service.h"

namespace av::proxy {

// The context that most share. Several workers of one thread may have the same: the roots take a
// megabyte.
class UpstreamRoots {
 public:
  explicit UpstreamRoots(std::vector<std::string> ca_files) : ca_files_(std::move(ca_files)) {}
  // Made at the first call: reading the roots takes a while. Fault: `trust_store`.
  [[nodiscard]] Outcome<SSL_CTX*> context();

 private:
  [[nodiscard]] static bool has_hashed_roots();
  std::vector<std::string> ca_files_;
  ossl::SslCtx context_;
};

class TlsProfiles {
 public:
  static constexpr std::size_t kMaxProfiles = 64;  // the least recently used goes
  // A context with a private key is forgotten when it has not been used for this long.
  static constexpr Millis kKeepKeys{10 * 60'000};

  explicit TlsProfiles(std::shared_ptr<UpstreamRoots> roots) : roots_(std::move(roots)) {}

  struct Profile {
    SSL_CTX* context = nullptr;  // valid until the next call; SSL objects keep it alive
    std::string key;             // "" for the shared one; differs between any two others
  };
  // Faults: `trust_store`; `client_certificate_invalid`, which names the credential. `service` and
  // `credential` may be null.
  [[nodiscard]] Outcome<Profile> profile_for(const vault::Service* service,
                                             const ResolvedCredential* credential,
                                             std::int64_t now_ms);
  void sweep(std::int64_t now_ms);
  [[nodiscard]] std::size_t size() const { return own_.size(); }

 private:
  struct Own {
    std::string key;
    ossl::SslCtx context;
    std::int64_t used_ms = 0;
    bool has_key = false;
  };
  std::shared_ptr<UpstreamRoots> roots_;
  std::list<Own> own_;  // the most recently used first
};

// What, besides origin and credentials, connections of this request must have in common: the empty
// text unless the service brings roots of its own. For the key of the UpstreamPool.
[[nodiscard]] std::string tls_pool_tag(const vault::Service* service);

}  // namespace av::proxy
