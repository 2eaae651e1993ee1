#include "vault/rule_review.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/ascii.h"
#include "vault/matcher.h"
#include "vault/names.h"

namespace av::vault {
namespace {

constexpr std::string_view kDeep = "**.";
constexpr std::string_view kOneLabel = "*.";

bool ends_with_label(std::string_view host, std::string_view parent) {
  return host.size() > parent.size() && host.ends_with(parent) &&
         host[host.size() - parent.size() - 1] == '.';
}

bool host_covers(std::string_view a, std::string_view b) {
  if (a.empty() || a == b) {
    return true;
  }
  if (a.starts_with(kDeep)) {
    const std::string_view parent = a.substr(kDeep.size());
    const bool deep = b.starts_with(kDeep);
    const bool wild = deep || b.starts_with(kOneLabel);
    const std::string_view host = deep ? b.substr(kDeep.size()) : wild ? b.substr(2) : b;
    return ends_with_label(host, parent) || (wild && host == parent);
  }
  const bool exact = b.find('*') == std::string_view::npos;
  return a.starts_with(kOneLabel) && exact && ends_with_label(b, a.substr(2)) &&
         b.find('.') == b.size() - a.size() + 1;
}

// A star of `b` is only ever covered by one of `a`, so its pattern may stand for its paths.
bool path_covers(std::string_view a, std::string_view b) {
  return a.empty() || path_matches(ascii::lower(a), b.empty() ? "/*" : ascii::lower(b));
}

bool holds(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool methods_cover(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return a.empty() ||
         (!b.empty() && std::all_of(b.begin(), b.end(), [&](const std::string& method) {
           return holds(a, method) || (method == "HEAD" && holds(a, "GET"));
         }));
}

bool agents_cover(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return a.empty() || (!b.empty() && std::all_of(b.begin(), b.end(), [&](const std::string& agent) {
           return holds(a, agent);
         }));
}

void remark_on_names(const Rule& rule, const std::vector<std::string>* agents,
                     std::vector<RuleRemark>& out) {
  static const std::vector<std::string> kMethods = {"GET",    "HEAD",    "POST",    "PUT",  "PATCH",
                                                    "DELETE", "OPTIONS", "CONNECT", "TRACE"};
  for (const std::string& method : rule.methods) {
    const std::string near = holds(kMethods, method) ? "" : did_you_mean(method, kMethods);
    if (!near.empty()) {
      out.push_back({rule.name, "names the method " + method + "; is " + near + " meant?"});
    }
  }
  if (agents == nullptr) {
    return;
  }
  for (const std::string& agent : rule.agents) {
    if (!holds(*agents, agent)) {
      const std::string near = did_you_mean(agent, *agents);
      out.push_back({rule.name, "names the agent " + agent + ", which there is not" +
                                    (near.empty() ? "" : "; is " + near + " meant?")});
    }
  }
}

}  // namespace

bool covers(const Rule& a, const Rule& b) {
  // A rule that restricts reads more requests as its own than one that allows.
  return (restricts(a.action) || !restricts(b.action)) && a.enabled && a.body.empty() &&
         host_covers(a.host, b.host) && (a.port == 0 ? restricts(a.action) : a.port == b.port) &&
         path_covers(a.path, b.path) && methods_cover(a.methods, b.methods) &&
         agents_cover(a.agents, b.agents);
}

std::vector<RuleRemark> review_rules(std::span<const Rule> rules, UnmatchedPolicy unmatched,
                                     const std::vector<std::string>* agents) {
  std::vector<RuleRemark> out;
  std::vector<const Rule*> blocks;
  for (const Rule& rule : rules) {
    if (rule.enabled && rule.action == RuleAction::kBlock && rule.body.empty()) {
      blocks.push_back(&rule);
    }
  }
  // Nobody reads a thousand remarks; comparing each with each would take a while.
  constexpr std::size_t kMaxComparisons = 1'000'000;
  const bool compare = blocks.size() * rules.size() <= kMaxComparisons;
  for (const Rule& rule : rules) {
    if (!rule.enabled) {
      continue;
    }
    remark_on_names(rule, agents, out);
    if (rule.action == RuleAction::kAllow && unmatched == UnmatchedPolicy::kPassthrough) {
      out.push_back({rule.name,
                     "allows what passes anyway, until the vault refuses unmatched requests: "
                     "agent-vault vault settings --unmatched deny"});
    }
    const auto by = !compare || rule.action == RuleAction::kBlock
                        ? blocks.end()
                        : std::find_if(blocks.begin(), blocks.end(),
                                       [&](const Rule* block) { return covers(*block, rule); });
    if (by != blocks.end()) {
      out.push_back({rule.name, "never decides: " + (*by)->name + " blocks all that it matches"});
    }
  }
  return out;
}

}  // namespace av::vault
