// `rule test`: what policy says about a request, and why; and whether the expectations of a file
// are met.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/cli.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "cmd/rule_expect.h"
#include "cmd/rule_explain.h"
#include "cmd/rule_file.h"
#include "proxy/refusals.h"
#include "vault/names.h"
#include "vault/request_text.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

struct TestOptions {
  std::vector<std::string> words;  // [METHOD] URL
  std::string agent;
  std::string body;
  std::string file;
  bool verbose = false;
};

Expected<vault::RequestIdentity> read_request(const std::vector<std::string>& words) {
  if (words.empty() || words.size() > 2) {
    return usage_error("which request?",
                       "like: agent-vault rule test DELETE https://api.example.com/v1/items/7");
  }
  auto request = words.size() == 1 ? vault::parse_request(words.front())
                                   : vault::parse_request(words[0], words[1]);
  if (!request && request.error().code == ErrorCode::kNotPermitted) {
    return make_error(
        ErrorCode::kInvalid,
        "the proxy answers 400 bad_request, whatever the rules are: " + request.error().message);
  }
  return request;
}

Expected<std::string> read_body(const std::string& option) {
  if (option.starts_with('@')) {
    return option.substr(1);
  }
  // More than policy looks at, so that a longer one is explained too.
  return read_text(option, vault::BodyView::kMaxSize * 64);
}

Status check_agent_name(Context& context, const vault::PolicySnapshot& snapshot,
                        const std::string& name) {
  if (name.empty() || snapshot.agents.contains(name)) {
    return {};
  }
  const auto names = agent_names(context);
  if (names && std::find(names->begin(), names->end(), name) != names->end()) {
    return {};  // revoked, or of other vaults: policy says so
  }
  const std::string near = vault::did_you_mean(name, names.value_or(std::vector<std::string>()));
  return make_error(ErrorCode::kNotFound, "no agent named '" + name + "'",
                    near.empty() ? "see: agent-vault agent list" : "did you mean '" + near + "'?");
}

Expected<int> explain_request(Context& context, const TestOptions& options) {
  Question question;
  AV_TRY(question.request, read_request(options.words));
  std::string body;
  if (!options.body.empty()) {
    AV_TRY(body, read_body(options.body));
  }
  AV_CHECK(context.open_store());
  api::Explanation explained;
  AV_TRY(explained.vault, context.vault_name());
  AV_TRY(explained.all_rules, context.store->list_rules(explained.vault));
  AV_TRY(question.snapshot, context.store->load_snapshot(explained.vault));
  AV_CHECK(check_agent_name(context, *question.snapshot, options.agent));
  question.principal = principal_of(*question.snapshot, options.agent);
  set_body(question, body);
  question.now_ms = context.clock->wall_ms();
  explained.agent_name = options.agent;
  explained.body_given = !options.body.empty();
  const auto ledger = context.limits();
  api::explain(question, ledger.get(), proxy::denial_fault, explained);
  if (context.json) {
    print(context.out, api::explanation_json(explained, *question.snapshot, options.verbose));
  } else {
    print_explanation(context, explained, *question.snapshot, options.verbose);
  }
  return 0;
}

// -- files

Json met_json(const Met& met) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
  };
  const vault::Expectation& expectation = *met.expectation;
  Json expected = {{"decision", to_string(expectation.decision)}};
  if (expectation.rule) {
    expected["rule"] = or_null(*expectation.rule);
  }
  if (expectation.service) {
    expected["service"] = or_null(*expectation.service);
  }
  return {{"request", expectation.text},
          {"agent", or_null(expectation.agent)},
          {"line", expectation.line},
          {"ok", met.ok},
          {"expected", expected},
          {"got",
           {{"decision", to_string(met.got.decision)},
            {"rule", or_null(met.got.rule)},
            {"service", or_null(met.got.service)},
            {"error", or_null(met.answer)}}}};
}

Expected<int> test_file(Context& context, const TestOptions& options) {
  if (!options.words.empty() || !options.agent.empty() || !options.body.empty()) {
    return usage_error("-f stands alone: the requests stand in the file, as [[expect]]");
  }
  AV_TRY(const vault::RuleFile file, read_rule_file(options.file));
  if (file.expectations.empty()) {
    return make_error(ErrorCode::kInvalid, "the file expects nothing",
                      "add [[expect]] tables with \"request\" and \"decision\"");
  }
  AV_CHECK(context.open_store());
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const vault::SnapshotPtr snapshot, context.store->load_snapshot(vault));
  // A file without rules tests those of the vault.
  std::vector<vault::Rule> rules = file.rules;
  if (!file.names_rules) {
    AV_TRY(rules, context.store->list_rules(vault));
  }
  Json list = Json::array();
  std::size_t failed = 0;
  for (const Met& met : check_expectations(context, *snapshot, rules, file.expectations)) {
    failed += met.ok ? 0 : 1;
    if (context.json) {
      list.push_back(met_json(met));
    } else {
      print(context.out, (met.ok ? "ok    " : "FAIL  ") + describe(met) + "\n");
    }
  }
  if (context.json) {
    const Json json = {{"vault", vault}, {"failed", failed}, {"expectations", list}};
    print(context.out, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  } else {
    notice(context, failed == 0
                        ? "all of " + count_of(file.expectations.size(), "expectation") + " met"
                        : std::to_string(failed) + " of " +
                              count_of(file.expectations.size(), "expectation") + " not met");
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace

Run setup_rule_test(OptionSet& app) {
  const auto o = std::make_shared<TestOptions>();
  app.add_option("REQUEST", o->words, "METHOD and URL; a URL alone is a GET");
  app.add_option("--agent", o->agent, "as if this agent sent it")->type_name("NAME");
  app.add_option("--body", o->body, "its body: a file, - for standard input, or @ and the text")
      ->type_name("FILE|-|@TEXT");
  app.add_option("-f,--file", o->file, "check the [[expect]]s of a file of rules instead")
      ->type_name("FILE");
  app.add_flag("-v,--verbose", o->verbose,
               "also the rules of this host that do not match, and why");
  return [o](Context& context) {
    return o->file.empty() ? explain_request(context, *o) : test_file(context, *o);
  };
}

}  // namespace av::cmd
