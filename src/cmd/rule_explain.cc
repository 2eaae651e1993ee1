#include "cmd/rule_explain.h"

#include <algorithm>

#include "cmd/output.h"
#include "cmd/rule_file.h"
#include "core/encoding.h"
#include "vault/request_text.h"

namespace av::cmd {
namespace {

using Decision = vault::Expectation::Decision;

std::string scope_words(const std::vector<std::string>& names) {
  return names.empty() ? "all" : join(names, ", ");
}

std::string limit_words(const api::Considered& considered) {
  const std::string terms = terms_of(*considered.rule);
  if (considered.count == nullptr) {
    return terms;
  }
  const auto& count = *considered.count;
  if (!count) {
    return terms + ", count not known: " + count.error().message;
  }
  return std::to_string(count->used) + " of " + terms + " used";
}

std::string credential_words(const vault::PolicySnapshot& snapshot, const vault::Service& service) {
  std::string out;
  for (const std::string& key : service.credential_keys()) {
    out += (out.empty() ? "" : ", ") + key +
           (snapshot.credentials.contains(key) ? " (set)" : " (not set)");
  }
  return out.empty() ? "no credential" : out;
}

std::string decision_words(const api::Explanation& explained) {
  const vault::Verdict& verdict = explained.verdict;
  const std::string by = verdict.rule.empty() ? "" : " by " + verdict.rule;
  switch (verdict.decision) {
    case Decision::kBlock:
      return "blocked" + by;
    case Decision::kApprove:
      return "held" + by + " until a person allows it, at most " +
             std::to_string(verdict.timeout_seconds) + " s";
    case Decision::kRateLimit:
      return verdict.deny ? "refused: the limit" + (verdict.rule.empty() ? " of the agent" : by) +
                                " is used up"
                          : "allowed, and counted" + by;
    case Decision::kDeny:
      return "refused";
    case Decision::kAllow:
      break;
  }
  return "allowed" + by + (verdict.service.empty() ? ", without a credential" : "");
}

}  // namespace

void print_explanation(const Context& context, const api::Explanation& explained,
                       const vault::PolicySnapshot& snapshot, bool verbose) {
  constexpr std::size_t kWidth = 12;
  const auto line = [&](std::string_view what, const std::string& text) {
    std::string label = "  " + std::string(what);
    label.resize(std::max(label.size() + 1, kWidth), ' ');
    print(context.out, label + encoding::printable(text) + "\n");
  };
  print(context.out, encoding::printable(to_string(explained.request)) + "\n");
  for (const std::string& reading : explained.readings) {
    if (reading != explained.request.target.path) {
      line("also as", reading);
    }
  }
  if (!explained.agent_name.empty()) {
    line("agent", explained.agent == nullptr
                      ? explained.agent_name + ": may not act in this vault"
                      : explained.agent_name + ": services " +
                            scope_words(explained.agent->services) + "; credentials " +
                            scope_words(explained.agent->credentials));
  }
  bool any = false;
  for (const api::Considered& considered : explained.rules) {
    const bool matches = considered.mismatch == vault::Mismatch::kNothing;
    if (matches || (verbose && considered.mismatch != vault::Mismatch::kHost)) {
      const std::string terms = limit_words(considered);
      line("rule",
           considered.rule->name + " (" + std::string(to_string(considered.rule->action)) +
               (terms.empty() ? "" : ", " + terms) + ") " +
               std::string(api::why(considered.mismatch)) +
               (matches && considered.rule->name == explained.verdict.rule ? " and decides" : ""));
      any = true;
    }
  }
  if (!any) {
    line("rule", "none matches");
  }
  line("service",
       explained.service == nullptr
           ? "none covers it; unmatched requests: " + std::string(to_string(explained.unmatched))
           : explained.service->name + ": " +
                 std::string(vault::auth_type_name(explained.service->auth)) + ", " +
                 credential_words(snapshot, *explained.service) +
                 (explained.service->enabled ? "" : ", disabled"));
  if (explained.looks_at_body && !explained.body_given) {
    line("body", "rules look at it, and none was given: taken as empty (--body)");
  }
  line("decision", decision_words(explained));
  line("answer", explained.answer
                     ? std::to_string(explained.answer->status) + " " +
                           std::string(explained.answer->code) + ": " + explained.answer->message
                     : "the server's own");
}

}  // namespace av::cmd
