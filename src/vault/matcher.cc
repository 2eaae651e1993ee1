#include "vault/matcher.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "vault/method_override.h"

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
std::uint32_t start_size_of(std::uint32_t prefix_size) {
  return prefix_size == 0 ? 0 : prefix_size - 1;
}

bool is_listed(const Service& service, std::string_view method) {
  return std::find(service.methods.begin(), service.methods.end(), method) != service.methods.end();
}

// Also whatever method the query puts in place of it, for servers that obey it.
bool method_matches(const Service& service, const RequestIdentity& request) {
  if (!is_listed(service, request.method)) {
    return false;
  }
  const OverrideMethods others = methods_in_query(request.target.query);
  return !others.any && std::all_of(others.methods.begin(), others.methods.end(),
                                    [&](const auto& method) { return is_listed(service, method); });
}

bool is_wildcard(std::string_view host) {
  return host.substr(0, 2) == "*.";
}

// Of these, looking at each is as fast as looking one up.
constexpr std::size_t kFew = 8;
// Marks the index of a crowd among those of rules.
constexpr std::uint32_t kIsCrowd = std::uint32_t{1} << 31U;

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
  const auto key = [&](std::uint32_t i) {
    const std::string_view host = services_[i].host;
    const bool wildcard = is_wildcard(host);
    return std::pair(wildcard, wildcard ? host.substr(2) : host);
  };
  std::vector<std::uint32_t> order(services_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  const auto end_of_host = [&](std::size_t begin) {
    std::size_t end = begin + 1;
    while (end < order.size() && key(order[end]) == key(order[begin])) {
      ++end;
    }
    return end;
  };
  std::size_t hosts = 0;
  std::size_t in_crowds = 0;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    end = end_of_host(begin);
    ++hosts;
    in_crowds += end - begin > kFew ? end - begin : 0;
  }
  hosts_.reserve(hosts);
  starts_.reserve(in_crowds);
  rules_.reserve(services_.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    end = end_of_host(begin);
    const auto [wildcard, host] = key(order[begin]);
    add_rules(wildcard, host, std::span(order).subspan(begin, end - begin));
  }
}

void Matcher::add_rules(bool wildcard, std::string_view host,
                        std::span<const std::uint32_t> services) {
  const auto begin = static_cast<std::uint32_t>(rules_.size());
  const auto host_at = static_cast<std::uint32_t>(text_.size());
  text_ += host;
  for (const std::uint32_t index : services) {
    const Service& service = services_[index];
    Rule rule;
    rule.service = index;
    rule.host = host_at;
    rule.host_size = static_cast<std::uint32_t>(host.size());
    rule.path = static_cast<std::uint32_t>(text_.size());
    rule.path_size = static_cast<std::uint32_t>(service.path.size());
    rule.prefix_size = static_cast<std::uint32_t>(literal_prefix(service.path).size());
    rule.port = service.port;
    rule.wildcard = wildcard;
    rule.allow_http = service.allow_http;
    rule.any_method = service.methods.empty();
    rule.timed = service.expires_ms != 0;
    has_timed_ = has_timed_ || rule.timed;
    text_ += service.path;
    rules_.push_back(rule);
  }
  // Patterns that are equally specific but begin differently exclude one another, so that it does
  // not matter which of them comes first.
  std::stable_sort(rules_.begin() + begin, rules_.end(), [&](const Rule& a, const Rule& b) {
    return std::tuple(a.port == 0, b.prefix_size, start_of(a)) <
           std::tuple(b.port == 0, a.prefix_size, start_of(b));
  });
  rules_.back().last = true;
  const std::uint64_t hash = flat_hash(host, wildcard ? 1 : 0);
  if (services.size() <= kFew) {
    hosts_.add(hash, begin + 1);
  } else {
    add_crowd(hash, begin);
  }
}

void Matcher::add_crowd(std::uint64_t hash, std::uint32_t begin) {
  crowds_.push_back({begin, static_cast<std::uint32_t>(groups_.size())});
  hosts_.add(hash, static_cast<std::uint32_t>(crowds_.size()) | kIsCrowd);
  for (auto at = begin; at < rules_.size(); ++at) {
    const Rule& rule = rules_[at];
    const bool new_group = at == begin || (rule.port == 0) != (rules_[at - 1].port == 0) ||
                           rule.prefix_size != rules_[at - 1].prefix_size;
    if (new_group) {
      groups_.push_back({at, at, start_size_of(rule.prefix_size), false});
    }
    groups_.back().end = at + 1;
    if (new_group || start_of(rule) != start_of(rules_[at - 1])) {
      starts_.add(flat_hash(start_of(rule), groups_.size()), at + 1);
      if (at != begin) {
        rules_[at - 1].last = true;
      }
    }
  }
  groups_.back().last = true;
}

std::string_view Matcher::host_of(const Rule& rule) const {
  return std::string_view(text_).substr(rule.host, rule.host_size);
}

std::string_view Matcher::start_of(const Rule& rule) const {
  return std::string_view(text_).substr(rule.path, start_size_of(rule.prefix_size));
}

bool Matcher::fits(const Rule& rule, const RequestIdentity& request, std::int64_t now_ms) const {
  if (request.scheme == Scheme::kHttp && !rule.allow_http) {
    return false;
  }
  if (rule.timed && services_[rule.service].expires_ms <= now_ms) {
    return false;
  }
  const std::uint16_t port = rule.port != 0 ? rule.port : default_port(request.scheme);
  return port == request.authority.port &&
         (rule.any_method || method_matches(services_[rule.service], request)) &&
         path_matches(std::string_view(text_).substr(rule.path, rule.path_size),
                      request.target.path);
}

const Service* Matcher::first_fit(std::uint32_t rule, const RequestIdentity& request,
                                  std::int64_t now_ms) const {
  for (std::size_t at = rule;; ++at) {
    if (fits(rules_[at], request, now_ms)) {
      return &services_[rules_[at].service];
    }
    if (rules_[at].last) {
      return nullptr;
    }
  }
}

std::uint32_t Matcher::find_host(bool wildcard, std::string_view host) const {
  return hosts_.find(flat_hash(host, wildcard ? 1 : 0), [&](std::uint32_t value) {
    const std::uint32_t first =
        (value & kIsCrowd) != 0 ? crowds_[(value & ~kIsCrowd) - 1].rule : value - 1;
    return rules_[first].wildcard == wildcard && host_of(rules_[first]) == host;
  });
}

const Service* Matcher::best_of(bool wildcard, std::string_view host,
                                const RequestIdentity& request, std::int64_t now_ms) const {
  const std::uint32_t value = find_host(wildcard, host);
  if (value == 0) {
    return nullptr;
  }
  if ((value & kIsCrowd) == 0) {
    return first_fit(value - 1, request, now_ms);
  }
  const std::string_view path = request.target.path;
  for (std::size_t at = crowds_[(value & ~kIsCrowd) - 1].group;; ++at) {
    const Group& group = groups_[at];
    if (path.size() >= group.start_size) {
      const std::string_view start = path.substr(0, group.start_size);
      const std::uint32_t found = starts_.find(flat_hash(start, at + 1), [&](std::uint32_t rule) {
        return rule > group.begin && rule <= group.end && start_of(rules_[rule - 1]) == start;
      });
      const Service* const service = found == 0 ? nullptr : first_fit(found - 1, request, now_ms);
      if (service != nullptr) {
        return service;
      }
    }
    if (group.last) {
      return nullptr;
    }
  }
}

bool Matcher::has_host(std::string_view host) const {
  const std::size_t dot = host.find('.');
  return find_host(false, host) != 0 ||
         (dot != std::string_view::npos && find_host(true, host.substr(dot + 1)) != 0);
}

const Service* Matcher::find(const RequestIdentity& request, std::int64_t now_ms) const {
  const std::string_view host = request.authority.host;
  if (const Service* service = best_of(false, host, request, now_ms)) {
    return service;
  }
  const std::size_t dot = host.find('.');
  return dot == std::string_view::npos ? nullptr
                                       : best_of(true, host.substr(dot + 1), request, now_ms);
}

}  // namespace av::vault
