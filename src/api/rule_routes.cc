// Rules, and what they say about a request that nobody sends.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/route.h"
#include "api/rule_explanation.h"
#include "vault/request_text.h"
#include "vault/rule_codec.h"
#include "vault/rule_review.h"

namespace av::api {
namespace {

using Rules = std::vector<vault::Rule>;

Expected<Rules> read_rules(Call& call) {
  AV_TRY(const JsonView body, call.body());
  const auto list = body.find("rules");
  if (!list || !list->is(JsonView::Kind::kArray)) {
    return make_error(ErrorCode::kInvalid, "\"rules\" must be a list of rules");
  }
  AV_TRY(vault::RuleFile file,
         vault::rules_from_file_text("{\"rules\":" + std::string(list->source()) + "}"));
  return std::move(file.rules);
}

std::string names_of(const Rules& rules) {
  std::string out;
  for (const vault::Rule& rule : rules) {
    out += (out.empty() ? "" : ", ") + rule.name;
  }
  return out;
}

// All rules of the vault, and what about them will probably surprise.
Reply list(Call& call) {
  AV_TRY(const Rules rules, call.store().list_rules(call.vault()));
  AV_TRY(const store::VaultInfo info, call.store().get_vault(call.vault()));
  AV_TRY(const auto agents, call.store().list_agents());
  std::vector<std::string> names;
  for (const vault::Agent& agent : agents) {
    names.push_back(agent.name);
  }
  Json remarks = Json::array();
  for (const vault::RuleRemark& remark : vault::review_rules(rules, info.unmatched, &names)) {
    remarks.push_back({{"rule", remark.rule}, {"words", remark.words}});
  }
  Json items = Json::array();
  for (const vault::Rule& rule : rules) {
    items.push_back(Json::parse(vault::rule_to_json(rule)));
  }
  return json_reply({{"vault", call.vault()}, {"rules", items}, {"remarks", remarks}});
}

Reply upsert(Call& call) {
  AV_TRY(const Rules rules, read_rules(call));
  AV_CHECK(call.audited(call.action("rule.set", names_of(rules)),
                        [&] { return call.store().put_rules(call.vault(), rules); }));
  return list(call);
}

Reply replace(Call& call) {
  AV_TRY(const Rules rules, read_rules(call));
  AV_CHECK(call.audited(call.action("rule.replace", names_of(rules)),
                        [&] { return call.store().replace_rules(call.vault(), rules); }));
  return list(call);
}

Reply remove(Call& call) {
  const std::string& name = call.parts[1];
  AV_CHECK(call.audited(call.action("rule.remove", name),
                        [&] { return call.store().remove_rules(call.vault(), {name}); }));
  return json_reply({{"vault", call.vault()}, {"removed", name}});
}

Reply enable(Call& call) {
  const std::string& name = call.parts[1];
  AV_TRY(const JsonView body, call.body());
  if (!body.find("enabled")) {
    return bad_request("\"enabled\" is missing");
  }
  AV_TRY(const bool enabled, call.flag_or("enabled", true));
  AV_CHECK(call.audited(call.action(enabled ? "rule.enable" : "rule.disable", name),
                        [&] { return call.store().enable_rule(call.vault(), name, enabled); }));
  return json_reply({{"vault", call.vault()}, {"name", name}, {"enabled", enabled}});
}

Reply test(Call& call) {
  AV_TRY(const std::string method, call.text_or("method", "GET"));
  AV_TRY(const std::string url, call.text("url"));
  AV_TRY(const std::string body, call.text_or("body", ""));
  AV_TRY(const bool verbose, call.flag_or("verbose", false));
  Explanation explained;
  AV_TRY(explained.agent_name, call.text_or("agent", ""));
  vault::Question question;
  AV_TRY(question.request, vault::parse_request(method, url));
  AV_TRY(explained.all_rules, call.store().list_rules(call.vault()));
  AV_TRY(question.snapshot, call.store().load_snapshot(call.vault()));
  if (!explained.agent_name.empty()) {
    AV_TRY(const vault::Agent agent, call.store().get_agent(explained.agent_name));
    question.principal.agent = agent.name;
    question.principal.agent_uid = agent.uid;
  }
  explained.vault = call.vault();
  explained.body_given = !body.empty();
  vault::set_body(question, body);
  question.now_ms = call.now_ms();
  explain(question, call.options().limits.get(), call.options().denial, explained);
  return text_reply("application/json", explanation_json(explained, *question.snapshot, verbose));
}

constexpr std::string_view kList = "{rules:[Rule]}";
constexpr std::string_view kRules =
    "{vault:string, rules:[Rule], remarks:[{rule:string, words:string}]}";

}  // namespace

std::span<const Route> rule_routes() {
  static constexpr std::array kRoutes = {
      Route{"GET", "/v1/vaults/{v}/rules", "the rules of a vault", Who::vault(Role::kMember),
            Where::kServe, list, "", kRules},
      Route{"POST", "/v1/vaults/{v}/rules", "add rules, or replace those of the same name",
            Who::vault(Role::kAdmin), Where::kServe, upsert, kList, kRules},
      Route{"PUT", "/v1/vaults/{v}/rules", "replace all rules", Who::vault(Role::kAdmin),
            Where::kServe, replace, kList, kRules},
      Route{"POST", "/v1/vaults/{v}/rules/test", "what policy says about a request, and why",
            Who::vault(Role::kMember), Where::kServe, test,
            "{method?:string, url:string, agent?:string, body?:string, verbose?:boolean}",
            "{vault:string, request:string, decision:string, passes:boolean, rule:string|null, "
            "service:any, answer:any, ...}"},
      Route{"PATCH", "/v1/vaults/{v}/rules/{name}", "switch a rule on or off",
            Who::vault(Role::kAdmin), Where::kServe, enable, "{enabled:boolean}",
            "{vault:string, name:string, enabled:boolean}"},
      Route{"DELETE", "/v1/vaults/{v}/rules/{name}", "delete a rule", Who::vault(Role::kAdmin),
            Where::kServe, remove, "", "{vault:string, removed:string}"},
  };
  return kRoutes;
}

}  // namespace av::api
