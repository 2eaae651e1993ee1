#include "vault/policy.h"

#include <algorithm>

#include "vault/host_mapping.h"
#include "vault/host_reference.h"
#include "vault/path_readings.h"

namespace av::vault {
namespace {

bool is_ambiguous(const Matcher& matcher, const RequestIdentity& identity, std::int64_t now_ms,
                  const Service* found) {
  const std::string& path = identity.target.path;
  if (path.find_first_of(";%") == std::string::npos && path.find("//") == std::string::npos &&
      path.find("./") == std::string::npos && !path.ends_with('.')) {
    return false;
  }
  // As a server reads it that merges slashes, ignores ";parameters" of segments and dots at their
  // ends, and takes an escaped "?" for the beginning of the query.
  RequestIdentity other = identity;
  other.target.path = lax_reading(identity.target.path);
  if (other.target.path == identity.target.path) {
    return false;
  }
  return matcher.find(other, now_ms) != found;
}

}  // namespace

std::string_view to_string(UnmatchedPolicy policy) {
  switch (policy) {
    case UnmatchedPolicy::kPassthrough:
      return "passthrough";
    case UnmatchedPolicy::kDeny:
      return "deny";
  }
  return "deny";
}

std::optional<UnmatchedPolicy> unmatched_from_string(std::string_view text) {
  if (text == "passthrough") {
    return UnmatchedPolicy::kPassthrough;
  }
  if (text == "deny") {
    return UnmatchedPolicy::kDeny;
  }
  return std::nullopt;
}

bool PolicySnapshot::has_tokens() const {
  return std::any_of(credentials.begin(), credentials.end(),
                     [](const auto& item) { return item.second.token.has_value(); });
}

void PolicySnapshot::set_services(std::vector<Service> services) {
  placeholders = PlaceholderIndex::declared_by(services);
  matcher = Matcher(std::move(services));
}

bool in_scope(const Agent& agent, const Service& service) {
  if (!agent.may_use_service(service.name)) {
    return false;
  }
  if (agent.credentials.empty()) {
    return true;
  }
  const auto keys = service.credential_keys();
  return std::all_of(keys.begin(), keys.end(),
                     [&](const std::string& key) { return agent.may_use_credential(key); });
}

namespace {

Deny deny(Deny::Reason reason, std::string service = {}) {
  Deny out;
  out.reason = reason;
  out.service = std::move(service);
  return out;
}

Deny blocked(const Rule& rule, const Service* service, bool body_unreadable) {
  Deny out = deny(Deny::Reason::kBlocked, service == nullptr ? std::string() : service->name);
  out.rule = rule.name;
  out.words = rule.reason;
  out.body_unreadable = body_unreadable;
  return out;
}

// Null for a run without an agent; an error when the agent may not act here (any more).
std::optional<const Agent*> agent_of(const PolicySnapshot& snapshot, const Principal& principal) {
  if (principal.agent.empty()) {
    return nullptr;
  }
  const auto it = snapshot.agents.find(principal.agent);
  if (it == snapshot.agents.end() || it->second.uid != principal.agent_uid) {
    return std::nullopt;
  }
  return &it->second;
}

// What a mapping has for this host. One of a host or of its parent leaves out what it leaves out;
// that of any host is for names, over https:// on the usual port.
const Service* mapping_for(const PolicySnapshot& snapshot, const RequestIdentity& identity,
                           std::int64_t now_ms) {
  const std::string& host = identity.authority.host;
  if (const Service* const mapped = snapshot.mappings.find(identity, now_ms)) {
    return mapped;
  }
  const bool any = snapshot.any_host && identity.scheme == Scheme::kHttps &&
                   identity.authority.port == default_port(Scheme::kHttps) &&
                   fills_reference(host) && !snapshot.mappings.has_host(host);
  return any ? &*snapshot.any_host : nullptr;
}

// A service of the same name that was granted anew counts anew.
LimitKey uses_key(const PolicySnapshot& snapshot, const Service& service) {
  return LimitKey::of(snapshot.vault_uid, "service " + service.name, service.grant, 0);
}

// Takes one from each limit, or from none. `service`: the one that matched, or null.
std::optional<Deny> take_limits(const PolicyInput& input, const Agent* agent,
                                const Service* service, const std::vector<const Rule*>& rules) {
  struct Take {
    LimitKey key;
    std::uint32_t most;
    std::int64_t window;         // 0: the one that never ends
    const Rule* rule = nullptr;  // null: the agent's own, or the service's
    LimitLedger::Count count{};
  };
  std::vector<Take> takes;
  const std::string_view who = input.principal->agent_uid;
  if (agent != nullptr && agent->limit.count != 0) {
    const std::int64_t window = milliseconds(agent->limit.window);
    takes.push_back({LimitKey::of({}, agent->uid, who, window), agent->limit.count, window});
  }
  for (const Rule* rule : rules) {
    const std::int64_t window = milliseconds(rule->limit.window);
    takes.push_back({LimitKey::of(input.snapshot->vault_uid, rule->uid, who, window),
                     rule->limit.count, window, rule});
  }
  if (service != nullptr && service->max_uses != 0) {
    takes.push_back({uses_key(*input.snapshot, *service), service->max_uses, 0});
  }
  for (std::size_t at = 0; at < takes.size(); ++at) {
    Take& take = takes[at];
    Expected<LimitLedger::Count> count =
        input.limits == nullptr
            ? Expected<LimitLedger::Count>(make_error(ErrorCode::kInternal, "no counters"))
            : input.limits->take(take.key, take.most, take.window, input.now_ms);
    if (count && count->granted) {
      take.count = *count;
      continue;
    }
    for (std::size_t taken = 0; taken < at; ++taken) {
      input.limits->give_back(takes[taken].key, takes[taken].window, takes[taken].count);
    }
    Deny out = deny(!count             ? Deny::Reason::kLimitsUnknown
                    : take.window == 0 ? Deny::Reason::kServiceUsedUp
                                       : Deny::Reason::kRateLimited);
    if (take.rule != nullptr) {
      out.rule = take.rule->name;
      out.words = take.rule->reason;
    }
    if (count) {
      out.retry_at_ms = count->window_end_ms;
    } else {
      out.detail = count.error().message;
    }
    return out;
  }
  return std::nullopt;
}

const Rule* deciding(const RuleSet::Found& found) {
  if (!found.approvals.empty()) {
    return found.approvals.front();
  }
  return found.limits.empty() ? found.allow : found.limits.front();
}

}  // namespace

Decision Policy::decide(const PolicyInput& input, RequestIdentity identity, const BodyView* body) {
  const PolicySnapshot& snapshot = *input.snapshot;
  const Principal& principal = *input.principal;
  const std::optional<const Agent*> agent = agent_of(snapshot, principal);
  if (!agent) {
    return deny(Deny::Reason::kAgentRevoked);
  }
  const Service* service = snapshot.matcher.find(identity, input.now_ms);
  if (is_ambiguous(snapshot.matcher, identity, input.now_ms, service)) {
    return deny(Deny::Reason::kAmbiguousPath);
  }
  // A host that has services is not covered by a mapping as well: what they leave out is left out.
  bool is_mapped = false;
  if (service == nullptr && (snapshot.any_host || !snapshot.mappings.services().empty()) &&
      !snapshot.matcher.has_host(identity.authority.host)) {
    service = mapping_for(snapshot, identity, input.now_ms);
    is_mapped = service != nullptr;
    // For an agent whose scope does not name it, there is no mapping of any host: every host that
    // is nobody's would be refused otherwise.
    if (is_mapped && service->name == mapping_name(kAnyHost) && *agent != nullptr &&
        !(*agent)->may_use_mapping(service->name, mapping_name(identity.authority.host))) {
      service = nullptr;
      is_mapped = false;
    }
  }
  const RuleSet::Found found = snapshot.rules.find(identity, principal.agent, body);
  if (found.block != nullptr) {
    return blocked(*found.block, service, found.body_unreadable);
  }
  if (service == nullptr) {
    // What was granted for a time does not go on without its credential.
    if (const Service* over =
            snapshot.matcher.has_timed() ? snapshot.matcher.find(identity) : nullptr) {
      return deny(Deny::Reason::kServiceExpired, over->name);
    }
    const bool named = found.allow != nullptr || found.needs_body;
    if (!named && input.unmatched.value_or(snapshot.unmatched) == UnmatchedPolicy::kDeny) {
      return deny(Deny::Reason::kUnmatchedHost);
    }
  } else if (!service->enabled) {
    return deny(Deny::Reason::kServiceDisabled, service->name);
  } else if (*agent != nullptr &&
             !(is_mapped
                   ? (*agent)->may_use_mapping(service->name, mapping_name(identity.authority.host))
                   : in_scope(**agent, *service))) {
    return deny(Deny::Reason::kOutOfScope, service->name);
  }
  if (found.needs_body) {
    return NeedsBody();
  }
  if (!input.counted) {
    if (auto limited = take_limits(input, *agent, service, found.limits)) {
      limited->service = service == nullptr ? std::string() : service->name;
      return std::move(*limited);
    }
  }
  AllowedRequest allowed(input.snapshot, std::move(identity), service, deciding(found));
  if (!found.approvals.empty()) {
    return HeldRequest(std::move(allowed), found.approvals);
  }
  return allowed;
}

}  // namespace av::vault
