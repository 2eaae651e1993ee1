#pragma once
// What about a set of rules will probably surprise who wrote them. Says nothing about whether they
// are valid.

#include <span>
#include <string>
#include <vector>

#include "vault/policy.h"
#include "vault/rule.h"

namespace av::vault {

struct RuleRemark {
  std::string rule;   // name
  std::string words;  // for people
};

// Of enabled rules, in order. `agents`: the names that there are; null: not known.
[[nodiscard]] std::vector<RuleRemark> review_rules(std::span<const Rule> rules,
                                                   UnmatchedPolicy unmatched,
                                                   const std::vector<std::string>* agents);

// Whether `a` matches every request that `b` matches; may be false where it is true.
[[nodiscard]] bool covers(const Rule& a, const Rule& b);

}  // namespace av::vault
