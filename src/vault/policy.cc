#include "vault/policy.h"

namespace av::vault {
namespace {

// The path as a server reads it that merges slashes and ignores ";parameters" of segments.
std::string collapsed(std::string_view path) {
  std::string out;
  bool in_parameter = false;
  for (const char c : path) {
    in_parameter = c != '/' && (in_parameter || c == ';');
    if (!in_parameter && (c != '/' || !out.ends_with('/'))) {
      out.push_back(c);
    }
  }
  return out;
}

bool is_ambiguous(const Matcher& matcher, const RequestIdentity& identity, const Service* found) {
  const std::string& path = identity.target.path;
  if (path.find("//") == std::string::npos && path.find(';') == std::string::npos) {
    return false;
  }
  RequestIdentity other = identity;
  other.target.path = collapsed(path);
  return matcher.find(other) != found;
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

void PolicySnapshot::set_services(std::vector<Service> services) {
  placeholders = PlaceholderIndex::declared_by(services);
  matcher = Matcher(std::move(services));
}

std::variant<AllowedRequest, Deny> Policy::decide(SnapshotPtr snapshot,
                                                  const Principal& /*principal*/,
                                                  RequestIdentity identity,
                                                  std::optional<UnmatchedPolicy> unmatched) {
  const Service* service = snapshot->matcher.find(identity);
  if (is_ambiguous(snapshot->matcher, identity, service)) {
    return Deny{Deny::Reason::kAmbiguousPath, {}};
  }
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
