#include "vault/rule_reader.h"

#include <array>
#include <utility>
#include <vector>

#include "core/encoding.h"
#include "vault/field_reader.h"
#include "vault/request_text.h"
#include "vault/tree_writer.h"

namespace av::vault {
namespace {

using Json = TextTree::Json;

constexpr std::array<std::pair<Expectation::Decision, std::string_view>, 5> kDecisions = {{
    {Expectation::Decision::kAllow, "allow"},
    {Expectation::Decision::kBlock, "block"},
    {Expectation::Decision::kRateLimit, "rate_limit"},
    {Expectation::Decision::kApprove, "approve"},
    {Expectation::Decision::kDeny, "deny"},
}};

Status read_equals(const Fields& fields, bool is_toml, BodyCondition& out) {
  const Json* value = fields.find("equals");
  if (const Json* null = fields.find("null")) {
    if (value != nullptr || *null != Json(true)) {
      return fields.wrong("null", "must be true, and stand in the place of \"equals\"");
    }
    out.value = "null";
    return {};
  }
  if (value == nullptr) {
    return fields.wrong("pointer", "is there, and \"equals\" is missing",
                        "say which string, number or boolean must be at that place");
  }
  if (!value->is_primitive() || (is_toml && value->is_null())) {
    return fields.wrong("equals", "must be a string, number or boolean",
                        is_toml ? "for a null of JSON write null = true" : "");
  }
  constexpr std::uint64_t kMost = std::uint64_t{1} << 63U;
  if (value->is_number_unsigned() && value->get<std::uint64_t>() >= kMost) {
    return fields.wrong("equals", "must be below 2 to the power of 63");
  }
  out.value = dump_json(*value, /*pretty=*/false);
  return {};
}

Status read_condition(const Fields& fields, bool is_toml, BodyCondition& out) {
  static constexpr std::array<std::string_view, 4> kKnown = {"contains", "pointer", "equals",
                                                             "null"};
  AV_CHECK(fields.only(kKnown));
  const bool contains = fields.find("contains") != nullptr;
  const bool pointer = fields.find("pointer") != nullptr;
  if (contains == pointer) {
    return fields.wrong("contains", contains ? "and \"pointer\" exclude one another"
                                             : "or \"pointer\" with \"equals\" is missing");
  }
  if (contains) {
    for (const std::string_view other : {"equals", "null"}) {
      if (fields.find(other) != nullptr) {
        return fields.wrong(other, "belongs to a \"pointer\"");
      }
    }
    out.kind = BodyCondition::Kind::kContains;
    return fields.required_text("contains", out.value);
  }
  out.kind = BodyCondition::Kind::kJsonEquals;
  AV_CHECK(fields.text("pointer", out.pointer));
  return read_equals(fields, is_toml, out);
}

Status read_conditions(const TextTree& tree, const Fields& fields, Rule& out) {
  const Json* list = fields.find("body");
  if (list == nullptr) {
    return {};
  }
  if (!list->is_array()) {
    return fields.wrong("body", "must be a list of conditions",
                        "write [{ contains = \"...\" }] or [{ pointer = \"/...\", equals = ... }]");
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Fields entry(tree, (*list)[i], TextTree::element(fields.path_of("body"), i));
    BodyCondition condition;
    AV_CHECK(read_condition(entry, tree.is_toml, condition));
    out.body.push_back(std::move(condition));
  }
  return {};
}

// "methods" as a list, or a single "method"; likewise "agents".
Status read_words(const Fields& fields, std::string_view many, std::string_view one,
                  std::vector<std::string>& out) {
  if (fields.find(one) == nullptr) {
    AV_CHECK(fields.texts(many, out));
    if (fields.find(many) != nullptr && out.empty()) {
      // Some would read "none", and all are covered.
      return fields.wrong(many, "is empty", "leave it out to cover all");
    }
    return {};
  }
  if (fields.find(many) != nullptr) {
    return fields.wrong(one, "and \"" + std::string(many) + "\" exclude one another");
  }
  std::string word;
  AV_CHECK(fields.required_text(one, word));
  out.push_back(std::move(word));
  return {};
}

Status read_action(const Fields& fields, Rule& out) {
  std::string action;
  AV_CHECK(fields.required_text("action", action));
  const auto known = read_rule_action(action);
  if (!known) {
    return fields.wrong("action", "names no action", known.error().hint);
  }
  out.action = *known;
  const auto belongs = [&](std::string_view field, RuleAction action_of_field) -> Status {
    if (fields.find(field) != nullptr && out.action != action_of_field) {
      return fields.wrong(field,
                          "belongs to the action " + std::string(to_string(action_of_field)));
    }
    return {};
  };
  AV_CHECK(belongs("limit", RuleAction::kRateLimit));
  AV_CHECK(belongs("window", RuleAction::kRateLimit));
  AV_CHECK(belongs("timeout", RuleAction::kApprove));
  AV_CHECK(fields.number("timeout", 1, Rule::kMaxTimeoutSeconds, out.timeout_seconds));
  if (out.action == RuleAction::kRateLimit) {
    if (fields.find("limit") == nullptr) {
      return fields.wrong("limit", "is missing", "how many requests may pass in a window");
    }
    AV_CHECK(fields.number("limit", 1, RateLimit::kMaxCount, out.limit.count));
    std::string window;
    AV_CHECK(fields.required_text("window", window));
    const auto read = rate_window_from_string(window);
    if (!read) {
      return fields.wrong("window", "must be second, minute, hour or day");
    }
    out.limit.window = *read;
  }
  return {};
}

}  // namespace

Expected<Rule> read_rule(const TextTree& tree, const Json& node, const std::string& path) {
  static constexpr std::array<std::string_view, 13> kKnown = {
      "name", "action", "host",   "methods", "method", "agents", "agent",
      "body", "limit",  "window", "timeout", "reason", "enabled"};
  const Fields fields(tree, node, path);
  AV_CHECK(fields.only(kKnown));
  Rule rule;
  AV_CHECK(read_action(fields, rule));
  if (fields.find("host") != nullptr) {
    std::string host;
    AV_CHECK(fields.required_text("host", host));
    if (const Status split = set_matcher_text(rule, host); !split) {
      return tree.error_at(fields.path_of("host"), split.error().message, split.error().hint);
    }
  }
  AV_CHECK(read_words(fields, "methods", "method", rule.methods));
  make_upper(rule.methods);
  AV_CHECK(read_words(fields, "agents", "agent", rule.agents));
  AV_CHECK(read_conditions(tree, fields, rule));
  AV_CHECK(fields.text("reason", rule.reason));
  AV_CHECK(fields.flag("enabled", rule.enabled));
  rule.name = derived_rule_name(rule);
  AV_CHECK(fields.text("name", rule.name));
  if (const Status checked = check_rule(rule); !checked) {
    return tree.error_at(path, checked.error().message, checked.error().hint);
  }
  return rule;
}

Expected<Expectation> read_expectation(const TextTree& tree, const Json& node,
                                       const std::string& path) {
  static constexpr std::array<std::string_view, 6> kKnown = {"request",  "agent", "body",
                                                             "decision", "rule",  "service"};
  const Fields fields(tree, node, path);
  AV_CHECK(fields.only(kKnown));
  Expectation out;
  std::string text;
  AV_CHECK(fields.required_text("request", text));
  out.text = text;
  auto request = parse_request(text);
  if (request) {
    out.request = std::move(*request);
  } else if (request.error().code == ErrorCode::kNotPermitted) {
    out.refusal = request.error().message;
  } else {
    return fields.wrong("request", "is none: " + request.error().message, request.error().hint);
  }
  AV_CHECK(fields.text("agent", out.agent));
  AV_CHECK(fields.text("body", out.body));
  AV_CHECK(fields.required_text("decision", text));
  bool known = false;
  std::vector<std::string_view> names;
  for (const auto& [decision, name] : kDecisions) {
    names.push_back(name);
    if (name == text) {
      out.decision = decision;
      known = true;
    }
  }
  if (!known) {
    return fields.wrong("decision", "names no decision",
                        suggestion(text, names, "the decisions are"));
  }
  for (const auto& [key, member] :
       {std::pair("rule", &Expectation::rule), std::pair("service", &Expectation::service)}) {
    if (fields.find(key) != nullptr) {
      AV_CHECK(fields.text(key, (out.*member).emplace()));
    }
  }
  const auto position = tree.positions.find(path);
  out.line = position == tree.positions.end() ? 0 : position->second.line;
  return out;
}

std::string_view to_string(Expectation::Decision decision) {
  return kDecisions[static_cast<std::size_t>(decision)].second;
}

Expected<RuleAction> read_rule_action(std::string_view text) {
  static constexpr std::array<std::string_view, 4> kNames = {"block", "approve", "rate_limit",
                                                             "allow"};
  if (text == "manual_approval") {
    return RuleAction::kApprove;
  }
  std::string name(text);
  for (char& c : name) {
    c = c == '-' ? '_' : c;
  }
  if (const auto action = rule_action_from_string(name)) {
    return *action;
  }
  return make_error(ErrorCode::kInvalid,
                    "\"" + encoding::printable(text.substr(0, 80)) + "\" is no action",
                    suggestion(name, kNames, "the actions are"));
}

Expected<RateWindow> read_rate_window(std::string_view text) {
  for (const RateWindow window :
       {RateWindow::kSecond, RateWindow::kMinute, RateWindow::kHour, RateWindow::kDay}) {
    const std::string_view name = to_string(window);
    if (text == name || text == name.substr(0, 1) || text == std::string(name) + "s") {
      return window;
    }
  }
  return make_error(ErrorCode::kInvalid,
                    "\"" + encoding::printable(text.substr(0, 80)) + "\" is no window",
                    "second, minute, hour or day");
}

std::string derived_rule_name(const Rule& rule) {
  std::string text(rule.action == RuleAction::kRateLimit ? "limit" : to_string(rule.action));
  for (const std::string& method : rule.methods) {
    text += " " + method;
  }
  const std::string matcher = rule.matcher_text();
  return slug_of(text + " " + (matcher == "*" && rule.methods.empty() ? "all" : matcher), "rule");
}

}  // namespace av::vault
