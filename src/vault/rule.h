#pragma once
// Rule: what policy says about some requests beyond which credential they get. Text shape:
// rule_codec.h and agent-vault-rules(5).
//
// A rule that restricts (block, approve, rate_limit) reads a request in every way in which a server
// might: its path without regard to case, with slashes merged, ";parameters" left out and %2F taken
// for a slash; GET covers HEAD; without a port it covers all ports and schemes. A rule that allows
// reads it in one way only. So a doubt never loosens policy.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"

namespace av::vault {

// The strictest first: of the rules that match, that one decides, in whatever order they stand.
enum class RuleAction : std::uint8_t { kBlock, kApprove, kRateLimit, kAllow };
[[nodiscard]] std::string_view to_string(RuleAction action);  // "block", "approve", "rate_limit"...
[[nodiscard]] std::optional<RuleAction> rule_action_from_string(std::string_view text);
[[nodiscard]] constexpr bool restricts(RuleAction action) {
  return action != RuleAction::kAllow;
}

// Fixed windows, from the epoch on, UTC.
enum class RateWindow : std::uint8_t { kSecond, kMinute, kHour, kDay };
[[nodiscard]] std::string_view to_string(RateWindow window);
[[nodiscard]] std::optional<RateWindow> rate_window_from_string(std::string_view text);
[[nodiscard]] std::int64_t milliseconds(RateWindow window);

struct RateLimit {
  std::uint32_t count = 0;  // 1 to kMaxCount; 0: no limit
  RateWindow window = RateWindow::kMinute;
  static constexpr std::uint32_t kMaxCount = 1'000'000;
  bool operator==(const RateLimit&) const = default;
};

// What a request's body must be for the rule to match. All conditions of a rule must hold.
struct BodyCondition {
  enum class Kind : std::uint8_t {
    kContains,    // the bytes, or in a JSON body a member name or a string as it is meant
    kJsonEquals,  // the value at `pointer` (RFC 6901)
  };
  Kind kind = Kind::kContains;
  std::string pointer;
  std::string value;  // kJsonEquals: as JSON text
  bool operator==(const BodyCondition&) const = default;
};

struct Rule {
  std::string name;  // a slug
  std::string uid;   // made by the store; a limit's counters belong to it
  RuleAction action = RuleAction::kBlock;
  bool enabled = true;
  // "api.example.com", "*.example.com" (one label), "**.example.com" (one label or more), or ""
  // for every host.
  std::string host;
  std::uint16_t port = 0;            // 0: see above; for `allow` the scheme's own
  std::string path;                  // as in a service: "" everything, "/x/*" = "/x" and below
  std::vector<std::string> methods;  // upper case; empty: all
  std::vector<std::string> agents;   // names; empty: all, also runs without an agent
  std::vector<BodyCondition> body;
  RateLimit limit;                      // kRateLimit
  std::uint32_t timeout_seconds = 180;  // kApprove: then it is denied
  std::string reason;                   // told to the agent

  static constexpr std::size_t kMaxConditions = 10;
  static constexpr std::uint32_t kMaxTimeoutSeconds = 3600;

  // host[:port][/path]; "*" when both are empty.
  [[nodiscard]] std::string matcher_text() const;
};

// Splits "host[:port][/path]" (or "*", "/path") into the three fields; checks the patterns.
[[nodiscard]] Status set_matcher_text(Rule& rule, std::string_view text);
// All rules of a single rule: name, patterns, methods (tokens, upper case), agents (slugs), that
// what belongs to an action is there and nothing else is.
[[nodiscard]] Status check_rule(const Rule& rule);

}  // namespace av::vault
