#pragma once
// What `rule test` says about one request.

#include <optional>
#include <string>
#include <vector>

#include "cmd/command.h"
#include "cmd/rule_judge.h"
#include "proxy/fault.h"
#include "vault/rule_set.h"

namespace av::cmd {

// A rule and what keeps it from matching, if anything does.
struct Considered {
  const vault::Rule* rule = nullptr;
  vault::Mismatch mismatch = vault::Mismatch::kNothing;
  const Expected<vault::LimitLedger::Count>* count = nullptr;  // of a limit that was looked at
};

struct Explanation {
  std::string vault;
  vault::UnmatchedPolicy unmatched = vault::UnmatchedPolicy::kPassthrough;
  vault::RequestIdentity request;
  std::vector<std::string> readings;
  std::string agent_name;
  const vault::Agent* agent = nullptr;  // null: none, or one that may not act here
  std::vector<vault::Rule> all_rules;   // disabled ones too
  std::vector<Considered> rules;
  const vault::Service* service = nullptr;
  Counts counts;
  Verdict verdict;
  std::optional<proxy::Fault> answer;  // empty: the request is passed on
  bool body_given = false;
  bool looks_at_body = false;
};

// In words, on the context's output; as JSON. `verbose`: also the rules of this host that do not
// match. `snapshot` is the one that was asked.
void print_explanation(const Context& context, const Explanation& explained,
                       const vault::PolicySnapshot& snapshot, bool verbose);
[[nodiscard]] std::string explanation_json(const Explanation& explained,
                                           const vault::PolicySnapshot& snapshot, bool verbose);

}  // namespace av::cmd
