// Any text as a rule file: no crash, and what is accepted survives being written in both formats,
// passes the checks of a single rule, and can be compiled and asked.

#include <cstdint>
#include <string_view>

#include "fuzz/require.h"
#include "vault/request_text.h"
#include "vault/rule_codec.h"
#include "vault/rule_review.h"
#include "vault/rule_set.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace av::vault;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto file = rules_from_file_text(text);
  if (!file) {
    require(file.error().code == av::ErrorCode::kInvalid);
    return 0;
  }
  const std::string json = rules_to_json(file->rules, /*pretty=*/true);
  const auto from_json = rules_from_file_text(json);
  require(from_json && rules_to_json(from_json->rules, /*pretty=*/true) == json);
  const auto from_toml = rules_from_file_text(rules_to_toml(file->rules));
  require(from_toml && rules_to_json(from_toml->rules, /*pretty=*/true) == json);
  for (const Rule& rule : file->rules) {
    require(check_rule(rule).has_value());
  }
  (void)review_rules(file->rules, UnmatchedPolicy::kDeny, nullptr);
  const RuleSet set(file->rules);
  for (const Expectation& expectation : file->expectations) {
    if (expectation.request) {
      BodyView view;
      view.bytes = expectation.body;
      const auto found = set.find(*expectation.request, expectation.agent, &view);
      const auto matching = set.matching(*expectation.request, expectation.agent, &view);
      const bool any = found.block != nullptr || !found.approvals.empty() ||
                       found.allow != nullptr || !found.limits.empty();
      require(any == !matching.empty());
      require(parse_request(to_string(*expectation.request)).has_value());
    }
  }
  return 0;
}
