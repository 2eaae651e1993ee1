// `rule test`: what policy says about a request, and why; and whether the expectations of a file
// are met.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/cli.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "cmd/rule_expect.h"
#include "cmd/rule_file.h"
#include "core/encoding.h"
#include "proxy/refusals.h"
#include "vault/names.h"
#include "vault/request_text.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using Decision = vault::Expectation::Decision;

struct TestOptions {
  std::vector<std::string> words;  // [METHOD] URL
  std::string agent;
  std::string body;
  std::string file;
  bool verbose = false;
};

// A rule and what keeps it from matching, if anything does.
struct Considered {
  const vault::Rule* rule = nullptr;
  vault::Mismatch mismatch = vault::Mismatch::kNothing;
  const Expected<vault::LimitLedger::Count>* count = nullptr;  // of a limit that was looked at
};

struct Explanation {
  std::string vault;
  vault::UnmatchedPolicy unmatched = vault::UnmatchedPolicy::kPassthrough;
  vault::RequestIdentity request;
  std::vector<std::string> readings;
  std::string agent_name;
  const vault::Agent* agent = nullptr;  // null: none, or one that may not act here
  std::vector<vault::Rule> all_rules;   // disabled ones too
  std::vector<Considered> rules;
  const vault::Service* service = nullptr;
  Counts counts;
  Verdict verdict;
  std::optional<proxy::Fault> answer;  // empty: the request is passed on
  bool body_given = false;
  bool looks_at_body = false;
};

std::string_view why(vault::Mismatch mismatch) {
  switch (mismatch) {
    case vault::Mismatch::kNothing:
      return "matches";
    case vault::Mismatch::kDisabled:
      return "is disabled";
    case vault::Mismatch::kHost:
      return "is for another host";
    case vault::Mismatch::kAgent:
      return "is for other agents";
    case vault::Mismatch::kPort:
      return "is for another port";
    case vault::Mismatch::kMethod:
      return "is for other methods";
    case vault::Mismatch::kPath:
      return "is for other paths";
    case vault::Mismatch::kBody:
      return "is for other bodies";
  }
  return "";
}

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
  // One byte more than policy looks at tells that it is too long.
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

// The counts stand in the order in which policy takes them.
void assign_counts(Explanation& out) {
  std::size_t next = out.agent != nullptr && out.agent->limit.count != 0 ? 1 : 0;
  for (Considered& considered : out.rules) {
    if (considered.mismatch == vault::Mismatch::kNothing &&
        considered.rule->action == vault::RuleAction::kRateLimit && next < out.counts.size()) {
      considered.count = &out.counts[next++];
    }
  }
}

std::optional<proxy::Fault> answer_of(const Explanation& explained, std::int64_t now_ms) {
  const auto& deny = explained.verdict.deny;
  return deny ? std::optional(proxy::denial_fault(*deny, explained.request, now_ms)) : std::nullopt;
}

void explain(Context& context, const Question& question, Explanation& out) {
  const vault::PolicySnapshot& snapshot = *question.snapshot;
  const auto ledger = context.limits();
  out.request = question.request;
  out.readings = vault::path_readings(question.request.target.path);
  out.unmatched = snapshot.unmatched;
  const auto agent = snapshot.agents.find(out.agent_name);
  out.agent = agent == snapshot.agents.end() ? nullptr : &agent->second;
  out.service = snapshot.matcher.find(question.request);
  for (const vault::Rule& rule : out.all_rules) {
    const vault::Mismatch mismatch =
        vault::mismatch(rule, question.request, out.agent_name, question.body);
    out.rules.push_back({&rule, mismatch, nullptr});
  }
  if (ledger != nullptr) {
    out.counts = look_at_limits(question, *ledger);
    assign_counts(out);
  }
  out.verdict = judge(question, ledger.get());
  out.looks_at_body = depends_on_body(question);
  out.answer = answer_of(out, question.now_ms);
}

// -- words

std::string scope_words(const std::vector<std::string>& names) {
  return names.empty() ? "all" : join(names, ", ");
}

std::string limit_words(const Considered& considered) {
  const std::string terms = terms_of(*considered.rule);
  if (considered.count == nullptr) {
    return terms;
  }
  const auto& count = *considered.count;
  if (!count) {
    return terms + ", count not known: " + count.error().message;
  }
  // What is looked at is counted as if this request were the next one.
  return std::to_string(count->used) + " of " + terms + " used";
}

std::string credential_words(const vault::PolicySnapshot& snapshot, const vault::Service& service) {
  std::string out;
  for (const std::string& key : service.credential_keys()) {
    out += (out.empty() ? "" : ", ") + key +
           (snapshot.credentials.contains(key) ? " (set)" : " (not set)");
  }
  return out.empty() ? "no credential" : out;
}

std::string decision_words(const Explanation& explained) {
  const Verdict& verdict = explained.verdict;
  const std::string by = verdict.rule.empty() ? "" : " by " + verdict.rule;
  switch (verdict.decision) {
    case Decision::kBlock:
      return "blocked" + by;
    case Decision::kApprove:
      return "held" + by + " until a person allows it, at most " +
             std::to_string(verdict.timeout_seconds) + " s";
    case Decision::kRateLimit:
      return verdict.deny ? "refused: the limit" + (verdict.rule.empty() ? " of the agent" : by) +
                                " is used up"
                          : "allowed, and counted" + by;
    case Decision::kDeny:
      return "refused";
    case Decision::kAllow:
      break;
  }
  return "allowed" + by + (verdict.service.empty() ? ", without a credential" : "");
}

void print_words(const Context& context, const Explanation& explained, bool verbose,
                 const vault::PolicySnapshot& snapshot) {
  constexpr std::size_t kWidth = 12;
  const auto line = [&](std::string_view what, const std::string& text) {
    std::string label = "  " + std::string(what);
    label.resize(std::max(label.size() + 1, kWidth), ' ');
    print(context.out, label + encoding::printable(text) + "\n");
  };
  print(context.out, encoding::printable(to_string(explained.request)) + "\n");
  for (const std::string& reading : explained.readings) {
    if (reading != explained.request.target.path) {
      line("also as", reading);
    }
  }
  if (!explained.agent_name.empty()) {
    line("agent", explained.agent == nullptr
                      ? explained.agent_name + ": may not act in this vault"
                      : explained.agent_name + ": services " +
                            scope_words(explained.agent->services) + "; credentials " +
                            scope_words(explained.agent->credentials));
  }
  bool any = false;
  for (const Considered& considered : explained.rules) {
    const bool matches = considered.mismatch == vault::Mismatch::kNothing;
    if (matches || (verbose && considered.mismatch != vault::Mismatch::kHost)) {
      const std::string terms = limit_words(considered);
      line("rule",
           considered.rule->name + " (" + std::string(to_string(considered.rule->action)) +
               (terms.empty() ? "" : ", " + terms) + ") " + std::string(why(considered.mismatch)) +
               (matches && considered.rule->name == explained.verdict.rule ? " and decides" : ""));
      any = true;
    }
  }
  if (!any) {
    line("rule", "none matches");
  }
  line("service",
       explained.service == nullptr
           ? "none covers it; unmatched requests: " + std::string(to_string(explained.unmatched))
           : explained.service->name + ": " +
                 std::string(vault::auth_type_name(explained.service->auth)) + ", " +
                 credential_words(snapshot, *explained.service) +
                 (explained.service->enabled ? "" : ", disabled"));
  if (explained.looks_at_body && !explained.body_given) {
    line("body", "rules look at it, and none was given: taken as empty (--body)");
  }
  line("decision", decision_words(explained));
  line("answer", explained.answer
                     ? std::to_string(explained.answer->status) + " " +
                           std::string(explained.answer->code) + ": " + explained.answer->message
                     : "the server's own");
}

// -- JSON

Json rule_json(const Considered& considered) {
  Json out = {{"name", considered.rule->name},
              {"action", to_string(considered.rule->action)},
              {"matches", considered.mismatch == vault::Mismatch::kNothing},
              {"why", why(considered.mismatch)}};
  if (considered.rule->action == vault::RuleAction::kRateLimit) {
    Json limit = {{"limit", considered.rule->limit.count},
                  {"window", to_string(considered.rule->limit.window)},
                  {"used", nullptr}};
    if (considered.count != nullptr && *considered.count) {
      limit["used"] = (*considered.count)->used;
      limit["window_end_ms"] = (*considered.count)->window_end_ms;
    }
    out["limit"] = limit;
  }
  return out;
}

Json service_json(const vault::PolicySnapshot& snapshot, const vault::Service* service) {
  if (service == nullptr) {
    return nullptr;
  }
  Json credentials = Json::array();
  for (const std::string& key : service->credential_keys()) {
    credentials.push_back({{"key", key}, {"set", snapshot.credentials.contains(key)}});
  }
  return {{"name", service->name},
          {"auth", vault::auth_type_name(service->auth)},
          {"enabled", service->enabled},
          {"credentials", credentials}};
}

Json agent_json(const Explanation& explained) {
  if (explained.agent_name.empty()) {
    return nullptr;
  }
  Json out = {{"name", explained.agent_name}, {"may_act", explained.agent != nullptr}};
  if (explained.agent != nullptr) {
    out["services"] = explained.agent->services;
    out["credentials"] = explained.agent->credentials;
  }
  return out;
}

Json explanation_json(const Explanation& explained, bool verbose,
                      const vault::PolicySnapshot& snapshot) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
  };
  Json rules = Json::array();
  for (const Considered& considered : explained.rules) {
    if (considered.mismatch == vault::Mismatch::kNothing ||
        (verbose && considered.mismatch != vault::Mismatch::kHost)) {
      rules.push_back(rule_json(considered));
    }
  }
  Json answer = nullptr;
  if (explained.answer) {
    answer = {{"status", explained.answer->status},
              {"error", explained.answer->code},
              {"message", explained.answer->message}};
  }
  return {{"vault", explained.vault},
          {"request", to_string(explained.request)},
          {"method", explained.request.method},
          {"host", explained.request.authority.host},
          {"port", explained.request.authority.port},
          {"path", explained.request.target.path},
          {"readings", explained.readings},
          {"agent", agent_json(explained)},
          {"rules", rules},
          {"service", service_json(snapshot, explained.service)},
          {"unmatched", to_string(explained.unmatched)},
          {"looks_at_body", explained.looks_at_body},
          {"decision", to_string(explained.verdict.decision)},
          {"passes", !explained.answer && explained.verdict.decision != Decision::kApprove},
          {"rule", or_null(explained.verdict.rule)},
          {"answer", answer}};
}

Expected<int> explain_request(Context& context, const TestOptions& options) {
  Question question;
  AV_TRY(question.request, read_request(options.words));
  std::string body;
  if (!options.body.empty()) {
    AV_TRY(body, read_body(options.body));
  }
  AV_CHECK(context.open_store());
  Explanation explained;
  AV_TRY(explained.vault, context.vault_name());
  AV_TRY(explained.all_rules, context.store->list_rules(explained.vault));
  AV_TRY(question.snapshot, context.store->load_snapshot(explained.vault));
  AV_CHECK(check_agent_name(context, *question.snapshot, options.agent));
  question.principal = principal_of(*question.snapshot, options.agent);
  question.body = view_of_body(body);
  question.now_ms = context.clock->wall_ms();
  explained.agent_name = options.agent;
  explained.body_given = !options.body.empty();
  explain(context, question, explained);
  if (context.json) {
    const Json json = explanation_json(explained, options.verbose, *question.snapshot);
    print(context.out, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  } else {
    print_words(context, explained, options.verbose, *question.snapshot);
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
