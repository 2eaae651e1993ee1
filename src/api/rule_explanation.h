#pragma once
// What `rule test` and POST /v1/vaults/{v}/rules/test say about one request that nobody sends.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/fault.h"
#include "vault/rule_judge.h"
#include "vault/rule_set.h"

namespace av::api {

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
  vault::Counts counts;
  vault::Verdict verdict;
  std::optional<proxy::Fault> answer;  // empty: the request is passed on
  bool body_given = false;
  bool looks_at_body = false;
};

// How the proxy words a refusal (proxy::denial_fault).
using Denial = std::function<proxy::Fault(const vault::Deny&, const vault::RequestIdentity&,
                                          std::int64_t now_ms)>;

// Fills in everything but vault, agent_name, all_rules and body_given, which are there. `limits`:
// looked at, never taken from; may be null. `out` must stay where it is as long as it is used.
void explain(const vault::Question& question, vault::LimitLedger* limits, const Denial& denial,
             Explanation& out);
// Why a rule matches or does not: "is for other paths".
[[nodiscard]] std::string_view why(vault::Mismatch mismatch);
// `verbose`: also the rules of this host that do not match. `snapshot` is the one that was asked.
[[nodiscard]] std::string explanation_json(const Explanation& explained,
                                           const vault::PolicySnapshot& snapshot, bool verbose);

}  // namespace av::api
