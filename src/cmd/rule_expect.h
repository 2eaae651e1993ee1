#pragma once
// The expectations of a rule file: unit tests of policy.

#include <string>
#include <vector>

#include "cmd/command.h"
#include "vault/rule_codec.h"
#include "vault/rule_judge.h"

namespace av::cmd {

using vault::judge;
using vault::Question;
using vault::set_body;
using vault::Verdict;

struct Met {
  const vault::Expectation* expectation = nullptr;
  Verdict got;
  std::string answer;  // code of the refusal, or ""
  bool ok = false;
};

// What becomes of the requests with these rules beside the services of `snapshot`; limits grant.
// Agents that there are not act in the whole vault.
[[nodiscard]] std::vector<Met> check_expectations(
    Context& context, const vault::PolicySnapshot& snapshot, const std::vector<vault::Rule>& rules,
    const std::vector<vault::Expectation>& expectations);

// "DELETE https://a.example/x as claude: block by no-deletes", and what was expected if not that.
[[nodiscard]] std::string describe(const Met& met);

// The names of all agents; empty optional when they cannot be had.
[[nodiscard]] std::optional<std::vector<std::string>> agent_names(Context& context);
// The principal that `name` is; "" for a run without an agent.
[[nodiscard]] vault::Principal principal_of(const vault::PolicySnapshot& snapshot,
                                            const std::string& name);
// The code that the agent is answered with, or "" when the request is passed on.
[[nodiscard]] std::string answer_code(const Verdict& verdict,
                                      const vault::RequestIdentity& request);

}  // namespace av::cmd
