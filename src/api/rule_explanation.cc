#include "api/rule_explanation.h"

#include <nlohmann/json.hpp>

#include "vault/request_text.h"

namespace av::api {
namespace {

using Json = nlohmann::ordered_json;
using Decision = vault::Expectation::Decision;

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

// The counts stand in the order in which policy takes them.
void assign_counts(Explanation& out) {
  std::size_t next = out.agent != nullptr && out.agent->limit.count != 0 ? 1 : 0;
  for (Considered& considered : out.rules) {
    if (considered.mismatch == vault::Mismatch::kNothing &&
        considered.rule->action == vault::RuleAction::kRateLimit && next < out.counts.size()) {
      considered.count = &out.counts[next++];
    }
  }
}

}  // namespace

void explain(const vault::Question& question, vault::LimitLedger* limits, const Denial& denial,
             Explanation& out) {
  const vault::PolicySnapshot& snapshot = *question.snapshot;
  out.request = question.request;
  out.readings = vault::path_readings(question.request.target.path);
  out.unmatched = snapshot.unmatched;
  const auto agent = snapshot.agents.find(out.agent_name);
  out.agent = agent == snapshot.agents.end() ? nullptr : &agent->second;
  out.service = snapshot.matcher.find(question.request);
  for (const vault::Rule& rule : out.all_rules) {
    const vault::Mismatch mismatch =
        vault::mismatch(rule, question.request, out.agent_name, question.body);
    out.rules.push_back({&rule, mismatch, nullptr});
  }
  if (limits != nullptr) {
    out.counts = vault::look_at_limits(question, *limits);
    assign_counts(out);
  }
  out.verdict = vault::judge(question, limits);
  out.looks_at_body = vault::depends_on_body(question);
  if (out.verdict.deny && denial) {
    out.answer = denial(*out.verdict.deny, out.request, question.now_ms);
  }
}

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

}  // namespace av::api
