#pragma once
// What policy says about a request that nobody sends: for `rule test` and for the expectations of
// rule files. Policy::decide itself is asked.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/policy.h"
#include "vault/rule_codec.h"

namespace av::vault {

struct Verdict {
  Expectation::Decision decision = Expectation::Decision::kAllow;
  std::string rule;                   // the one that decided; "" for none
  std::string service;                // the one that covers it; "" for none
  std::optional<Deny> deny;           // when it is refused, also by a limit
  std::uint32_t timeout_seconds = 0;  // of an approval
};

// How far the limits are that count a request, in the order in which policy takes them: the agent's
// own first, then the rules that match in their order. Empty when it is refused before.
using Counts = std::vector<Expected<LimitLedger::Count>>;

struct Question {
  SnapshotPtr snapshot;
  Principal principal;
  RequestIdentity request;
  BodyView body;
  std::int64_t now_ms = 0;
};

// Nothing is taken from `ledger`; null: every limit grants.
[[nodiscard]] Verdict judge(const Question& question, LimitLedger* ledger);
[[nodiscard]] Counts look_at_limits(const Question& question, LimitLedger& ledger);
// Whether the decision may be another one for another body.
[[nodiscard]] bool depends_on_body(const Question& question);

// As a body that the proxy looks at: what is too large is not read, and that of a POST may be a
// form. The request is set before.
void set_body(Question& question, std::string_view bytes);

}  // namespace av::vault
