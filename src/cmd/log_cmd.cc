#include <array>
#include <charconv>
#include <ctime>
#include <thread>
#include "cmd/option_set.h"

#include "cmd/cli.h"
#include "cmd/output.h"
#include "core/encoding.h"
#include "store/audit_reader.h"

namespace av::cmd {
namespace {

constexpr std::size_t kDefaultLimit = 100;
constexpr std::chrono::milliseconds kPollEvery{100};

struct LogOptions {
  bool follow = false;
  bool errors = false;
  bool alarms = false;
  bool all = false;
  std::size_t limit = kDefaultLimit;
  std::string host, service, agent, run, decision, since;
};

// "90s", "10m", "2h", "3d" ago, or "2026-01-31" or "2026-01-31T08:09:10Z".
Expected<std::int64_t> parse_since(const std::string& text, std::int64_t now_ms) {
  const Error bad = usage_error(
      "--since wants an age such as 90s, 10m, 2h, 3d, or a UTC time such "
      "as 2026-01-31T08:09:10Z");
  std::tm tm{};
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"}) {
    tm = {};
    const char* end = ::strptime(text.c_str(), format, &tm);
    if (end != nullptr && *end == '\0') {
      return std::int64_t{::timegm(&tm)} * 1000;
    }
  }
  std::int64_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || end + 1 != text.data() + text.size() || number < 0 ||
      number > 1'000'000) {
    return bad;
  }
  switch (*end) {
    case 's':
      return now_ms - number * 1000;
    case 'm':
      return now_ms - number * 60'000;
    case 'h':
      return now_ms - number * 3'600'000;
    case 'd':
      return now_ms - number * 86'400'000;
    default:
      return bad;
  }
}

// What says that something goes wrong on the agent's side, not only that a request failed.
bool is_alarm(const vault::AuditRecord& record) {
  return record.error == "placeholder_misuse";
}

bool wanted(const LogOptions& o, std::int64_t since_ms, const vault::AuditRecord& record) {
  const auto fits = [](const std::string& filter, const std::string& value) {
    return filter.empty() || filter == value;
  };
  // The announcement of a request says nothing that its outcome does not.
  return (o.all || record.event != "request.begin") && record.time_ms >= since_ms &&
         fits(o.host, record.host) && fits(o.service, record.service) &&
         fits(o.agent, record.agent) && fits(o.run, record.run) &&
         fits(o.decision, record.decision) && (!o.alarms || is_alarm(record)) &&
         (!o.errors || !record.error.empty() || record.decision == "deny" || record.status >= 400);
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

Expected<int> run_log(Context& context, const LogOptions& options) {
  std::int64_t since_ms = 0;
  if (!options.since.empty()) {
    AV_TRY(since_ms, parse_since(options.since, context.clock->wall_ms()));
  }
  store::AuditReader reader(context.paths.audit());
  const store::AuditReader::Keep keep = [&](const vault::AuditRecord& record) {
    return wanted(options, since_ms, record) && (!context.vault || record.vault == *context.vault);
  };
  AV_TRY(const auto entries, reader.read(options.limit, since_ms, keep));
  AV_CHECK(show(context, entries));
  for (const store::AuditDefect& defect : reader.defects()) {
    warn(context, defect.file + ":" + std::to_string(defect.line) + ": " + defect.what);
  }
  if (entries.empty() && !options.follow && !context.json) {
    notice(context, "nothing on the log that fits");
  }
  while (options.follow) {
    std::this_thread::sleep_for(kPollEvery);
    AV_TRY(const auto more, reader.poll(keep));
    AV_CHECK(show(context, more));
  }
  return 0;
}

Run setup_log(OptionSet& app) {
  const auto o = std::make_shared<LogOptions>();
  app.add_flag("-f,--follow", o->follow, "go on printing what is added");
  app.add_option("-n,--limit", o->limit, "how many records at most, the newest; 0: all")
      ->show_default();
  app.add_option("--host", o->host, "only requests to this host");
  app.add_option("--service", o->service, "only this service")->type_name("NAME");
  app.add_option("--agent", o->agent, "only this agent")->type_name("NAME");
  app.add_option("--run", o->run, "only this run")->type_name("ID");
  app.add_option("--decision", o->decision, "only these")->type_name("allow|deny|error");
  app.add_option("--since", o->since, "90s, 10m, 2h, 3d, or a UTC time")->type_name("WHEN");
  app.add_flag("--errors", o->errors, "only what was refused or failed");
  app.add_flag("--alarms", o->alarms, "only placeholders where they do not belong");
  app.add_flag("--all", o->all, "also the announcements of requests");
  return [o](Context& context) -> Expected<int> {
    if (!o->decision.empty() && o->decision != "allow" && o->decision != "deny" &&
        o->decision != "error") {
      return usage_error("--decision must be allow, deny or error");
    }
    return run_log(context, *o);
  };
}

}  // namespace

std::span<const Command> log_commands() {
  static constexpr std::array<Command, 1> kCommands = {{
      {"log", "show the audit log", Needs::kNothing, setup_log, false},
  }};
  return kCommands;
}

}  // namespace av::cmd
