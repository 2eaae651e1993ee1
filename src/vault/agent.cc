#include "vault/agent.h"

#include <algorithm>

#include "vault/host_mapping.h"
#include "vault/names.h"
#include "vault/service_pattern.h"

namespace av::vault {
namespace {

bool permits(const std::vector<std::string>& listed, std::string_view name) {
  return listed.empty() || std::find(listed.begin(), listed.end(), name) != listed.end();
}

// "map:HOST"
bool is_mapping(std::string_view name) {
  constexpr std::string_view kMapping = "map:";
  return name.starts_with(kMapping) && (name.substr(kMapping.size()) == kAnyHost ||
                                        check_host_pattern(name.substr(kMapping.size())));
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

bool Agent::may_use_mapping(std::string_view mapped, std::string_view requested) const {
  const auto permitted = [&](const std::vector<std::string>& listed) {
    return permits(listed, mapped) || permits(listed, requested);
  };
  return permitted(services) && permitted(credentials);
}

Status check_agent(const Agent& agent) {
  AV_CHECK(check_slug("agent", agent.name));
  for (const std::string& vault : agent.vaults) {
    AV_CHECK(check_slug("vault", vault));
  }
  for (const std::string& service : agent.services) {
    if (!is_mapping(service)) {
      AV_CHECK(check_slug("service", service));
    }
  }
  for (const std::string& key : agent.credentials) {
    if (!is_mapping(key)) {
      AV_CHECK(check_credential_key(key));
    }
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

bool is_automatic_agent(std::string_view name) {
  constexpr std::size_t kDigits = 12;
  return name.starts_with(kAutomaticAgent) && name.size() == kAutomaticAgent.size() + kDigits &&
         name.find_first_not_of("0123456789abcdef", kAutomaticAgent.size()) ==
             std::string_view::npos;
}

Status check_new_agent(const Agent& agent) {
  if (is_automatic_agent(agent.name)) {
    return make_error(ErrorCode::kInvalid,
                      "names like \"" + agent.name + "\" are those of agents that serve makes",
                      "choose another one");
  }
  return check_agent(agent);
}

}  // namespace av::vault
