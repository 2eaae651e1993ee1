#include "cmd/rule_explain.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/output.h"
#include "cmd/rule_file.h"
#include "core/encoding.h"
#include "vault/request_text.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using Decision = vault::Expectation::Decision;

std::string_view why(vault::Mismatch mismatch) {
  switch (mismatch) {
    case vault::Mismatch::kNothing:
      return "matches";
    case vault::Mismatch::kDisabled:
      return "is disabled";
    case vault::Mismatch::kHost:
      return "is for another host";
    case vault::Mismatch::kAgent:
      return "is for other agents";
    case vault::Mismatch::kPort:
      return "is for another port";
    case vault::Mismatch::kMethod:
      return "is for other methods";
    case vault::Mismatch::kPath:
      return "is for other paths";
    case vault::Mismatch::kBody:
      return "is for other bodies";
  }
  return "";
}

std::string scope_words(const std::vector<std::string>& names) {
  return names.empty() ? "all" : join(names, ", ");
}

std::string limit_words(const Considered& considered) {
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

std::string decision_words(const Explanation& explained) {
  const Verdict& verdict = explained.verdict;
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

Json rule_json(const Considered& considered) {
  Json out = {{"name", considered.rule->name},
              {"action", to_string(considered.rule->action)},
              {"matches", considered.mismatch == vault::Mismatch::kNothing},
              {"why", why(considered.mismatch)}};
  if (considered.rule->action == vault::RuleAction::kRateLimit) {
    Json limit = {{"limit", considered.rule->limit.count},
                  {"window", to_string(considered.rule->limit.window)},
                  {"used", nullptr}};
    if (considered.count != nullptr && *considered.count) {
      limit["used"] = (*considered.count)->used;
      limit["window_end_ms"] = (*considered.count)->window_end_ms;
    }
    out["limit"] = limit;
  }
  return out;
}

Json service_json(const vault::PolicySnapshot& snapshot, const vault::Service* service) {
  if (service == nullptr) {
    return nullptr;
  }
  Json credentials = Json::array();
  for (const std::string& key : service->credential_keys()) {
    credentials.push_back({{"key", key}, {"set", snapshot.credentials.contains(key)}});
  }
  return {{"name", service->name},
          {"auth", vault::auth_type_name(service->auth)},
          {"enabled", service->enabled},
          {"credentials", credentials}};
}

Json agent_json(const Explanation& explained) {
  if (explained.agent_name.empty()) {
    return nullptr;
  }
  Json out = {{"name", explained.agent_name}, {"may_act", explained.agent != nullptr}};
  if (explained.agent != nullptr) {
    out["services"] = explained.agent->services;
    out["credentials"] = explained.agent->credentials;
  }
  return out;
}

}  // namespace

void print_explanation(const Context& context, const Explanation& explained,
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
  for (const Considered& considered : explained.rules) {
    const bool matches = considered.mismatch == vault::Mismatch::kNothing;
    if (matches || (verbose && considered.mismatch != vault::Mismatch::kHost)) {
      const std::string terms = limit_words(considered);
      line("rule",
           considered.rule->name + " (" + std::string(to_string(considered.rule->action)) +
               (terms.empty() ? "" : ", " + terms) + ") " + std::string(why(considered.mismatch)) +
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

std::string explanation_json(const Explanation& explained, const vault::PolicySnapshot& snapshot,
                             bool verbose) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
  };
  Json rules = Json::array();
  for (const Considered& considered : explained.rules) {
    if (considered.mismatch == vault::Mismatch::kNothing ||
        (verbose && considered.mismatch != vault::Mismatch::kHost)) {
      rules.push_back(rule_json(considered));
    }
  }
  Json answer = nullptr;
  if (explained.answer) {
    answer = {{"status", explained.answer->status},
              {"error", explained.answer->code},
              {"message", explained.answer->message}};
  }
  const Json out = {
      {"vault", explained.vault},
      {"request", to_string(explained.request)},
      {"method", explained.request.method},
      {"host", explained.request.authority.host},
      {"port", explained.request.authority.port},
      {"path", explained.request.target.path},
      {"readings", explained.readings},
      {"agent", agent_json(explained)},
      {"rules", rules},
      {"service", service_json(snapshot, explained.service)},
      {"unmatched", to_string(explained.unmatched)},
      {"looks_at_body", explained.looks_at_body},
      {"decision", to_string(explained.verdict.decision)},
      {"passes", !explained.answer && explained.verdict.decision != Decision::kApprove},
      {"rule", or_null(explained.verdict.rule)},
      {"answer", answer}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace av::cmd
