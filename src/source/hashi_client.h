#pragma once
// HashiClient: requests to one HashiCorp Vault or OpenBao, by its HTTP API (version 1, as
// documented for Vault 1.4 to 1.20 and OpenBao 2.x).
//
// Thread-safe: it keeps nothing between calls.

#include <cstdint>
#include <string>
#include <string_view>

#include "source/ports.h"
#include "source/provider.h"
#include "source/rest.h"

namespace av::source {

class HashiClient {
 public:
  // `name_space`: empty, or as X-Vault-Namespace wants it.
  HashiClient(Http& http, std::string base, std::string name_space);

  // A good answer, or one of 400, 403, 404, 405: what they mean depends on what was asked. Anything
  // else is a failure; a sealed or uninitialised Vault is kLocked. `target`: "/v1/...". `token` may
  // be null. `sent`: the secrets in `body`.
  [[nodiscard]] Result<RestAnswer> call(std::string_view method, const std::string& target,
                                        const Secret* token, SecretBuffer body = {},
                                        const Sent& sent = {}) const;

  struct Health {
    std::string version;  // printable; may be empty
    bool standby = false;
  };
  // kLocked: sealed, or not initialised. kUnreachable: a disaster recovery secondary. A health
  // check that says nothing usable is none of these: `version` is empty.
  [[nodiscard]] Result<Health> health() const;

  // What an answer of 400, 403, 404 or 405 means. `what`: "reading secret/app".
  [[nodiscard]] Failure failure_of(const RestAnswer& answer, std::string_view what,
                                   const Sent& sent) const;

 private:
  Rest rest_;
  std::string namespace_;
};

}  // namespace av::source
