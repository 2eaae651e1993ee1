#pragma once
// CertificateAuthority: the root that the child trusts, and the leaves it signs for the hosts that
// the child talks to. ECDSA P-256 throughout. One leaf key per object.
//
// A run has one of its own, in memory only, that expires with it; `serve` uses the store's.
// Not thread-safe: each worker has its leaf cache; the object itself is immutable after creation.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/expected.h"
#include "core/ossl.h"
#include "core/secret.h"

namespace av::proxy {

class CertificateAuthority {
 public:
  // A new self-signed root. `common_name` tells a person in a trust store where it came from.
  static Expected<CertificateAuthority> create(std::string_view common_name, Millis lifetime,
                                               const Clock& clock);
  // kInvalid when the two do not belong together or the certificate is no CA.
  static Expected<CertificateAuthority> from_pem(std::string_view certificate_pem,
                                                 const Secret& key_pem);

  [[nodiscard]] const std::string& certificate_pem() const { return certificate_pem_; }
  [[nodiscard]] Expected<Secret> key_pem() const;
  [[nodiscard]] std::string fingerprint_sha256() const;  // "AB:CD:..."
  [[nodiscard]] std::int64_t not_after_ms() const;

  // A server context that presents a fresh leaf for `host` (canonical: a name or an IP literal),
  // valid for a day, backdated five minutes for clocks that are slow. Clients may resume sessions
  // of this context and of no other; early data is not taken. `also`: other names that it is for.
  [[nodiscard]] Expected<ossl::SslCtx> make_leaf_context(
      std::string_view host, const Clock& clock, std::span<const std::string_view> also = {}) const;

 private:
  CertificateAuthority() = default;
  ossl::X509Cert certificate_;
  ossl::Pkey key_;
  ossl::Pkey leaf_key_;
  std::string certificate_pem_;
};

}  // namespace av::proxy
