#include "cmd/rule_file.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "cmd/find_named.h"
#include "cmd/output.h"
#include "cmd/rule_expect.h"
#include "vault/names.h"
#include "vault/rule_review.h"

namespace av::cmd {

Expected<std::string> read_text(const std::string& file, std::size_t limit) {
  if (file != "-") {
    return fs::read_file(file, limit);
  }
  std::string text;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return errno_error(errno, "cannot read standard input");
    }
    if (got == 0) {
      return text;
    }
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > limit) {
      return make_error(ErrorCode::kInvalid,
                        "standard input is larger than " + std::to_string(limit >> 20U) + " MiB");
    }
  }
}

Expected<vault::RuleFile> read_rule_file(const std::string& file) {
  AV_TRY(const std::string text, read_text(file, std::size_t{16} << 20));
  Expected<vault::RuleFile> rules = vault::rules_from_file_text(text);
  if (!rules) {
    rules.error().message = (file == "-" ? "standard input" : file) + ": " + rules.error().message;
  }
  return rules;
}

Expected<const vault::Rule*> find_rule(const std::vector<vault::Rule>& rules,
                                       const std::string& name) {
  return find_named(rules, "rule", name, "agent-vault rule list");
}

Status warn_about_rules(Context& context, const std::string& vault,
                        const std::vector<vault::Rule>& all,
                        const std::vector<std::string>& names) {
  AV_TRY(const store::VaultInfo info, context.store->get_vault(vault));
  const auto agents = agent_names(context);
  for (const vault::RuleRemark& remark :
       vault::review_rules(all, info.unmatched, agents ? &*agents : nullptr)) {
    if (std::find(names.begin(), names.end(), remark.rule) != names.end()) {
      warn(context, "rule " + remark.rule + ": " + remark.words);
    }
  }
  return {};
}

std::string terms_of(const vault::Rule& rule) {
  switch (rule.action) {
    case vault::RuleAction::kRateLimit:
      return std::to_string(rule.limit.count) + "/" + std::string(to_string(rule.limit.window));
    case vault::RuleAction::kApprove:
      return std::to_string(rule.timeout_seconds) + " s";
    case vault::RuleAction::kBlock:
    case vault::RuleAction::kAllow:
      break;
  }
  return {};
}

}  // namespace av::cmd
