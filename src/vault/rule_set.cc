#include "vault/rule_set.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "core/ascii.h"
#include "vault/body_conditions.h"
#include "vault/matcher.h"
#include "vault/method_override.h"

namespace av::vault {
namespace {

// How a host pattern is looked up: by the whole host or by what is behind one of its dots.
enum class HostKind : char { kAny = 'a', kExact = 'e', kOneLabel = 'o', kDeep = 'd' };

// Agents' names and hosts hold no line feed.
void set_key(std::string& key, HostKind kind, std::string_view host, std::string_view agent) {
  key.clear();
  key.push_back(static_cast<char>(kind));
  key += agent;
  key.push_back('\n');
  key += host;
}

std::pair<HostKind, std::string_view> host_of(const Rule& rule) {
  const std::string_view host = rule.host;
  if (host.empty()) {
    return {HostKind::kAny, {}};
  }
  if (host.starts_with("**.")) {
    return {HostKind::kDeep, host.substr(3)};
  }
  if (host.starts_with("*.")) {
    return {HostKind::kOneLabel, host.substr(2)};
  }
  return {HostKind::kExact, host};
}

// What every path that the pattern covers begins with: "/x/*" covers "/x" too.
std::size_t start_size(std::string_view pattern) {
  const std::size_t literal = std::min(pattern.find('*'), pattern.size());
  return literal == 0 ? 0 : literal - 1;
}

bool same_method(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return ascii::upper(x) == ascii::upper(y);
         });
}

bool lists(const Rule& rule, std::string_view method) {
  const bool head = same_method(method, "HEAD");
  return std::any_of(rule.methods.begin(), rule.methods.end(), [&](const std::string& listed) {
    return same_method(listed, method) || (head && listed == "GET");
  });
}

bool lists_one(const Rule& rule, const OverrideMethods& methods) {
  return methods.any || std::any_of(methods.methods.begin(), methods.methods.end(),
                                    [&](const std::string& method) { return lists(rule, method); });
}

bool allows(const Rule& rule, std::string_view method) {
  return std::find(rule.methods.begin(), rule.methods.end(), method) != rule.methods.end();
}

enum class MethodFit : std::uint8_t {
  kNo,
  kYes,
  kIfForm,  // when the form that is the body puts a method in place of the request's
};

// `others`: methods_in_query() of the request.
MethodFit method_fits(const Rule& rule, const RequestIdentity& request,
                      const OverrideMethods& others) {
  if (rule.methods.empty()) {
    return MethodFit::kYes;
  }
  if (!restricts(rule.action)) {
    const bool all = allows(rule, request.method) && !others.any &&
                     std::all_of(others.methods.begin(), others.methods.end(),
                                 [&](const std::string& method) { return allows(rule, method); });
    return all ? MethodFit::kYes : MethodFit::kNo;
  }
  if (lists(rule, request.method) || lists_one(rule, others)) {
    return MethodFit::kYes;
  }
  return request.form ? MethodFit::kIfForm : MethodFit::kNo;
}

// `in_form`: methods_in_form() of the body, made when the first rule needs it.
BodyAnswer form_fits(const Rule& rule, const BodyView& body,
                     std::optional<OverrideMethods>& in_form) {
  if (body.state == BodyView::State::kUnreadable) {
    return BodyAnswer::kUnreadable;
  }
  if (!in_form) {
    in_form = methods_in_form(body.bytes);
  }
  return lists_one(rule, *in_form) ? BodyAnswer::kYes : BodyAnswer::kNo;
}

bool port_fits(const Rule& rule, const RequestIdentity& request) {
  if (rule.port != 0 || !restricts(rule.action)) {
    const std::uint16_t port = rule.port != 0 ? rule.port : default_port(request.scheme);
    return port == request.authority.port;
  }
  return true;
}

using Paths = std::vector<std::string>;

bool path_fits(const Rule& rule, const Paths& patterns, const RequestIdentity& request,
               const Paths& readings) {
  if (rule.path.empty()) {
    return true;
  }
  const auto covered = [&](const std::string& reading) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& pattern) { return path_matches(pattern, reading); });
  };
  if (restricts(rule.action)) {
    return std::any_of(readings.begin(), readings.end(), covered);
  }
  return path_matches(rule.path, request.target.path) &&
         std::all_of(readings.begin(), readings.end(), covered);
}

bool host_fits(const Rule& rule, std::string_view host) {
  const auto [kind, text] = host_of(rule);
  switch (kind) {
    case HostKind::kAny:
      return true;
    case HostKind::kExact:
      return host == text;
    case HostKind::kOneLabel:
    case HostKind::kDeep:
      break;
  }
  if (host.size() < text.size() + 2 || !host.ends_with(text)) {
    return false;
  }
  const std::string_view labels = host.substr(0, host.size() - text.size());  // "a.b."
  return labels.ends_with('.') &&
         (kind == HostKind::kDeep || labels.find('.') == labels.size() - 1);
}

}  // namespace

class RuleSet::Readings {
 public:
  explicit Readings(std::string_view path) : path_(path) {}
  const Paths& get() {
    if (all_.empty()) {
      all_ = path_readings(path_);
    }
    return all_;
  }

 private:
  std::string_view path_;
  Paths all_;
};

struct RuleSet::Entry {
  std::string key;
  std::string start;
  std::uint32_t rule = 0;
};

RuleSet::RuleSet(std::vector<Rule> rules) {
  std::vector<Entry> entries;
  for (Rule& rule : rules) {
    if (!rule.enabled) {
      continue;
    }
    const auto index = static_cast<std::uint32_t>(rules_.size());
    patterns_.push_back(pattern_readings(rule.path));
    const auto [kind, host] = host_of(rule);
    std::vector<std::string> agents = rule.agents;
    if (agents.empty()) {
      agents.emplace_back();
    }
    for (const std::string& agent : agents) {
      for (const std::string& pattern : patterns_.back()) {
        Entry entry;
        set_key(entry.key, kind, host, agent);
        entry.start = pattern.substr(0, start_size(pattern));
        entry.rule = index;
        entries.push_back(std::move(entry));
      }
    }
    rules_.push_back(std::move(rule));
  }
  compile(std::move(entries));
}

void RuleSet::compile(std::vector<Entry> entries) {
  const auto place_of = [](const Entry& e) { return std::tie(e.key); };
  const auto bucket_of = [](const Entry& e) {
    return std::tuple<const std::string&, std::size_t, const std::string&>(e.key, e.start.size(),
                                                                           e.start);
  };
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    return std::tuple_cat(bucket_of(a), std::tuple(a.rule)) <
           std::tuple_cat(bucket_of(b), std::tuple(b.rule));
  });
  for (std::size_t at = 0; at < entries.size(); ++at) {
    Entry& entry = entries[at];
    const bool new_place = at == 0 || place_of(entry) != place_of(entries[at - 1]);
    const bool new_group = new_place || entry.start.size() != entries[at - 1].start.size();
    const bool new_bucket = new_group || entry.start != entries[at - 1].start;
    if (new_place) {
      if (!groups_.empty()) {
        groups_.back().last = true;
      }
      places_.push_back({entry.key, static_cast<std::uint32_t>(groups_.size())});
    }
    if (new_group) {
      groups_.push_back({static_cast<std::uint32_t>(entry.start.size()), false});
    }
    if (new_bucket) {
      const auto begin = static_cast<std::uint32_t>(order_.size());
      const auto group = static_cast<std::uint32_t>(groups_.size() - 1);
      buckets_.push_back({entry.start, group, begin, begin});
    }
    order_.push_back(entry.rule);
    buckets_.back().end = static_cast<std::uint32_t>(order_.size());
  }
  if (!groups_.empty()) {
    groups_.back().last = true;
  }
  place_table_.reserve(places_.size());
  for (std::size_t at = 0; at < places_.size(); ++at) {
    place_table_.add(flat_hash(places_[at].key, 0), static_cast<std::uint32_t>(at + 1));
  }
  bucket_table_.reserve(buckets_.size());
  for (std::size_t at = 0; at < buckets_.size(); ++at) {
    bucket_table_.add(flat_hash(buckets_[at].start, buckets_[at].group + 1),
                      static_cast<std::uint32_t>(at + 1));
  }
}

template <typename Take>
void RuleSet::each_at(std::string_view key, Readings& readings, const Take& take) const {
  const std::uint32_t place = place_table_.find(
      flat_hash(key, 0), [&](std::uint32_t p) { return places_[p - 1].key == key; });
  if (place == 0) {
    return;
  }
  for (std::uint32_t group = places_[place - 1].group;; ++group) {
    const std::size_t size = groups_[group].start_size;
    for (const std::string& reading : readings.get()) {
      if (reading.size() < size) {
        continue;
      }
      const std::string_view start = std::string_view(reading).substr(0, size);
      const std::uint32_t bucket =
          bucket_table_.find(flat_hash(start, group + 1), [&](std::uint32_t b) {
            return buckets_[b - 1].group == group && buckets_[b - 1].start == start;
          });
      if (bucket != 0) {
        const Bucket& found = buckets_[bucket - 1];
        for (std::uint32_t at = found.begin; at < found.end; ++at) {
          take(order_[at]);
        }
      }
    }
    if (groups_[group].last) {
      return;
    }
  }
}

// Every rule that may fit by host, agent and the beginning of the path; some of them twice.
template <typename Take>
void RuleSet::each_candidate(const RequestIdentity& request, std::string_view agent,
                             Readings& readings, const Take& take) const {
  const std::string_view host = request.authority.host;
  std::string key;
  const auto look = [&](HostKind kind, std::string_view text) {
    set_key(key, kind, text, {});
    each_at(key, readings, take);
    if (!agent.empty()) {
      set_key(key, kind, text, agent);
      each_at(key, readings, take);
    }
  };
  look(HostKind::kAny, {});
  look(HostKind::kExact, host);
  bool first = true;
  for (std::size_t dot = host.find('.'); dot != std::string_view::npos;
       dot = host.find('.', dot + 1)) {
    const std::string_view parent = host.substr(dot + 1);
    if (first) {
      look(HostKind::kOneLabel, parent);
      first = false;
    }
    look(HostKind::kDeep, parent);
  }
}

RuleSet::Found RuleSet::find(const RequestIdentity& request, std::string_view agent,
                             const BodyView* body) const {
  Found found;
  if (rules_.empty()) {
    return found;
  }
  Readings readings(request.target.path);
  // Each once, and in order, however many readings lead to it.
  std::vector<std::uint32_t> candidates;
  each_candidate(request, agent, readings,
                 [&](std::uint32_t index) { candidates.push_back(index); });
  std::sort(candidates.begin(), candidates.end());
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  const OverrideMethods others =
      candidates.empty() ? OverrideMethods() : methods_in_query(request.target.query);
  std::optional<OverrideMethods> in_form;
  for (const std::uint32_t index : candidates) {
    const Rule& rule = rules_[index];
    const MethodFit method =
        port_fits(rule, request) ? method_fits(rule, request, others) : MethodFit::kNo;
    if (method == MethodFit::kNo || !path_fits(rule, patterns_[index], request, readings.get())) {
      continue;
    }
    if ((method == MethodFit::kIfForm || !rule.body.empty()) && body == nullptr) {
      found.needs_body = true;
      continue;
    }
    const BodyAnswer form =
        method == MethodFit::kIfForm ? form_fits(rule, *body, in_form) : BodyAnswer::kYes;
    if (form == BodyAnswer::kNo) {
      continue;
    }
    const BodyAnswer answer = rule.body.empty() ? form : check_body(rule, *body);
    const bool unreadable = answer == BodyAnswer::kUnreadable;
    if (answer == BodyAnswer::kNo || (unreadable && !restricts(rule.action))) {
      continue;
    }
    switch (rule.action) {
      case RuleAction::kBlock:
        if (found.block == nullptr) {
          found.block = &rule;
          found.body_unreadable = unreadable;
        }
        break;
      case RuleAction::kApprove:
        found.approvals.push_back(&rule);
        break;
      case RuleAction::kRateLimit:
        found.limits.push_back(&rule);
        break;
      case RuleAction::kAllow:
        found.allow = found.allow == nullptr ? &rule : found.allow;
        break;
    }
  }
  return found;
}

bool RuleSet::concern(std::string_view host) const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [&](const Rule& rule) { return host_fits(rule, host); });
}

std::vector<const Rule*> RuleSet::matching(const RequestIdentity& request, std::string_view agent,
                                           const BodyView* body) const {
  const BodyView none;
  std::vector<const Rule*> out;
  for (const Rule& rule : rules_) {
    if (mismatch(rule, request, agent, body == nullptr ? none : *body) == Mismatch::kNothing) {
      out.push_back(&rule);
    }
  }
  return out;
}

std::size_t RuleSet::candidates(const RequestIdentity& request, std::string_view agent) const {
  std::size_t count = 0;
  Readings readings(request.target.path);
  each_candidate(request, agent, readings, [&](std::uint32_t) { ++count; });
  return count;
}

Mismatch mismatch(const Rule& rule, const RequestIdentity& request, std::string_view agent,
                  const BodyView& body) {
  if (!rule.enabled) {
    return Mismatch::kDisabled;
  }
  if (!host_fits(rule, request.authority.host)) {
    return Mismatch::kHost;
  }
  if (!rule.agents.empty() &&
      std::find(rule.agents.begin(), rule.agents.end(), agent) == rule.agents.end()) {
    return Mismatch::kAgent;
  }
  if (!port_fits(rule, request)) {
    return Mismatch::kPort;
  }
  const MethodFit method = method_fits(rule, request, methods_in_query(request.target.query));
  std::optional<OverrideMethods> in_form;
  if (method == MethodFit::kNo ||
      (method == MethodFit::kIfForm && form_fits(rule, body, in_form) == BodyAnswer::kNo)) {
    return Mismatch::kMethod;
  }
  if (!path_fits(rule, pattern_readings(rule.path), request, path_readings(request.target.path))) {
    return Mismatch::kPath;
  }
  const BodyAnswer answer = check_body(rule, body);
  const bool holds =
      answer == BodyAnswer::kYes || (answer == BodyAnswer::kUnreadable && restricts(rule.action));
  return holds ? Mismatch::kNothing : Mismatch::kBody;
}

}  // namespace av::vault
