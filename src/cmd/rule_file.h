#pragma once
// Files of rules, and the words of rules on the command line.

#include <string>
#include <vector>

#include "cmd/command.h"
#include "vault/rule_codec.h"

namespace av::cmd {

// "-" is standard input. Errors say which file.
[[nodiscard]] Expected<vault::RuleFile> read_rule_file(const std::string& file);
// A text of the user's, from a file or "-"; at most `limit` bytes.
[[nodiscard]] Expected<std::string> read_text(const std::string& file, std::size_t limit);

[[nodiscard]] Expected<const vault::Rule*> find_rule(const std::vector<vault::Rule>& rules,
                                                     const std::string& name);
// Remarks on these rules (by name) that stand among `all`, on stderr.
[[nodiscard]] Status warn_about_rules(Context& context, const std::string& vault,
                                      const std::vector<vault::Rule>& all,
                                      const std::vector<std::string>& names);
// What a rule does beyond its action: "100/hour", "180 s", or "".
[[nodiscard]] std::string terms_of(const vault::Rule& rule);

Run setup_rule_add(OptionSet& app);   // rule_add.cc
Run setup_rule_set(OptionSet& app);   // rule_add.cc
Run setup_rule_test(OptionSet& app);  // rule_test.cc

}  // namespace av::cmd
