// `rule add` and `rule set`: the ways by which rules come in.

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "cmd/audit_action.h"
#include "cmd/changes.h"
#include "cmd/cli.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "cmd/rule_expect.h"
#include "cmd/rule_file.h"
#include "cmd/term.h"
#include "core/ascii.h"
#include "vault/names.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using Rules = std::vector<vault::Rule>;

struct AddOptions {
  std::string file;
  std::vector<std::string> words;  // [ACTION] [MATCH]
  std::string name, action, host, path;
  std::vector<std::string> methods, agents;
  std::string limit, window;
  std::uint64_t timeout = 0;
  std::vector<std::string> contains, equals;
  std::string reason;
  bool disabled = false;
  bool replace = false;
  bool force = false;
};

Expected<std::uint32_t> read_count(std::string_view text) {
  std::uint32_t out = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (ec != std::errc() || end != text.data() + text.size()) {
    return usage_error("--limit wants a number and a window, like 100/hour");
  }
  return out;
}

Status read_limit(const AddOptions& options, vault::Rule& rule) {
  if (options.limit.empty()) {
    return options.window.empty() ? Status() : usage_error("--window belongs to --limit");
  }
  const std::size_t slash = options.limit.find('/');
  const bool joined = slash != std::string::npos;
  if (joined != options.window.empty()) {
    return usage_error(joined ? "the window is given twice" : "--limit lacks its window",
                       "write --limit 100/hour");
  }
  AV_TRY(rule.limit.count, read_count(std::string_view(options.limit).substr(0, slash)));
  const auto window =
      vault::read_rate_window(joined ? options.limit.substr(slash + 1) : options.window);
  if (!window) {
    return usage_error(window.error().message, window.error().hint);
  }
  rule.limit.window = *window;
  return {};
}

// "/pointer=JSON"; a word that is not JSON is a string, so that /model=gpt-5 need not be quoted
// twice.
Expected<vault::BodyCondition> read_equals(const std::string& text) {
  const std::size_t mark = text.find('=');
  if (mark == std::string::npos || (mark != 0 && text.front() != '/')) {
    return usage_error("--body-equals wants /POINTER=JSON",
                       "write --body-equals '/model=\"gpt-5\"'");
  }
  vault::BodyCondition out;
  out.kind = vault::BodyCondition::Kind::kJsonEquals;
  out.pointer = text.substr(0, mark);
  const std::string value = text.substr(mark + 1);
  const Json json = Json::parse(value, nullptr, /*allow_exceptions=*/false);
  const bool meant_as_json =
      !value.empty() && std::string_view("{[\"").find(value.front()) != std::string_view::npos;
  if (!json.is_discarded()) {
    out.value = value;
  } else if (meant_as_json || value.empty()) {
    return usage_error("the value of --body-equals is not JSON",
                       "write --body-equals '/model=\"gpt-5\"'");
  } else {
    out.value = Json(value).dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return out;
}

Status read_conditions(const AddOptions& options, vault::Rule& rule) {
  for (const std::string& text : options.contains) {
    vault::BodyCondition condition;
    condition.value = text;
    rule.body.push_back(std::move(condition));
  }
  for (const std::string& text : options.equals) {
    AV_TRY(vault::BodyCondition condition, read_equals(text));
    rule.body.push_back(std::move(condition));
  }
  return {};
}

bool blocks_everything(const vault::Rule& rule) {
  return rule.action == vault::RuleAction::kBlock && rule.enabled && rule.matcher_text() == "*" &&
         rule.methods.empty() && rule.agents.empty() && rule.body.empty();
}

// [ACTION] [MATCH] and the options that say the same.
Status read_words(const AddOptions& options, vault::Rule& rule) {
  std::vector<std::string> words = options.words;
  std::string action = options.action;
  if (action.empty()) {
    if (words.empty()) {
      return usage_error("which action? block, approve, rate_limit or allow",
                         "like: agent-vault rule add block 'api.example.com/*' --method DELETE");
    }
    action = words.front();
    words.erase(words.begin());
  }
  const auto known = vault::read_rule_action(action);
  if (!known) {
    return usage_error(known.error().message, known.error().hint);
  }
  rule.action = *known;
  if (words.size() > 1) {
    return usage_error("too many arguments", "see: agent-vault rule add --help");
  }
  const bool by_options = !options.host.empty() || !options.path.empty();
  if (by_options && !words.empty()) {
    return usage_error("the host is given twice");
  }
  const std::string host = by_options      ? options.host + options.path
                           : words.empty() ? "*"
                                           : words.front();
  return vault::set_matcher_text(rule, host);
}

Expected<vault::Rule> from_options(const AddOptions& options) {
  vault::Rule rule;
  AV_CHECK(read_words(options, rule));
  rule.methods = options.methods;
  for (std::string& method : rule.methods) {
    std::transform(method.begin(), method.end(), method.begin(),
                   [](char c) { return ascii::upper(c); });
  }
  rule.agents = options.agents;
  AV_CHECK(read_limit(options, rule));
  if (options.timeout != 0) {
    rule.timeout_seconds = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(options.timeout, vault::Rule::kMaxTimeoutSeconds + 1));
    if (rule.action != vault::RuleAction::kApprove) {
      return usage_error("--timeout belongs to the action approve");
    }
  }
  AV_CHECK(read_conditions(options, rule));
  rule.reason = options.reason;
  rule.enabled = !options.disabled;
  rule.name = options.name.empty() ? vault::derived_rule_name(rule) : options.name;
  AV_CHECK(vault::check_rule(rule));
  return rule;
}

Changes compare(const Rules& before, const Rules& after) {
  return changes_between(before, after,
                         [](const vault::Rule& rule) { return vault::rule_to_json(rule); });
}

// What the vault would have afterwards: those of a name that is there in its place.
Rules merged(Rules before, const Rules& added) {
  for (const vault::Rule& rule : added) {
    const auto it = std::find_if(before.begin(), before.end(),
                                 [&](const vault::Rule& old) { return old.name == rule.name; });
    if (it == before.end()) {
      before.push_back(rule);
    } else {
      const std::string uid = it->uid;
      *it = rule;
      it->uid = uid;
    }
  }
  return before;
}

// Refuses a file whose own expectations would not hold with `after`.
Status check_file(Context& context, const std::string& vault, const Rules& after,
                  const vault::RuleFile& file, bool force) {
  if (file.expectations.empty()) {
    return {};
  }
  AV_TRY(const vault::SnapshotPtr snapshot, context.store->load_snapshot(vault));
  std::size_t failed = 0;
  std::string first;
  for (const Met& met : check_expectations(context, *snapshot, after, file.expectations)) {
    if (!met.ok) {
      failed += 1;
      first = first.empty() ? describe(met) : first;
      warn(context, describe(met));
    }
  }
  if (failed == 0 || force) {
    return {};
  }
  return make_error(
      ErrorCode::kInvalid,
      count_of(failed, "expectation") + " of the file would not be met, among them " + first,
      "nothing was changed; see: agent-vault rule test -f FILE, or use --force");
}

Expected<int> run_add(Context& context, const AddOptions& options) {
  vault::RuleFile file;
  const bool by_hand = options.file.empty();
  if (by_hand) {
    AV_TRY(vault::Rule rule, from_options(options));
    file.rules.push_back(std::move(rule));
  } else {
    const AddOptions none;
    const bool mixed = !options.words.empty() || !options.action.empty() || !options.host.empty() ||
                       !options.path.empty() || !options.methods.empty() ||
                       !options.agents.empty() || !options.limit.empty() ||
                       !options.window.empty() || options.timeout != none.timeout ||
                       !options.contains.empty() || !options.equals.empty() ||
                       !options.reason.empty() || !options.name.empty();
    if (mixed) {
      return usage_error("-f stands alone: what a rule is stands in the file");
    }
    AV_TRY(file, read_rule_file(options.file));
    for (vault::Rule& rule : file.rules) {
      rule.enabled = rule.enabled && !options.disabled;
    }
  }
  AV_CHECK(context.open_store());
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const Rules before, context.store->list_rules(vault));
  Changes changes = compare(before, file.rules);
  changes.removed.clear();
  if (by_hand && !options.replace && changes.added.empty()) {
    return make_error(ErrorCode::kExists,
                      "there is a rule named '" + file.rules.front().name + "' already",
                      "--replace changes it; --name gives the new one another name");
  }
  const Rules after = merged(before, file.rules);
  AV_CHECK(check_file(context, vault, after, file, options.force));
  AV_CHECK(audited(context, action("rule.add", vault, changes.text()),
                   [&] { return context.store->put_rules(vault, file.rules); }));
  report(context, vault, changes);
  for (const vault::Rule& rule : file.rules) {
    if (by_hand && blocks_everything(rule)) {
      warn(context,
           "it blocks every request to every host; if that was not meant: agent-vault rule "
           "remove " +
               rule.name);
    }
  }
  AV_CHECK(warn_about_rules(context, vault, after, changes.touched()));
  return 0;
}

struct SetOptions {
  std::string file;
  bool yes = false;
  bool force = false;
};

Expected<int> run_set(Context& context, const SetOptions& options) {
  AV_TRY(vault::RuleFile file, read_rule_file(options.file));
  if (!file.names_rules) {
    return make_error(ErrorCode::kInvalid, "the file names no rules",
                      "to remove all rules it must say so: `rules = []`");
  }
  AV_CHECK(context.open_store());
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const Rules before, context.store->list_rules(vault));
  const Changes changes = compare(before, file.rules);
  // The rules that stay keep their uid, as in the store.
  Rules after = file.rules;
  for (vault::Rule& rule : after) {
    const auto old = std::find_if(before.begin(), before.end(), [&](const vault::Rule& other) {
      return other.name == rule.name;
    });
    rule.uid = old == before.end() ? "" : old->uid;
  }
  AV_CHECK(check_file(context, vault, after, file, options.force));
  if (!changes.removed.empty() && !options.yes) {
    AV_TRY(const bool sure, confirm("this removes " + join(changes.removed, ", ") +
                                    " from vault '" + vault + "'; go on?"));
    if (!sure) {
      notice(context, "nothing was changed");
      return 1;
    }
  }
  AV_CHECK(audited(context, action("rule.set", vault, changes.text()),
                   [&] { return context.store->replace_rules(vault, file.rules); }));
  report(context, vault, changes);
  AV_CHECK(warn_about_rules(context, vault, after, changes.touched()));
  return 0;
}

}  // namespace

Run setup_rule_add(OptionSet& app) {
  const auto o = std::make_shared<AddOptions>();
  app.add_option("RULE", o->words, "ACTION and HOST[:PORT][/PATH]: block 'api.example.com/v1/*'");
  app.add_option("-f,--file", o->file, "rules in TOML or JSON; - for standard input")
      ->type_name("FILE");
  app.add_option("--name", o->name, "name of the rule; made from what it matches when not given");
  app.add_option("--action", o->action, "what happens to requests that match")
      ->type_name("block|approve|rate_limit|allow");
  app.add_option("--host", o->host,
                 "HOST[:PORT]; *.example.com one label, **.example.com any depth");
  app.add_option("--path", o->path, "path on that host, or on all; /v1/*");
  app.add_option("--method", o->methods, "only these methods, repeatable; GET covers HEAD")
      ->repeatable();
  app.add_option("--agent", o->agents, "only these agents, repeatable")->repeatable();
  app.add_option("--limit", o->limit, "rate_limit: how many requests pass")->type_name("N/WINDOW");
  app.add_option("--window", o->window, "rate_limit: when not in --limit")
      ->type_name("second|minute|hour|day");
  app.add_option("--timeout", o->timeout, "approve: seconds until it is denied, 180 by default")
      ->positive();
  app.add_option("--body-contains", o->contains, "only bodies that contain this text, repeatable")
      ->type_name("TEXT")
      ->repeatable();
  app.add_option("--body-equals", o->equals, "only JSON bodies with this value there, repeatable")
      ->type_name("/POINTER=JSON")
      ->repeatable();
  app.add_option("--reason", o->reason, "what the agent is told");
  app.add_flag("--disabled", o->disabled, "add it disabled");
  app.add_flag("--replace", o->replace, "change the rule of this name if there is one");
  app.add_flag("--force", o->force, "also when expectations of the file are not met");
  return [o](Context& context) { return run_add(context, *o); };
}

Run setup_rule_set(OptionSet& app) {
  const auto o = std::make_shared<SetOptions>();
  app.add_option("-f,--file", o->file, "rules in TOML or JSON; - for standard input")
      ->type_name("FILE")
      ->required();
  app.add_flag("-y,--yes", o->yes, "do not ask before rules are removed");
  app.add_flag("--force", o->force, "also when expectations of the file are not met");
  return [o](Context& context) { return run_set(context, *o); };
}

}  // namespace av::cmd
