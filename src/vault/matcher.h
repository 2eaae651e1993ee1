#pragma once
// Matcher: compiled, immutable, safe to read from any thread. Finding the service for a request
// costs two hash look-ups for the host and one for each length of path prefix that its services
// use, however many services there are; nothing is allocated.

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "vault/canonical.h"
#include "vault/service.h"

namespace av::vault {

// True when `path` (canonical) is covered by the service path pattern.
[[nodiscard]] bool path_matches(std::string_view pattern, std::string_view path);

class Matcher {
 public:
  Matcher() = default;
  // Keeps the order: it is the last tie-breaker.
  explicit Matcher(std::vector<Service> services);

  // Exact host before wildcard, explicit port before none, longest literal path prefix, then order.
  // Disabled services match too: the caller refuses them. Null when none matches.
  [[nodiscard]] const Service* find(const RequestIdentity& request) const;

  [[nodiscard]] const std::vector<Service>& services() const { return services_; }

 private:
  struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  // Services of one host whose patterns are equally specific, by the beginning of their path.
  struct Group {
    bool has_port = false;
    std::size_t specificity = 0;  // length of the literal prefix
    std::unordered_map<std::string, std::vector<std::size_t>, StringHash, std::equal_to<>> by_start;
  };
  using Groups = std::vector<Group>;  // most specific first
  using Buckets = std::unordered_map<std::string, Groups, StringHash, std::equal_to<>>;
  [[nodiscard]] const Service* best_in(const Buckets& buckets, std::string_view host,
                                       const RequestIdentity& request) const;

  std::vector<Service> services_;
  Buckets exact_;
  Buckets wildcard_;  // "*.example.com" under "example.com"
};

}  // namespace av::vault
