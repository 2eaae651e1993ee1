#include "cmd/rule_expect.h"

#include <algorithm>

#include "core/encoding.h"
#include "proxy/refusals.h"

namespace av::cmd {
namespace {

using Decision = vault::Expectation::Decision;

std::string by_whom(const std::optional<std::string>& rule,
                    const std::optional<std::string>& service) {
  std::string out;
  if (rule) {
    out += rule->empty() ? " by no rule" : " by " + *rule;
  }
  if (service) {
    out += service->empty() ? ", no service" : ", service " + *service;
  }
  return out;
}

void add_stand_ins(Context& context, vault::PolicySnapshot& snapshot,
                   const std::vector<vault::Expectation>& expectations) {
  const auto known = agent_names(context);
  for (const vault::Expectation& expectation : expectations) {
    const std::string& name = expectation.agent;
    const bool there = known && std::find(known->begin(), known->end(), name) != known->end();
    if (!name.empty() && !there && !snapshot.agents.contains(name)) {
      vault::Agent agent;
      agent.name = name;
      agent.uid = "stand-in:" + name;
      snapshot.agents.emplace(name, std::move(agent));
    }
  }
}

}  // namespace

std::optional<std::vector<std::string>> agent_names(Context& context) {
  const auto agents = context.store->list_agents();
  if (!agents) {
    return std::nullopt;
  }
  std::vector<std::string> names;
  for (const vault::Agent& agent : *agents) {
    names.push_back(agent.name);
  }
  return names;
}

vault::Principal principal_of(const vault::PolicySnapshot& snapshot, const std::string& name) {
  vault::Principal out;
  out.agent = name;
  const auto it = snapshot.agents.find(name);
  if (it != snapshot.agents.end()) {
    out.agent_uid = it->second.uid;
  }
  return out;
}

std::string answer_code(const Verdict& verdict, const vault::RequestIdentity& request) {
  return verdict.deny ? std::string(proxy::denial_fault(*verdict.deny, request, 0).code) : "";
}

std::vector<Met> check_expectations(Context& context, const vault::PolicySnapshot& snapshot,
                                    const std::vector<vault::Rule>& rules,
                                    const std::vector<vault::Expectation>& expectations) {
  auto tried = std::make_shared<vault::PolicySnapshot>(snapshot);
  tried->set_rules(rules);
  add_stand_ins(context, *tried, expectations);
  std::vector<Met> out;
  for (const vault::Expectation& expectation : expectations) {
    Met met;
    met.expectation = &expectation;
    if (expectation.request) {
      Question question;
      question.snapshot = tried;
      question.principal = principal_of(*tried, expectation.agent);
      question.request = *expectation.request;
      set_body(question, expectation.body);
      question.now_ms = context.clock->wall_ms();
      met.got = judge(question, nullptr);
      met.answer = answer_code(met.got, *expectation.request);
    } else {
      met.got.decision = Decision::kDeny;
      met.answer = "bad_request";
    }
    met.ok = met.got.decision == expectation.decision &&
             expectation.rule.value_or(met.got.rule) == met.got.rule &&
             expectation.service.value_or(met.got.service) == met.got.service;
    out.push_back(std::move(met));
  }
  return out;
}

std::string describe(const Met& met) {
  const vault::Expectation& expectation = *met.expectation;
  std::string out = encoding::printable(expectation.text);
  if (!expectation.agent.empty()) {
    out += " as " + expectation.agent;
  }
  const auto or_none = [](const std::string& name) {
    return name.empty() ? std::optional<std::string>() : std::optional(name);
  };
  const std::string got = std::string(to_string(met.got.decision)) +
                          by_whom(or_none(met.got.rule), or_none(met.got.service)) +
                          (met.answer.empty() ? "" : " (" + met.answer + ")");
  if (met.ok) {
    return out + ": " + got;
  }
  const std::string expected =
      std::string(to_string(expectation.decision)) + by_whom(expectation.rule, expectation.service);
  return (expectation.line == 0 ? "" : "line " + std::to_string(expectation.line) + ": ") + out +
         ": expected " + encoding::printable(expected) + ", got " + got;
}

}  // namespace av::cmd
