#include "vault/rule_codec.h"

#include <array>
#include <set>
#include <utility>

#include "core/encoding.h"
#include "vault/field_reader.h"
#include "vault/rule_reader.h"
#include "vault/text_tree.h"
#include "vault/tree_writer.h"

namespace av::vault {
namespace {

using Json = TextTree::Json;

constexpr std::string_view kNoRules = "write [[rules]] tables, or `rules = []` for none";

Json conditions_to_tree(const Rule& rule, bool toml) {
  Json out = Json::array();
  for (const BodyCondition& condition : rule.body) {
    if (condition.kind == BodyCondition::Kind::kContains) {
      out.push_back({{"contains", condition.value}});
      continue;
    }
    const Json value = Json::parse(condition.value, nullptr, /*allow_exceptions=*/false);
    Json entry = {{"pointer", condition.pointer}};
    if (toml && value.is_null()) {
      entry["null"] = true;  // TOML has no other word for it
    } else {
      entry["equals"] = value;
    }
    out.push_back(std::move(entry));
  }
  return out;
}

Json rule_to_tree(const Rule& rule, bool toml) {
  Json out = {
      {"name", rule.name}, {"action", to_string(rule.action)}, {"host", rule.matcher_text()}};
  if (!rule.methods.empty()) {
    out["methods"] = rule.methods;
  }
  if (!rule.agents.empty()) {
    out["agents"] = rule.agents;
  }
  if (!rule.body.empty()) {
    out["body"] = conditions_to_tree(rule, toml);
  }
  if (rule.action == RuleAction::kRateLimit) {
    out["limit"] = rule.limit.count;
    out["window"] = to_string(rule.limit.window);
  }
  if (rule.action == RuleAction::kApprove) {
    out["timeout"] = rule.timeout_seconds;
  }
  if (!rule.reason.empty()) {
    out["reason"] = rule.reason;
  }
  out["enabled"] = rule.enabled;
  return out;
}

Status read_rules(const TextTree& tree, const Json& list, const std::string& path, RuleFile& out) {
  if (!list.is_array()) {
    return tree.error_at(path, "\"rules\" must be a list", tree.is_toml ? "write [[rules]]" : "");
  }
  out.names_rules = true;
  std::set<std::string> names;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string at = TextTree::element(path, i);
    AV_TRY(Rule rule, read_rule(tree, list[i], at));
    if (!names.insert(rule.name).second) {
      return tree.error_at(at, "two rules are named \"" + rule.name + "\"",
                           "give each its own \"name\"");
    }
    out.rules.push_back(std::move(rule));
  }
  return {};
}

Status read_expectations(const TextTree& tree, RuleFile& out) {
  if (!tree.root.contains("expect")) {
    return {};
  }
  const std::string path = TextTree::member({}, "expect");
  const Json& list = tree.root["expect"];
  if (!list.is_array()) {
    return tree.error_at(path, "\"expect\" must be a list", tree.is_toml ? "write [[expect]]" : "");
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    AV_TRY(Expectation expectation, read_expectation(tree, list[i], TextTree::element(path, i)));
    out.expectations.push_back(std::move(expectation));
  }
  return {};
}

}  // namespace

Expected<Rule> rule_from_json(std::string_view text) {
  AV_TRY(const TextTree tree, parse_json_text(text));
  return read_rule(tree, tree.root, {});
}

std::string rule_to_json(const Rule& rule, bool pretty) {
  return dump_json(rule_to_tree(rule, /*toml=*/false), pretty);
}

std::string rules_to_json(const std::vector<Rule>& rules, bool pretty) {
  Json tree = {{"rules", Json::array()}};
  for (const Rule& rule : rules) {
    tree["rules"].push_back(rule_to_tree(rule, /*toml=*/false));
  }
  return dump_json(tree, pretty);
}

std::string rules_to_toml(const std::vector<Rule>& rules) {
  std::string out = rules.empty() ? "rules = []\n" : "";
  for (const Rule& rule : rules) {
    out += out.empty() ? "[[rules]]\n" : "\n[[rules]]\n";
    out += toml_fields(rule_to_tree(rule, /*toml=*/true));
  }
  return out;
}

Expected<RuleFile> rules_from_file_text(std::string_view text) {
  static constexpr std::array<std::string_view, 2> kTop = {"rules", "expect"};
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return make_error(ErrorCode::kInvalid, "the file is empty", std::string(kNoRules));
  }
  AV_TRY(const TextTree tree, parse_json_or_toml_text(text));
  RuleFile out;
  if (tree.root.is_array()) {
    AV_CHECK(read_rules(tree, tree.root, {}, out));
    return out;
  }
  if (!tree.root.contains("rules") && tree.root.contains("action")) {
    AV_TRY(Rule rule, read_rule(tree, tree.root, {}));
    out.names_rules = true;
    out.rules.push_back(std::move(rule));
    return out;
  }
  AV_CHECK(check_members(tree, tree.root, {}, kTop));
  if (tree.root.empty()) {
    return make_error(ErrorCode::kInvalid, "the file names no rules", std::string(kNoRules));
  }
  if (tree.root.contains("rules")) {
    AV_CHECK(read_rules(tree, tree.root["rules"], TextTree::member({}, "rules"), out));
  }
  AV_CHECK(read_expectations(tree, out));
  return out;
}

}  // namespace av::vault
