#include "vault/rule.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/ascii.h"
#include "core/encoding.h"
#include "vault/body_conditions.h"
#include "vault/names.h"
#include "vault/service_pattern.h"

namespace av::vault {
namespace {

constexpr std::array<std::pair<RuleAction, std::string_view>, 4> kActions = {{
    {RuleAction::kBlock, "block"},
    {RuleAction::kApprove, "approve"},
    {RuleAction::kRateLimit, "rate_limit"},
    {RuleAction::kAllow, "allow"},
}};
struct WindowName {
  RateWindow window;
  std::string_view name;
  std::int64_t milliseconds;
};
constexpr std::array<WindowName, 4> kWindows = {{
    {RateWindow::kSecond, "second", 1'000},
    {RateWindow::kMinute, "minute", 60'000},
    {RateWindow::kHour, "hour", 3'600'000},
    {RateWindow::kDay, "day", 86'400'000},
}};
constexpr std::string_view kDeep = "**.";
constexpr std::size_t kMaxReason = 500;
constexpr std::size_t kMaxConditionValue = 1000;
constexpr std::size_t kMaxListed = 1000;
constexpr std::size_t kMaxMethod = 32;

Error invalid(const Rule& rule, std::string_view what, std::string hint = {}) {
  return make_error(
      ErrorCode::kInvalid,
      "rule \"" + encoding::printable(rule.name.substr(0, 80)) + "\": " + std::string(what),
      std::move(hint));
}

// RFC 9110 section 5.6.2, without lower case: methods of that spelling do not exist.
bool is_method(std::string_view text) {
  return !text.empty() && text.size() <= kMaxMethod &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return ascii::is_upper(c) || ascii::is_digit(c) ||
                  std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
         });
}

bool is_pointer(std::string_view text) {  // RFC 6901 section 3
  if ((!text.empty() && text.front() != '/') || !encoding::is_utf8(text)) {
    return false;
  }
  for (std::size_t at = text.find('~'); at != std::string_view::npos; at = text.find('~', at + 1)) {
    if (at + 1 == text.size() || (text[at + 1] != '0' && text[at + 1] != '1')) {
      return false;
    }
  }
  return true;
}

Status check_conditions(const Rule& rule) {
  if (rule.body.size() > Rule::kMaxConditions) {
    return invalid(rule, "more than 10 conditions on the body");
  }
  for (const BodyCondition& condition : rule.body) {
    if (condition.value.empty()) {
      return invalid(rule, "a condition on the body is empty",
                     "say what the body contains, or what the value at a pointer equals");
    }
    if (condition.value.size() > kMaxConditionValue || !encoding::is_utf8(condition.value)) {
      return invalid(rule, "a condition on the body is not UTF-8 of at most 1000 characters");
    }
    if (condition.kind == BodyCondition::Kind::kJsonEquals ? !is_json_scalar(condition.value)
                                                           : !condition.pointer.empty()) {
      return invalid(rule, "a condition compares a pointer with a string, number, boolean or null");
    }
    if (!is_pointer(condition.pointer) || condition.pointer.size() > kMaxConditionValue) {
      return invalid(rule,
                     "\"" + encoding::printable(condition.pointer.substr(0, 80)) +
                         "\" is no JSON pointer (RFC 6901)",
                     "write it like /messages/0/role");
    }
  }
  return {};
}

Status check_action(const Rule& rule) {
  const bool limits = rule.action == RuleAction::kRateLimit;
  if (limits && (rule.limit.count == 0 || rule.limit.count > RateLimit::kMaxCount)) {
    return invalid(rule, "the limit must be between 1 and 1000000",
                   "--limit 100/hour, or \"limit\" and \"window\" in a file");
  }
  if (!limits && rule.limit.count != 0) {
    return invalid(rule, "a limit belongs to the action rate_limit only");
  }
  if (rule.action != RuleAction::kApprove && rule.timeout_seconds != Rule{}.timeout_seconds) {
    return invalid(rule, "a timeout belongs to the action approve only");
  }
  if (rule.timeout_seconds == 0 || rule.timeout_seconds > Rule::kMaxTimeoutSeconds) {
    return invalid(rule, "the timeout must be between 1 and 3600 seconds");
  }
  return {};
}

}  // namespace

std::string_view to_string(RuleAction action) {
  return kActions[static_cast<std::size_t>(action)].second;
}

std::optional<RuleAction> rule_action_from_string(std::string_view text) {
  for (const auto& [action, name] : kActions) {
    if (name == text) {
      return action;
    }
  }
  return std::nullopt;
}

std::string_view to_string(RateWindow window) {
  return kWindows[static_cast<std::size_t>(window)].name;
}

std::int64_t milliseconds(RateWindow window) {
  return kWindows[static_cast<std::size_t>(window)].milliseconds;
}

std::optional<RateWindow> rate_window_from_string(std::string_view text) {
  for (const WindowName& known : kWindows) {
    if (known.name == text) {
      return known.window;
    }
  }
  return std::nullopt;
}

std::string Rule::matcher_text() const {
  std::string out = host;
  if (port != 0) {
    out += ":" + std::to_string(port);
  }
  out += path;
  return out.empty() ? "*" : out;
}

Status set_matcher_text(Rule& rule, std::string_view text) {
  MatcherParts parts;
  if (text.starts_with('/')) {
    AV_CHECK(check_path_pattern(text));
    parts.path = text;
  } else if (text == "*" || text.starts_with("*/")) {
    AV_CHECK(check_path_pattern(text.substr(1)));
    parts.path = text.substr(1);
  } else if (text.starts_with(kDeep)) {
    AV_TRY(parts, split_matcher_text(text.substr(1)));
    parts.host.insert(0, "*");
  } else {
    AV_TRY(parts, split_matcher_text(text));
  }
  rule.host = std::move(parts.host);
  rule.port = parts.port;
  rule.path = std::move(parts.path);
  return {};
}

Status check_rule(const Rule& rule) {
  AV_CHECK(check_slug("rule", rule.name));
  if (!rule.host.empty()) {
    const std::string_view host = rule.host;
    AV_CHECK(check_host_pattern(host.starts_with(kDeep) ? host.substr(1) : host));
  }
  AV_CHECK(check_path_pattern(rule.path));
  if (rule.port != 0 && rule.host.empty()) {
    return invalid(rule, "a port without a host");
  }
  if (rule.methods.size() > kMaxListed || rule.agents.size() > kMaxListed) {
    return invalid(rule, "more than 1000 methods or agents");
  }
  for (const std::string& method : rule.methods) {
    if (!is_method(method)) {
      return invalid(rule, "\"" + encoding::printable(method.substr(0, 80)) + "\" is no method",
                     "write it in upper case, like DELETE");
    }
  }
  for (const std::string& agent : rule.agents) {
    AV_CHECK(check_slug("agent", agent));
  }
  const bool one_line = std::none_of(rule.reason.begin(), rule.reason.end(), ascii::is_control);
  if (rule.reason.size() > kMaxReason || !one_line || !encoding::is_utf8(rule.reason)) {
    return invalid(rule, "the reason is not one line of at most 500 characters");
  }
  AV_CHECK(check_conditions(rule));
  return check_action(rule);
}

}  // namespace av::vault
