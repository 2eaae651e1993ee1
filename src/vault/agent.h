#pragma once
// Agent: a named principal. Its token stands for it towards `serve`; a run acts for it with a
// session of its own.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/crypto.h"
#include "core/expected.h"
#include "vault/rule.h"

namespace av::vault {

struct Agent {
  std::string name;  // a slug
  std::string uid;   // made by the store: a new agent of an old name is another one
  // Where it may act, and as what of that: empty lists mean all. Names that do not exist (yet) are
  // no error; they permit nothing. What external stores have for a host is "map:HOST" in both.
  std::vector<std::string> vaults;
  std::vector<std::string> services;
  std::vector<std::string> credentials;
  std::uint32_t max_concurrent = 0;  // requests at one time, over all its runs; 0: no limit
  RateLimit limit;                   // requests in all, over all its runs
  std::int64_t created_ms = 0;
  std::int64_t rotated_ms = 0;  // 0: never
  std::int64_t revoked_ms = 0;  // 0: it is not

  [[nodiscard]] bool may_use_vault(std::string_view vault) const;
  [[nodiscard]] bool may_use_service(std::string_view service) const;
  [[nodiscard]] bool may_use_credential(std::string_view key) const;
  // What a mapping has, for a request: "map:HOST" with the host that was mapped (it may be "*" or
  // have one in front), or with the host of the request, stands in each list that is not empty.
  [[nodiscard]] bool may_use_mapping(std::string_view mapped, std::string_view requested) const;
};

[[nodiscard]] Status check_agent(const Agent& agent);

// `serve` makes agents of its own for sessions that people make without naming one. Nobody else may
// name one so: it would be taken for theirs.
inline constexpr std::string_view kAutomaticAgent = "sessions-";  // and 12 hex digits
[[nodiscard]] bool is_automatic_agent(std::string_view name);
// check_agent, and that the name is not one of those.
[[nodiscard]] Status check_new_agent(const Agent& agent);

}  // namespace av::vault
