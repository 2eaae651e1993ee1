#pragma once
// Fault: a failure as the client of the proxy sees it: a status, a stable code, words that name
// things but never values. The codes are part of the interface (agent-vault-errors(7)): add, never
// rename.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/expected.h"

namespace av::proxy {

struct Fault {
  int status = 500;
  std::string_view code = "internal";  // a literal
  std::string message;
  std::string help;
  // For the audit record (AuditRecord::detail): names, never values.
  std::string detail;
  // Trying the same request again may work: no `x-should-retry: false`.
  bool transient = false;
  // The rule that refused it: adds `rule`.
  std::string rule;
  // Seconds after which it may work: adds Retry-After; 0: not said.
  std::int64_t retry_after = 0;
  // The host that a proposal could ask for: adds `proposal_hint`.
  std::string proposal_host;
  // The proposal itself, as JSON (vault/proposal_suggestion.h); may be empty.
  std::string proposal;
};

template <typename T>
using Outcome = Expected<T, Fault>;

}  // namespace av::proxy
