#include <array>
#include <nlohmann/json.hpp>
#include "cmd/option_set.h"

#include "cmd/audit_action.h"
#include "cmd/audit_export.h"
#include "cmd/audit_filter.h"
#include "cmd/audit_settings.h"
#include "cmd/cli.h"
#include "cmd/output.h"
#include "cmd/term.h"
#include "core/encoding.h"
#include "store/audit_verify.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

struct VerifyWords {
  std::string head;
  std::string public_key;
};

Json to_json(const store::Findings& findings) {
  Json list = Json::array();
  for (const store::Finding& finding : findings.list()) {
    Json object = {{"file", finding.file}, {"what", finding.what}};
    if (finding.line != 0) {
      object["line"] = finding.line;
    }
    if (!finding.advice.empty()) {
      object["advice"] = finding.advice;
    }
    list.push_back(std::move(object));
  }
  return list;
}

std::string place_of(const store::Finding& finding) {
  return finding.file + (finding.line == 0 ? "" : ":" + std::to_string(finding.line));
}

std::string summary(const store::VerifyReport& report) {
  std::string text = count_of(report.files, "file") + " with " +
                     count_of(report.records, "record") + " since " + show_time(report.since_ms);
  if (report.pruned_files != 0) {
    text += ", " + count_of(report.pruned_files, "file") + " with " +
            count_of(report.pruned_records, "record") + " pruned";
  }
  if (report.adopted != 0) {
    text += ", " + count_of(report.adopted, "file") + " from before the chain";
  }
  return text + "; head " + store::to_text(report.head);
}

void print_json(const Context& context, const store::VerifyReport& report) {
  const Json json = {{"ok", report.problems.count() == 0},
                     {"files", report.files},
                     {"records", report.records},
                     {"pruned_files", report.pruned_files},
                     {"pruned_records", report.pruned_records},
                     {"files_before_the_chain", report.adopted},
                     {"since", report.since_ms == 0 ? Json() : Json(format_utc(report.since_ms))},
                     {"head", report.head.n == 0 ? Json() : Json(store::to_text(report.head))},
                     {"public_key", report.key ? Json(encoding::hex(*report.key)) : Json()},
                     {"problem_count", report.problems.count()},
                     {"problems", to_json(report.problems)},
                     {"notices", to_json(report.notices)}};
  print(context.out, json.dump() + "\n");
}

void print_words(const Context& context, const store::VerifyReport& report) {
  for (const store::Finding& finding : report.notices.list()) {
    notice(context, place_of(finding) + ": " + finding.what +
                        (finding.advice.empty() ? "" : "; " + finding.advice));
  }
  std::string advice;
  for (const store::Finding& finding : report.problems.list()) {
    print(context.out, place_of(finding) + ": " + finding.what + "\n");
    if (finding.advice != advice) {
      advice = finding.advice;
      print(context.out, "  -> " + advice + "\n");
    }
  }
  if (report.problems.count() > report.problems.list().size()) {
    print(context.out, "... and " +
                           std::to_string(report.problems.count() - report.problems.list().size()) +
                           " more\n");
  }
  if (report.problems.count() != 0) {
    notice(context, "the audit log is not what was written: " +
                        count_of(report.problems.count(), "problem") + " in " + summary(report));
  } else if (report.head.n == 0) {
    print(context.out, "there is no audit log yet\n");
  } else {
    print(context.out, "nothing amiss: " + summary(report) + "\n");
  }
}

Expected<store::RootExpectation> expectation(Context& context, const VerifyWords& words) {
  store::RootExpectation expected;
  if (!words.head.empty()) {
    expected.head = store::parse_head(words.head);
    if (!expected.head) {
      return usage_error("--head wants what `agent-vault audit head` printed: NUMBER:HASH");
    }
  }
  if (!words.public_key.empty()) {
    store::PublicKey key{};
    if (!store::read_hex(words.public_key, key)) {
      return usage_error("--public-key wants the 64 digits that `agent-vault audit head` printed");
    }
    expected.key = key;
  } else if (context.open_store_quietly()) {
    AV_TRY(expected.unmade, store::is_chain_unmade(*context.store));
    AV_TRY(expected.key, store::stored_public_key(*context.store));
  } else if (std::error_code ec; std::filesystem::exists(context.paths.audit(), ec)) {
    notice(context,
           "the store cannot be opened here: that the chain is signed by its key is checked with "
           "--public-key only");
  }
  return expected;
}

Expected<int> run_verify(Context& context, const VerifyWords& words) {
  AV_CHECK(context.check_log_is_visible());
  AV_TRY(const auto expected, expectation(context, words));
  AV_TRY(const auto report, store::verify_audit(context.paths.audit(), expected));
  if (context.json) {
    print_json(context, report);
  } else {
    print_words(context, report);
  }
  return report.problems.count() == 0 ? 0 : 1;
}

Run setup_verify(OptionSet& app) {
  const auto words = std::make_shared<VerifyWords>();
  app.add_option("--head", words->head, "the log must contain this head, which was kept elsewhere")
      ->type_name("NUMBER:HASH");
  app.add_option("--public-key", words->public_key, "the key that must have signed the log")
      ->type_name("HEX");
  return [words](Context& context) { return run_verify(context, *words); };
}

Expected<int> run_head(Context& context) {
  AV_CHECK(context.check_log_is_visible());
  store::RootScan root(context.paths.audit(), {});
  AV_CHECK(root.catch_up());
  if (root.last().n == 0 || !root.key()) {
    return make_error(ErrorCode::kNotFound, "there is no audit log yet",
                      "the first command that uses the store makes it");
  }
  const std::string head = store::to_text(root.last());
  const std::string key = encoding::hex(*root.key());
  if (context.json) {
    print(context.out, Json{{"head", head}, {"public_key", key}}.dump() + "\n");
  } else {
    print(context.out, "head        " + head + "\npublic key  " + key + "\n");
  }
  if (root.problems().count() != 0) {
    warn(context, "the chain is not what was written; see: agent-vault audit verify");
  }
  return 0;
}

Run setup_head(OptionSet& app) {
  app.footer("Keep it elsewhere: on another machine, in a repository, on paper.");
  return run_head;
}

struct PruneWords {
  std::string before;
  bool dry_run = false;
  bool yes = false;
};

Expected<std::int64_t> cut_of(Context& context, const PruneWords& words) {
  const std::int64_t now_ms = context.clock->wall_ms();
  if (!words.before.empty()) {
    return parse_when("--before", words.before, now_ms);
  }
  AV_TRY(const AuditSettings settings, read_audit_settings(context.paths.config_file()));
  if (!settings.keep_ms) {
    return usage_error(
        "say what to remove: --before 90d",
        "or put keep = \"90d\" under [audit] in " + context.paths.config_file().string());
  }
  return now_ms - *settings.keep_ms;
}

void report_prune(const Context& context, const store::PrunePlan& plan, const PruneWords& words,
                  std::int64_t before_ms) {
  Json names = Json::array();
  for (const store::PrunedJournal& one : plan.files) {
    names.push_back(one.file);
  }
  if (context.json) {
    const Json json = {{"before", format_utc(before_ms)},
                       {"dry_run", words.dry_run},
                       {"files", names},
                       {"records", plan.records},
                       {"leftovers", plan.leftovers},
                       {"refused", to_json(plan.refused)}};
    print(context.out, json.dump() + "\n");
    return;
  }
  const std::string what = count_of(plan.files.size(), "file") + " with " +
                           count_of(plan.records, "record") + " older than " + show_time(before_ms);
  notice(context, (words.dry_run ? "would remove " : "removed ") + what);
  if (!plan.leftovers.empty()) {
    notice(context,
           "and what an interrupted prune left: " + count_of(plan.leftovers.size(), "file"));
  }
}

Expected<int> run_prune(Context& context, const PruneWords& words) {
  AV_TRY(const std::int64_t before_ms, cut_of(context, words));
  const auto directory = context.paths.audit();
  AV_TRY(const auto plan, store::plan_prune(directory, before_ms));
  for (const store::Finding& finding : plan.refused.list()) {
    warn(context, place_of(finding) + ": " + finding.what +
                      "; the file stays; see: agent-vault audit verify");
  }
  const int code = plan.refused.count() == 0 ? 0 : 1;
  if (words.dry_run || (plan.files.empty() && plan.leftovers.empty())) {
    report_prune(context, plan, words, before_ms);
    return code;
  }
  if (!words.yes) {
    AV_TRY(const bool sure,
           confirm("remove " + count_of(plan.files.size(), "file") + " of the audit log with " +
                   count_of(plan.records, "record") + " for good?"));
    if (!sure) {
      notice(context, "nothing was removed");
      return 1;
    }
  }
  const std::string detail = count_of(plan.files.size(), "file") + " with " +
                             count_of(plan.records, "record") + " before " + format_utc(before_ms);
  AV_CHECK(audited(context, action("audit.prune", "", detail), [&]() -> Status {
    AV_TRY(const auto chain, store::RootChain::open(directory, *context.store, *context.clock));
    return store::prune(directory, plan, before_ms, *chain);
  }));
  report_prune(context, plan, words, before_ms);
  return code;
}

Run setup_prune(OptionSet& app) {
  const auto words = std::make_shared<PruneWords>();
  app.add_option("--before", words->before,
                 "remove what is older; by default as audit.keep in config.toml says")
      ->type_name("WHEN");
  app.add_flag("--dry-run", words->dry_run, "say what would be removed");
  app.add_flag("-y,--yes", words->yes, "do not ask");
  app.footer("Files go as a whole: one for each run and command, when its last record is older.");
  return [words](Context& context) { return run_prune(context, *words); };
}

}  // namespace

std::span<const Command> audit_commands() {
  static constexpr std::array<Command, 4> kCommands = {{
      {"audit verify", "check that the audit log is as it was written", Needs::kNothing,
       setup_verify, false, true},
      {"audit head", "print what proves the log of today later", Needs::kNothing, setup_head, false,
       true},
      {"audit export", "print the audit log, or send it to a collector", Needs::kNothing,
       setup_audit_export, false, true},
      {"audit prune", "remove old files of the audit log", Needs::kStore, setup_prune, true, true},
  }};
  return kCommands;
}

}  // namespace av::cmd
