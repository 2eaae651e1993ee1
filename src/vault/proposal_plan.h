#pragma once
// What a proposal would do to a vault as it is now, what a human may take away from that, and how
// it is told. A plan is made anew each time: between asking and allowing the vault goes on
// changing.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "vault/agent.h"
#include "vault/policy.h"
#include "vault/proposal.h"

namespace av::vault {

// The part of a vault that matters here.
struct VaultState {
  std::vector<Service> services;
  std::map<std::string, std::uint64_t, std::less<>> credentials;  // key -> version
  UnmatchedPolicy unmatched = UnmatchedPolicy::kPassthrough;
  std::optional<Agent> agent;  // who asks, when it is an agent that is still there
  bool agent_gone = false;     // it was one, and is not there any more or revoked
};

struct ServiceChange {
  std::optional<Service> before;  // none: it is new
  std::optional<Service> after;   // none: it is removed
};
struct CredentialChange {
  std::string key;
  std::uint64_t before = 0;  // version; 0: it is new
  bool remove = false;
  bool has_value = false;  // else the reviewer must give one
};
struct ProposalPlan {
  std::vector<ServiceChange> services;
  std::vector<CredentialChange> credentials;
};

// kInvalid: refers to a credential that is neither stored nor proposed. kNotFound: what it would
// change is not there. kConflict: a host without a name that fits several services.
[[nodiscard]] Expected<ProposalPlan> plan_of(const ProposalRequest& request,
                                             const VaultState& state);

// Applies what the human took away. Each service stays covered by what was proposed
// (check_covered); kNotPermitted where it would not. `grant` names the counters of uses.
[[nodiscard]] Status narrow(ProposalPlan& plan, const Narrowing& narrowing, std::int64_t now_ms,
                            const std::string& grant);

// One line of the account of what the agent can do before and after. Printable; holds no value; at
// most 2000 characters.
struct DiffLine {
  enum class Kind : std::uint8_t { kAdd, kRemove, kSame, kWarn };
  Kind kind = Kind::kSame;
  std::string text;
};
[[nodiscard]] std::string_view to_string(DiffLine::Kind kind);  // "add", "remove", "same", "warn"

struct ProposalDiff {
  std::vector<DiffLine> lines;
  std::vector<std::string> needed;  // keys whose values the reviewer must give
  // Of the proposal and of all in the vault that it touches, not of a narrowing: what was looked
  // at.
  std::string fingerprint;
};
[[nodiscard]] std::vector<DiffLine> diff_of(const ProposalRequest& request,
                                            const ProposalPlan& plan, const VaultState& state);
// `plan` before any narrowing.
[[nodiscard]] std::string fingerprint_of(const Proposal& proposal, const ProposalPlan& plan,
                                         const VaultState& state);
// {"lines":[{"kind","text"}],"needed":[],"fingerprint"}, in one line.
[[nodiscard]] std::string diff_to_json(const ProposalDiff& diff);

}  // namespace av::vault
