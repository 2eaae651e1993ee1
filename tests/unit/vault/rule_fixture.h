#pragma once
// Rules and requests in few words.

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "vault/policy.h"
#include "vault/request_text.h"
#include "vault/rule_codec.h"

namespace av::test {

// The fields of one rule in TOML, in one line: R"(action = "block"; host = "a.example.com")".
inline vault::Rule rule(std::string fields) {
  for (char& c : fields) {
    c = c == ';' ? '\n' : c;
  }
  const auto file = vault::rules_from_file_text(fields);
  if (!file || file->rules.size() != 1) {
    FAIL(fields + ": " + (file ? "not one rule" : file.error().message));
  }
  vault::Rule out = file->rules.front();
  out.uid = "uid-" + out.name;
  return out;
}

inline vault::Rule rule_for(vault::RuleAction action, std::string_view matcher) {
  vault::Rule out;
  out.action = action;
  out.limit.count = action == vault::RuleAction::kRateLimit ? 10 : 0;
  const auto set = vault::set_matcher_text(out, matcher);
  if (!set) {
    FAIL(std::string(matcher) + ": " + set.error().message);
  }
  out.name = vault::derived_rule_name(out);
  out.uid = "uid-" + out.name;
  REQUIRE(vault::check_rule(out));
  return out;
}

inline vault::RequestIdentity request(std::string_view method_and_url) {
  auto out = vault::parse_request(method_and_url);
  if (!out) {
    FAIL(std::string(method_and_url) + ": " + out.error().message);
  }
  return *out;
}

inline bool matches(const vault::Rule& rule, std::string_view method_and_url,
                    std::string_view agent = {}, std::string_view body = {}) {
  vault::BodyView view;
  view.bytes = body;
  const auto found = vault::RuleSet({rule}).find(request(method_and_url), agent, &view);
  return found.block != nullptr || !found.approvals.empty() || found.allow != nullptr ||
         !found.limits.empty();
}

}  // namespace av::test
