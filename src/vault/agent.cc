#include "vault/agent.h"

#include <algorithm>

#include "vault/names.h"

namespace av::vault {
namespace {

bool permits(const std::vector<std::string>& listed, std::string_view name) {
  return listed.empty() || std::find(listed.begin(), listed.end(), name) != listed.end();
}

}  // namespace

bool Agent::may_use_vault(std::string_view vault) const {
  return permits(vaults, vault);
}

bool Agent::may_use_service(std::string_view service) const {
  return permits(services, service);
}

bool Agent::may_use_credential(std::string_view key) const {
  return permits(credentials, key);
}

Status check_agent(const Agent& agent) {
  AV_CHECK(check_slug("agent", agent.name));
  for (const std::string& vault : agent.vaults) {
    AV_CHECK(check_slug("vault", vault));
  }
  for (const std::string& service : agent.services) {
    AV_CHECK(check_slug("service", service));
  }
  for (const std::string& key : agent.credentials) {
    AV_CHECK(check_credential_key(key));
  }
  constexpr std::uint32_t kMostConcurrent = 1000;
  if (agent.max_concurrent > kMostConcurrent || agent.limit.count > RateLimit::kMaxCount) {
    return make_error(
        ErrorCode::kInvalid,
        "agent \"" + agent.name + "\": at most 1000 requests at one time and 1000000 in a window",
        "0 means no limit");
  }
  return {};
}

}  // namespace av::vault
