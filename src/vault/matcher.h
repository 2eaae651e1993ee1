#pragma once
// Matcher: compiled, immutable, safe to read from any thread. Finding the service for a request
// costs two hash look-ups for the host and, when it has more than a few services, one for each
// length of path prefix that these use, however many services there are; nothing is allocated.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vault/canonical.h"
#include "vault/flat_table.h"
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
  // Disabled services match too: the caller refuses them. Those whose time is over at `now_ms`
  // (wall clock) do not; 0: they do. Null when none matches.
  [[nodiscard]] const Service* find(const RequestIdentity& request, std::int64_t now_ms = 0) const;
  // Whether any service, of whatever port, path and time, names this host (canonical).
  [[nodiscard]] bool has_host(std::string_view host) const;
  // Whether the time of some service can be over.
  [[nodiscard]] bool has_timed() const { return has_timed_; }

  [[nodiscard]] const std::vector<Service>& services() const { return services_; }

 private:
  // What deciding needs of a service, small: a look-up reads one slot, one rule and its text, and
  // so few places in memory however many services there are.
  struct Rule {
    std::uint32_t service = 0;  // index
    std::uint32_t host = 0;     // where in text_; without "*."
    std::uint32_t host_size = 0;
    std::uint32_t path = 0;  // where in text_
    std::uint32_t path_size = 0;
    std::uint32_t prefix_size = 0;  // of the path up to its first star
    std::uint16_t port = 0;
    bool wildcard = false;
    bool allow_http = false;
    bool any_method = false;
    bool timed = false;
    bool last = false;  // of those that are looked at in a row
  };
  // A host with many services. They are in groups of equally specific patterns, most specific
  // first; within a group, those whose paths begin alike are found by that beginning.
  struct Group {
    std::uint32_t begin = 0;  // in rules_
    std::uint32_t end = 0;
    std::uint32_t start_size = 0;
    bool last = false;  // of its host
  };
  struct Crowd {
    std::uint32_t rule = 0;   // the first
    std::uint32_t group = 0;  // the first
  };

  void add_rules(bool wildcard, std::string_view host, std::span<const std::uint32_t> services);
  void add_crowd(std::uint64_t hash, std::uint32_t begin);
  [[nodiscard]] std::uint32_t find_host(bool wildcard, std::string_view host) const;
  [[nodiscard]] const Service* best_of(bool wildcard, std::string_view host,
                                       const RequestIdentity& request, std::int64_t now_ms) const;
  [[nodiscard]] const Service* first_fit(std::uint32_t rule, const RequestIdentity& request,
                                         std::int64_t now_ms) const;
  [[nodiscard]] bool fits(const Rule& rule, const RequestIdentity& request,
                          std::int64_t now_ms) const;
  [[nodiscard]] std::string_view host_of(const Rule& rule) const;
  [[nodiscard]] std::string_view start_of(const Rule& rule) const;

  std::vector<Service> services_;
  std::vector<Rule> rules_;  // by host, then in the order in which they are looked at
  std::string text_;
  FlatTable hosts_;   // index + 1 of the host's first rule, or of its crowd with kIsCrowd
  FlatTable starts_;  // index + 1 of the first rule of a group with this beginning
  std::vector<Group> groups_;
  std::vector<Crowd> crowds_;
  bool has_timed_ = false;
};

}  // namespace av::vault
