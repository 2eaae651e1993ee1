#include <array>
#include <set>
#include <thread>
#include <tuple>
#include "cmd/option_set.h"

#include "cmd/audit_filter.h"
#include "cmd/cli.h"
#include "cmd/output.h"
#include "cmd/remote.h"
#include "cmd/remote_log.h"
#include "cmd/remote_store.h"
#include "core/encoding.h"
#include "store/audit_reader.h"

namespace av::cmd {
namespace {

constexpr std::size_t kDefaultLimit = 100;
constexpr std::chrono::milliseconds kPollEvery{100};
constexpr std::chrono::milliseconds kPollServerEvery{1000};

struct LogOptions {
  bool follow = false;
  std::size_t limit = kDefaultLimit;
  AuditFilterWords filter;
};

// Of what a command did, the announcement says nothing that the outcome beside it does not. One
// without an outcome stays: its command was killed, or is at it.
void drop_announcements(std::vector<store::AuditEntry>& entries) {
  std::set<std::tuple<std::string, std::uint64_t, std::string>> outcomes;
  for (const store::AuditEntry& entry : entries) {
    if (entry.record.host.empty() && !entry.record.decision.empty()) {
      outcomes.emplace(entry.file, entry.record.request, entry.record.event + ".begin");
    }
  }
  std::erase_if(entries, [&](const store::AuditEntry& entry) {
    return is_announcement(entry.record.event) &&
           outcomes.contains({entry.file, entry.record.request, entry.record.event});
  });
}

std::string shown(std::string_view text) {
  return encoding::printable(text);
}

// One line. Hosts, paths and agents come from outside and are shown so that they cannot pose.
std::string to_line(const vault::AuditRecord& r) {
  std::string line = show_time(r.time_ms) + "  ";
  const auto add = [&](std::string_view text) {
    if (!text.empty()) {
      line += shown(text) + " ";
    }
  };
  add(is_alarm(r) ? "ALARM" : "");
  const std::string who = r.agent.empty() ? r.run : r.agent;
  if (!r.host.empty()) {
    add(r.decision.empty() ? r.event : r.decision);
    add(r.status == 0 ? "-" : std::to_string(r.status));
    add(r.method);
    const bool standard = r.port == 0 || (r.scheme == "https" && r.port == 443) ||
                          (r.scheme == "http" && r.port == 80);
    line += shown((r.scheme.empty() ? "" : r.scheme + "://") + r.host) +
            (standard ? "" : ":" + std::to_string(r.port)) + shown(r.path) + " ";
  } else {
    add(r.event);
    add(r.decision == "allow" ? "" : r.decision);
    add(r.vault.empty() ? "" : "vault=" + r.vault);
  }
  add(r.service.empty() ? "" : "service=" + r.service);
  add(r.credentials.empty() ? "" : "credentials=" + join(r.credentials, ","));
  add(who.empty() ? "" : "by=" + who);
  add(r.error.empty() ? "" : "error=" + r.error);
  add(r.latency_us == 0 ? "" : std::to_string(r.latency_us / 1000) + "ms");
  add(r.detail);
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

Status show(const Context& context, const std::vector<store::AuditEntry>& entries) {
  for (const auto& entry : entries) {
    print(context.out, context.json ? entry.line + "\n" : to_line(entry.record));
  }
  if (std::fflush(context.out) != 0 || std::ferror(context.out) != 0) {
    return errno_error(errno, "cannot write the output");
  }
  return {};
}

// The same of a server: what passed its proxy in one vault.
Expected<int> run_remote_log(Context& context, const LogOptions& options) {
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const AuditFilter filter,
         AuditFilter::make(options.filter, vault, context.clock->wall_ms()));
  RemoteLog log(context.remote()->api(), vault);
  const RemoteLog::Keep keep = [&](const vault::AuditRecord& record) {
    return filter.matches(record);
  };
  AV_TRY(const auto entries, log.read(options.limit, filter.since_ms(), keep));
  AV_CHECK(show(context, entries));
  if (entries.empty() && !options.follow && !context.json) {
    notice(context,
           "no request on the log that fits; what else happened is on the log where the "
           "server runs");
  }
  while (options.follow) {
    std::this_thread::sleep_for(kPollServerEvery);
    AV_TRY(const auto more, log.poll(keep));
    AV_CHECK(show(context, more));
  }
  return 0;
}

Expected<int> run_log(Context& context, const LogOptions& options) {
  AV_CHECK(context.check_log_is_visible());
  AV_TRY(const AuditFilter filter,
         AuditFilter::make(options.filter, context.vault.value_or(""), context.clock->wall_ms()));
  if (is_remote(context)) {
    AV_CHECK(context.open_store());
    return run_remote_log(context, options);
  }
  store::AuditReader reader(context.paths.audit());
  const store::AuditReader::Keep keep = [&](const vault::AuditRecord& record) {
    return filter.matches(record);
  };
  const auto show_all = [&](std::vector<store::AuditEntry> entries, std::size_t limit) {
    if (!filter.wants_announcements()) {
      drop_announcements(entries);
    }
    if (limit != 0 && entries.size() > limit) {
      entries.erase(entries.begin(), entries.end() - static_cast<std::ptrdiff_t>(limit));
    }
    return show(context, entries);
  };
  // Up to half of them are announcements.
  AV_TRY(auto entries, reader.read(2 * options.limit, filter.since_ms(), keep));
  const bool empty = entries.empty();
  AV_CHECK(show_all(std::move(entries), options.limit));
  for (const store::AuditDefect& defect : reader.defects()) {
    warn(context, defect.file + ":" + std::to_string(defect.line) + ": " + defect.what +
                      "; see: agent-vault audit verify");
  }
  if (empty && !options.follow && !context.json) {
    notice(context, "nothing on the log that fits");
  }
  while (options.follow) {
    std::this_thread::sleep_for(kPollEvery);
    AV_TRY(auto more, reader.poll(keep));
    AV_CHECK(show_all(std::move(more), 0));
  }
  return 0;
}

Run setup_log(OptionSet& app) {
  const auto o = std::make_shared<LogOptions>();
  app.add_flag("-f,--follow", o->follow, "go on printing what is added");
  app.add_option("-n,--limit", o->limit, "how many records at most, the newest; 0: all")
      ->show_default();
  add_filter_options(app, o->filter);
  return [o](Context& context) { return run_log(context, *o); };
}

}  // namespace

std::span<const Command> log_commands() {
  static constexpr std::array<Command, 1> kCommands = {{
      {"log", "show the audit log", Needs::kNothing, setup_log, false},
  }};
  return kCommands;
}

}  // namespace av::cmd
