#include "vault/rule_judge.h"

#include <utility>

#include "core/overloaded.h"

namespace av::vault {
namespace {

using Word = Expectation::Decision;

// Looks where policy takes.
class LookingLedger final : public LimitLedger {
 public:
  // With `all_granted` each limit lets the request pass, whatever is counted.
  LookingLedger(LimitLedger* real, bool all_granted) : real_(real), all_granted_(all_granted) {}

  Expected<Count> take(LimitKey key, std::uint32_t limit, std::int64_t window_ms,
                       std::int64_t now_ms) override {
    Expected<Count> count = look(key, limit, window_ms, now_ms);
    seen_.push_back(count);
    if (all_granted_) {
      Count granted;
      granted.granted = true;
      return granted;
    }
    return count;
  }
  void give_back(LimitKey /*key*/, std::int64_t /*window_ms*/, const Count& /*taken*/) override {}
  Expected<Count> look(LimitKey key, std::uint32_t limit, std::int64_t window_ms,
                       std::int64_t now_ms) override {
    if (real_ != nullptr) {
      return real_->look(key, limit, window_ms, now_ms);
    }
    Count granted;
    granted.granted = true;
    return granted;
  }
  [[nodiscard]] Counts take_seen() { return std::move(seen_); }

 private:
  LimitLedger* real_;
  bool all_granted_;
  Counts seen_;
};

Decision decide(const Question& question, LimitLedger& ledger, bool with_body) {
  PolicyInput input;
  input.snapshot = question.snapshot;
  input.principal = &question.principal;
  input.limits = &ledger;
  input.now_ms = question.now_ms;
  return Policy::decide(input, question.request, with_body ? &question.body : nullptr);
}

Verdict refused(const Deny& deny) {
  Verdict out;
  out.decision = deny.reason == Deny::Reason::kBlocked       ? Word::kBlock
                 : deny.reason == Deny::Reason::kRateLimited ? Word::kRateLimit
                                                             : Word::kDeny;
  out.rule = deny.rule;
  out.service = deny.service;
  out.deny = deny;
  return out;
}

Verdict passed(const AllowedRequest& request) {
  Verdict out;
  const Rule* const rule = request.rule();
  if (rule != nullptr) {
    out.rule = rule->name;
    out.decision = rule->action == RuleAction::kRateLimit ? Word::kRateLimit : Word::kAllow;
  }
  out.service = request.service() == nullptr ? "" : request.service()->name;
  return out;
}

}  // namespace

Verdict judge(const Question& question, LimitLedger* ledger) {
  LookingLedger looking(ledger, /*all_granted=*/false);
  return std::visit(Overloaded{[](const AllowedRequest& allowed) { return passed(allowed); },
                               [](const Deny& deny) { return refused(deny); },
                               // Only without a body.
                               [](const NeedsBody&) { return Verdict{}; },
                               [](const HeldRequest& held) {
                                 Verdict out = passed(held.request());
                                 out.decision = Word::kApprove;
                                 out.timeout_seconds = held.rules().front()->timeout_seconds;
                                 return out;
                               }},
                    decide(question, looking, /*with_body=*/true));
}

Counts look_at_limits(const Question& question, LimitLedger& ledger) {
  LookingLedger looking(&ledger, /*all_granted=*/true);
  (void)decide(question, looking, /*with_body=*/true);
  return looking.take_seen();
}

bool depends_on_body(const Question& question) {
  LookingLedger looking(nullptr, /*all_granted=*/true);
  return std::holds_alternative<NeedsBody>(decide(question, looking, /*with_body=*/false));
}

void set_body(Question& question, std::string_view bytes) {
  question.body = BodyView();
  if (bytes.size() > BodyView::kMaxSize) {
    question.body.state = BodyView::State::kUnreadable;
  } else {
    question.body.bytes = bytes;
  }
  question.request.form = question.request.method == "POST" && !bytes.empty();
}

}  // namespace av::vault
