#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "cmd/rule_file.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using Rules = std::vector<vault::Rule>;

std::string conditions_of(const vault::Rule& rule) {
  return rule.body.empty() ? "" : count_of(rule.body.size(), "condition") + " on the body";
}

Run setup_list(OptionSet& app) {
  const auto toml = std::make_shared<bool>(false);
  app.add_flag("--toml", *toml, "print a file for `rule set -f`");
  return [toml](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    AV_TRY(const Rules rules, context.store->list_rules(vault));
    if (context.json || *toml) {
      print(context.out,
            *toml ? vault::rules_to_toml(rules) : vault::rules_to_json(rules, true) + "\n");
      return 0;
    }
    if (rules.empty()) {
      notice(context, "no rules yet; like: agent-vault rule add block '*' --method DELETE");
      return 0;
    }
    Table table({"NAME", "ACTION", "MATCH", "METHODS", "AGENTS", "BODY", "TERMS", "STATE"});
    for (const vault::Rule& rule : rules) {
      table.add({rule.name, std::string(to_string(rule.action)), rule.matcher_text(),
                 rule.methods.empty() ? "all" : join(rule.methods, ","),
                 rule.agents.empty() ? "all" : join(rule.agents, ","), conditions_of(rule),
                 terms_of(rule), rule.enabled ? "enabled" : "disabled"});
    }
    table.print(context.out);
    return 0;
  };
}

Run setup_show(OptionSet& app) {
  const auto name = std::make_shared<std::string>();
  app.add_option("NAME", *name, "name of the rule")->required();
  return [name](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    AV_TRY(const Rules rules, context.store->list_rules(vault));
    AV_TRY(const vault::Rule* rule, find_rule(rules, *name));
    print(context.out,
          context.json ? vault::rule_to_json(*rule, true) + "\n" : vault::rules_to_toml({*rule}));
    return 0;
  };
}

Run setup_remove(OptionSet& app) {
  const auto names = std::make_shared<std::vector<std::string>>();
  app.add_option("NAME", *names, "names of the rules")->required();
  return [names](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    std::sort(names->begin(), names->end());
    names->erase(std::unique(names->begin(), names->end()), names->end());
    const Expected<Rules> rules = context.store->list_rules(vault);
    // One that cannot be read can be removed all the same.
    if (!rules && rules.error().code != ErrorCode::kCorrupt) {
      return rules.error();
    }
    for (const std::string& name : *names) {
      if (rules) {
        AV_CHECK(find_rule(*rules, name));
      }
    }
    AV_CHECK(audited(context, action("rule.remove", vault, join(*names, ", ")),
                     [&] { return context.store->remove_rules(vault, *names); }));
    if (context.json) {
      print(context.out, Json{{"vault", vault}, {"removed", *names}}.dump() + "\n");
    } else {
      notice(context, "removed " + join(*names, ", "));
    }
    return 0;
  };
}

Run setup_switch(OptionSet& app, bool enabled) {
  const auto name = std::make_shared<std::string>();
  app.add_option("NAME", *name, "name of the rule")->required();
  return [name, enabled](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    const std::string word = enabled ? "enable" : "disable";
    AV_TRY(const Rules before, context.store->list_rules(vault));
    AV_CHECK(find_rule(before, *name));
    AV_CHECK(audited(context, action("rule." + word, vault, *name),
                     [&] { return context.store->enable_rule(vault, *name, enabled); }));
    if (context.json) {
      print(context.out, Json{{"rule", *name}, {"enabled", enabled}}.dump() + "\n");
    } else {
      notice(context, word + "d " + *name);
    }
    if (enabled) {
      AV_TRY(const Rules rules, context.store->list_rules(vault));
      AV_CHECK(warn_about_rules(context, vault, rules, {*name}));
    }
    return 0;
  };
}

Run setup_enable(OptionSet& app) {
  return setup_switch(app, true);
}
Run setup_disable(OptionSet& app) {
  return setup_switch(app, false);
}

}  // namespace

std::span<const Command> rule_commands() {
  static constexpr std::array<Command, 8> kCommands = {{
      {"rule add", "add rules: block, limit, hold for a human, or allow", Needs::kNothing,
       setup_rule_add, true},
      {"rule set", "replace all rules of a vault by those of a file", Needs::kNothing,
       setup_rule_set, true},
      {"rule list", "list the rules of a vault", Needs::kStore, setup_list, false},
      {"rule show", "print one rule in full", Needs::kStore, setup_show, false},
      {"rule remove", "remove rules", Needs::kStore, setup_remove, true},
      {"rule enable", "let a rule count again", Needs::kStore, setup_enable, true},
      {"rule disable", "let a rule count no more", Needs::kStore, setup_disable, true},
      {"rule test", "explain what becomes of a request, without sending it", Needs::kNothing,
       setup_rule_test, false},
  }};
  return kCommands;
}

}  // namespace av::cmd
