#include "vault/policy.h"

namespace av::vault {

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

std::optional<Deny> Policy::decide_connect(const PolicySnapshot& snapshot,
                                           const Authority& authority,
                                           std::optional<UnmatchedPolicy> unmatched) {
  // A known host is let through to the request, whose answer can say which service was off.
  if (unmatched.value_or(snapshot.unmatched) == UnmatchedPolicy::kPassthrough ||
      snapshot.matcher.knows_host(authority.host)) {
    return std::nullopt;
  }
  return Deny{Deny::Reason::kUnmatchedHost, {}};
}

std::variant<AllowedRequest, Deny> Policy::decide(SnapshotPtr snapshot,
                                                  const Principal& /*principal*/,
                                                  RequestIdentity identity,
                                                  std::optional<UnmatchedPolicy> unmatched) {
  const Service* service = snapshot->matcher.find(identity);
  if (service == nullptr) {
    if (unmatched.value_or(snapshot->unmatched) == UnmatchedPolicy::kDeny) {
      return Deny{Deny::Reason::kUnmatchedHost, {}};
    }
    return AllowedRequest(std::move(snapshot), std::move(identity), nullptr);
  }
  if (!service->enabled) {
    return Deny{Deny::Reason::kServiceDisabled, service->name};
  }
  return AllowedRequest(std::move(snapshot), std::move(identity), service);
}

}  // namespace av::vault
