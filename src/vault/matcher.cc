#include "vault/matcher.h"

#include <algorithm>
#include <tuple>

namespace av::vault {
namespace {

// "*" stands for any run of characters, slashes too.
bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') {
    ++p;
  }
  return p == pattern.size();
}

std::string_view literal_prefix(std::string_view pattern) {
  return pattern.substr(0, pattern.find('*'));
}

// What every path that the pattern covers begins with: the literal prefix but for its last
// character, because "/x/*" covers "/x" too.
std::string_view start_of(std::string_view prefix) {
  return prefix.empty() ? prefix : prefix.substr(0, prefix.size() - 1);
}

bool port_and_scheme_match(const Service& service, const RequestIdentity& request) {
  if (request.scheme == Scheme::kHttp && !service.allow_http) {
    return false;
  }
  const std::uint16_t wanted = service.port != 0 ? service.port : default_port(request.scheme);
  return wanted == request.authority.port;
}

bool method_matches(const Service& service, std::string_view method) {
  return service.methods.empty() ||
         std::find(service.methods.begin(), service.methods.end(), method) != service.methods.end();
}

bool is_wildcard(std::string_view host) {
  return host.substr(0, 2) == "*.";
}

}  // namespace

bool path_matches(std::string_view pattern, std::string_view path) {
  if (pattern.empty() || glob_matches(pattern, path)) {
    return true;
  }
  constexpr std::string_view kBelow = "/*";
  const bool covers_below =
      pattern.size() > kBelow.size() && pattern.substr(pattern.size() - kBelow.size()) == kBelow;
  return covers_below && glob_matches(pattern.substr(0, pattern.size() - kBelow.size()), path);
}

Matcher::Matcher(std::vector<Service> services) : services_(std::move(services)) {
  for (std::size_t i = 0; i < services_.size(); ++i) {
    const Service& service = services_[i];
    Groups& groups =
        is_wildcard(service.host) ? wildcard_[service.host.substr(2)] : exact_[service.host];
    const std::string_view prefix = literal_prefix(service.path);
    const bool has_port = service.port != 0;
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      return g.has_port == has_port && g.specificity == prefix.size();
    });
    if (group == groups.end()) {
      groups.push_back(Group{has_port, prefix.size(), {}});
      group = groups.end() - 1;
    }
    group->by_start[std::string(start_of(prefix))].push_back(i);
  }
  const auto sort_groups = [](Buckets& buckets) {
    for (auto& [host, groups] : buckets) {
      std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
        return std::tie(a.has_port, a.specificity) > std::tie(b.has_port, b.specificity);
      });
    }
  };
  sort_groups(exact_);
  sort_groups(wildcard_);
}

const Service* Matcher::best_in(const Buckets& buckets, std::string_view host,
                                const RequestIdentity& request) const {
  const auto bucket = buckets.find(host);
  if (bucket == buckets.end()) {
    return nullptr;
  }
  const std::string_view path = request.target.path;
  for (const Group& group : bucket->second) {
    const std::size_t start = group.specificity == 0 ? 0 : group.specificity - 1;
    if (path.size() < start) {
      continue;
    }
    const auto found = group.by_start.find(path.substr(0, start));
    if (found == group.by_start.end()) {
      continue;
    }
    for (const std::size_t index : found->second) {
      const Service& service = services_[index];
      if (port_and_scheme_match(service, request) && method_matches(service, request.method) &&
          path_matches(service.path, path)) {
        return &service;
      }
    }
  }
  return nullptr;
}

const Service* Matcher::find(const RequestIdentity& request) const {
  const std::string_view host = request.authority.host;
  if (const Service* service = best_in(exact_, host, request)) {
    return service;
  }
  const std::size_t dot = host.find('.');
  if (dot == std::string_view::npos) {
    return nullptr;
  }
  return best_in(wildcard_, host.substr(dot + 1), request);
}

}  // namespace av::vault
