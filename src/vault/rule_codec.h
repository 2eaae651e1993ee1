#pragma once
// Rules as text: JSON, and the same keys in TOML; agent-vault-rules(5) describes both. Unknown keys
// are an error that names the key: a misspelt restriction must not silently vanish.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "vault/canonical.h"
#include "vault/rule.h"

namespace av::vault {

// One object. The uid is not in the text: it is the store's.
[[nodiscard]] Expected<Rule> rule_from_json(std::string_view text);
// `pretty` with two spaces; otherwise one line. Key order is fixed; fields with their default value
// are left out, but for name, action and enabled.
[[nodiscard]] std::string rule_to_json(const Rule& rule, bool pretty = false);
[[nodiscard]] std::string rules_to_json(const std::vector<Rule>& rules, bool pretty);
[[nodiscard]] std::string rules_to_toml(const std::vector<Rule>& rules);

// What should become of a request: a test of the rules that stand beside it.
struct Expectation {
  enum class Decision : std::uint8_t {
    kAllow,
    kBlock,
    kRateLimit,  // allowed, and a limit decides
    kApprove,
    kDeny,  // anything that refuses a request, but for a rule
  };
  std::string text;  // "METHOD URL" as written
  // Empty when the proxy refuses the path whatever the rules are: `refusal` says why.
  std::optional<RequestIdentity> request;
  std::string refusal;
  std::string agent;  // a name, or "" for a run without one
  std::string body;
  Decision decision = Decision::kAllow;
  // When given, what must decide and inject; "" for none.
  std::optional<std::string> rule;
  std::optional<std::string> service;
  std::size_t line = 0;  // where it stands; 0: not known
};
[[nodiscard]] std::string_view to_string(Expectation::Decision decision);  // "allow", "rate_limit"

struct RuleFile {
  std::vector<Rule> rules;
  bool names_rules = false;  // false: it has expectations only
  std::vector<Expectation> expectations;
};

// A file. JSON: an object with "rules" and "expect", an array of rules, or one rule. TOML:
// [[rules]] and [[expect]] tables, or the fields of one rule. A rule without a name is named after
// its action, methods, host and path. Errors carry line and column, and in TOML the line with a
// caret. A file that names no rules at all must say `rules = []`, or have expectations.
[[nodiscard]] Expected<RuleFile> rules_from_file_text(std::string_view text);

// What a rule is called when it has no name: "block-delete-api-example-com".
[[nodiscard]] std::string derived_rule_name(const Rule& rule);
// The action's name, or "manual_approval" for approve. kInvalid with a suggestion.
[[nodiscard]] Expected<RuleAction> read_rule_action(std::string_view text);
// "hour", and for people "h", "hours".
[[nodiscard]] Expected<RateWindow> read_rate_window(std::string_view text);

}  // namespace av::vault
