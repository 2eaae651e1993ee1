#include "vault/proposal_plan.h"

#include <algorithm>
#include <set>

#include "vault/field_reader.h"
#include "vault/service_cover.h"

namespace av::vault {
namespace {

using Services = std::vector<Service>;

const Service* find_named(const Services& services, std::string_view name) {
  const auto it = std::find_if(services.begin(), services.end(),
                               [&](const Service& one) { return one.name == name; });
  return it == services.end() ? nullptr : &*it;
}

// The one that has exactly this host, port and path; null when there is none.
Expected<const Service*> find_placed(const Services& services, const Service& like) {
  const Service* found = nullptr;
  for (const Service& one : services) {
    if (one.host == like.host && one.port == like.port && one.path == like.path) {
      if (found != nullptr) {
        return make_error(ErrorCode::kConflict,
                          "several services have the host " + like.matcher_text(),
                          "give the \"name\" of the one that is meant");
      }
      found = &one;
    }
  }
  return found;
}

Error no_service(const std::string& name) {
  return make_error(ErrorCode::kNotFound, "there is no service " + name + " in this vault",
                    "see: GET /discover, or agent-vault vault service list");
}

// A name that was made from the host must not replace what stands elsewhere.
std::string free_name(const std::string& wanted, const Services& services,
                      const std::set<std::string>& taken) {
  constexpr std::size_t kRoom = 60;
  std::string name = wanted;
  for (int i = 2; find_named(services, name) != nullptr || taken.count(name) != 0; ++i) {
    std::string base = wanted.substr(0, kRoom);
    while (base.ends_with('-')) {
      base.pop_back();
    }
    name = base + "-" + std::to_string(i);
  }
  return name;
}

Expected<ServiceChange> change_of(const ProposedService& proposed, const Services& services,
                                  const std::set<std::string>& taken) {
  const Service& wanted = proposed.service;
  ServiceChange change;
  const bool by_place = proposed.action != ProposedService::Action::kEnable && !proposed.named;
  const Service* existing = nullptr;
  if (by_place) {
    AV_TRY(existing, find_placed(services, wanted));
  } else {
    existing = find_named(services, wanted.name);
  }
  if (existing != nullptr) {
    change.before = *existing;
  }
  switch (proposed.action) {
    case ProposedService::Action::kSet: {
      change.after = wanted;
      if (!proposed.named) {
        change.after->name =
            existing != nullptr ? existing->name : free_name(wanted.name, services, taken);
      }
      if (existing != nullptr && proposed.keeps_substitutions && existing->host == wanted.host &&
          existing->port == wanted.port) {
        change.after->substitutions = existing->substitutions;
      }
      AV_CHECK(check_service(*change.after));
      return change;
    }
    case ProposedService::Action::kDelete: {
      const bool elsewhere = existing != nullptr && !wanted.host.empty() &&
                             existing->matcher_text() != wanted.matcher_text();
      if (existing == nullptr || elsewhere) {
        return no_service(proposed.named ? wanted.name : wanted.matcher_text());
      }
      return change;
    }
    case ProposedService::Action::kEnable:
      if (existing == nullptr) {
        return no_service(wanted.name);
      }
      change.after = *existing;
      change.after->enabled = wanted.enabled;
      // To switch on what is on, but granted for a time or a number, is to ask for it anew.
      if (existing->enabled && wanted.enabled) {
        change.after->expires_ms = 0;
        change.after->max_uses = 0;
        change.after->grant.clear();
      }
      return change;
  }
  return change;
}

Status check_references(const ProposalRequest& request, const VaultState& state,
                        const Service& service) {
  for (const std::string& key : service.credential_keys()) {
    const CredentialSlot* slot = request.slot(key);
    const bool there =
        slot != nullptr ? slot->action == ProposalAction::kSet : state.credentials.count(key) != 0;
    if (!there) {
      return make_error(
          ErrorCode::kInvalid,
          "the service " + service.name + " uses " + key + ", which is neither stored nor proposed",
          "add {\"key\": \"" + key + "\"} to \"credentials\"");
    }
  }
  return {};
}

Expected<Service> narrowed(const Service& proposed, const ServiceNarrowing& by) {
  Service out = proposed;
  if (!by.host.empty()) {
    Service parts;
    AV_CHECK(set_matcher_text(parts, by.host));
    out.host = parts.host;
    out.port = parts.port == 0 ? proposed.port : parts.port;
    out.path = parts.path.empty() ? proposed.path : parts.path;
  }
  if (!by.path.empty()) {
    out.path = by.path;
  }
  if (!by.methods.empty()) {
    out.methods = by.methods;
    make_upper(out.methods);
  }
  AV_CHECK(check_service(out));
  AV_CHECK(check_covered(out, proposed));
  return out;
}

// 0 stands for no limit.
template <typename Number>
Number least(Number a, Number b) {
  return a == 0 ? b : b == 0 ? a : std::min(a, b);
}

Status limit(Service& service, const Narrowing& narrowing, std::int64_t now_ms,
             const std::string& grant) {
  const Service proposed = service;
  service.max_uses = least(service.max_uses, narrowing.uses);
  if (narrowing.for_ms != 0) {
    service.expires_ms = least(service.expires_ms, now_ms + narrowing.for_ms);
  }
  // One that was granted before and is only switched on again goes on counting.
  const bool counts_on = !service.grant.empty() && narrowing.uses == 0;
  if (service.max_uses != 0 && !counts_on) {
    service.expires_ms = least(service.expires_ms, now_ms + ProposalLimits::kGrantMs);
    service.grant = grant;
  }
  AV_CHECK(check_service(service));
  return check_covered(service, proposed);
}

Expected<std::vector<ServiceChange>::iterator> find_change(ProposalPlan& plan,
                                                           const std::string& name) {
  auto found = plan.services.end();
  std::size_t candidates = 0;
  for (auto it = plan.services.begin(); it != plan.services.end(); ++it) {
    if (it->after && (name.empty() || it->after->name == name)) {
      found = it;
      ++candidates;
    }
  }
  if (candidates == 1) {
    return found;
  }
  return make_error(ErrorCode::kInvalid,
                    name.empty() ? "it is not said which service is to be narrowed"
                                 : "the proposal has no service " + name,
                    "name one of those that the proposal sets");
}

}  // namespace

Expected<ProposalPlan> plan_of(const ProposalRequest& request, const VaultState& state) {
  ProposalPlan plan;
  std::set<std::string> taken;
  for (const ProposedService& proposed : request.services) {
    AV_TRY(ServiceChange change, change_of(proposed, state.services, taken));
    const std::string& name = change.after ? change.after->name : change.before->name;
    if (!taken.insert(name).second) {
      return make_error(ErrorCode::kInvalid, "the proposal changes the service " + name + " twice");
    }
    if (change.after && proposed.action == ProposedService::Action::kSet) {
      AV_CHECK(check_references(request, state, *change.after));
    }
    plan.services.push_back(std::move(change));
  }
  for (const CredentialSlot& slot : request.slots) {
    const auto stored = state.credentials.find(slot.key);
    const bool remove = slot.action == ProposalAction::kDelete;
    if (remove && stored == state.credentials.end()) {
      return make_error(ErrorCode::kNotFound,
                        "there is no credential " + slot.key + " in this vault");
    }
    plan.credentials.push_back(
        {slot.key, stored == state.credentials.end() ? 0 : stored->second, remove, slot.has_value});
  }
  return plan;
}

Status narrow(ProposalPlan& plan, const Narrowing& narrowing, std::int64_t now_ms,
              const std::string& grant) {
  std::set<std::string> done;
  for (const ServiceNarrowing& one : narrowing.services) {
    AV_TRY(const auto change, find_change(plan, one.name));
    if (!done.insert(change->after->name).second) {
      return make_error(ErrorCode::kInvalid,
                        "the service " + change->after->name + " is narrowed twice");
    }
    AV_TRY(change->after, narrowed(*change->after, one));
  }
  const bool limits = narrowing.for_ms != 0 || narrowing.uses != 0;
  if (limits &&
      std::none_of(plan.services.begin(), plan.services.end(),
                   [](const ServiceChange& change) { return change.after.has_value(); })) {
    return make_error(ErrorCode::kInvalid, "only services can be granted for a time or a number",
                      "the proposal sets none");
  }
  for (ServiceChange& change : plan.services) {
    if (change.after) {
      AV_CHECK(limit(*change.after, narrowing, now_ms, grant));
    }
  }
  return {};
}

}  // namespace av::vault
