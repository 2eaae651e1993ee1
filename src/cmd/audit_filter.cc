#include "cmd/audit_filter.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include "cmd/option_set.h"

#include "cmd/cli.h"
#include "cmd/duration.h"

namespace av::cmd {
namespace {

constexpr std::string_view kAnnounced = ".begin";

bool fits(const std::string& filter, const std::string& value) {
  return filter.empty() || filter == value;
}

}  // namespace

bool is_alarm(const vault::AuditRecord& record) {
  return record.error == "placeholder_misuse";
}

bool is_announcement(std::string_view event) {
  return event.ends_with(kAnnounced);
}

Expected<std::int64_t> parse_when(std::string_view option, const std::string& text,
                                  std::int64_t now_ms) {
  std::tm tm{};
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"}) {
    tm = {};
    const char* end = ::strptime(text.c_str(), format, &tm);
    if (end != nullptr && *end == '\0') {
      return std::int64_t{::timegm(&tm)} * 1000;
    }
  }
  if (const auto age = read_duration(text)) {
    return now_ms - age->count();
  }
  return usage_error(std::string(option) +
                     " wants an age such as 90s, 10m, 2h, 3d, or a UTC time such as "
                     "2026-01-31T08:09:10Z");
}

void add_filter_options(OptionSet& app, AuditFilterWords& words) {
  app.add_option("--host", words.host, "only requests to this host");
  app.add_option("--service", words.service, "only this service")->type_name("NAME");
  app.add_option("--credential", words.credential, "only what concerns this credential")
      ->type_name("KEY");
  app.add_option("--agent", words.agent, "only this agent")->type_name("NAME");
  app.add_option("--run", words.run, "only this run")->type_name("ID");
  app.add_option("--rule", words.rule, "only what this rule decided")->type_name("NAME");
  app.add_option("--event", words.event, "only this event; credential.* for several")
      ->type_name("EVENT");
  app.add_option("--method", words.method, "only requests with this method");
  app.add_option("--path", words.path, "only requests whose path begins so")->type_name("PREFIX");
  app.add_option("--status", words.status, "only this status: 404, 4xx, 400-499");
  app.add_option("--decision", words.decision, "only these")->type_name("allow|deny|error");
  app.add_option("--since", words.since, "90s, 10m, 2h, 3d, or a UTC time")->type_name("WHEN");
  app.add_option("--until", words.until, "likewise: nothing later")->type_name("WHEN");
  app.add_flag("--errors", words.errors, "only what was refused or failed");
  app.add_flag("--alarms", words.alarms, "only placeholders where they do not belong");
  app.add_flag("--all", words.all, "also the announcements of requests and changes");
}

Expected<AuditFilter::Statuses> AuditFilter::parse_statuses(const std::string& text) {
  const Error bad = usage_error("--status wants a number, or several as 4xx or 400-499");
  const auto number = [](std::string_view digits) {
    int value = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return digits.size() == 3 && ec == std::errc() && end == digits.data() + digits.size() ? value
                                                                                           : -1;
  };
  Statuses range;
  if (text.size() == 3 && text[0] >= '1' && text[0] <= '9' && text.ends_with("xx")) {
    range.from = (text[0] - '0') * 100;
    range.to = range.from + 99;
    return range;
  }
  const std::size_t dash = text.find('-');
  range.from = number(std::string_view(text).substr(0, dash));
  range.to =
      dash == std::string::npos ? range.from : number(std::string_view(text).substr(dash + 1));
  if (range.from < 0 || range.to < range.from) {
    return bad;
  }
  return range;
}

Expected<AuditFilter> AuditFilter::make(AuditFilterWords words, std::string vault,
                                        std::int64_t now_ms) {
  AuditFilter filter;
  if (!words.decision.empty() && words.decision != "allow" && words.decision != "deny" &&
      words.decision != "error") {
    return usage_error("--decision must be allow, deny or error");
  }
  if (!words.since.empty()) {
    AV_TRY(filter.since_ms_, parse_when("--since", words.since, now_ms));
  }
  if (!words.until.empty()) {
    AV_TRY(filter.until_ms_, parse_when("--until", words.until, now_ms));
  }
  if (!words.status.empty()) {
    AV_TRY(filter.statuses_, parse_statuses(words.status));
  }
  std::transform(words.method.begin(), words.method.end(), words.method.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  filter.words_ = std::move(words);
  filter.vault_ = std::move(vault);
  return filter;
}

bool AuditFilter::wants_announcements() const {
  return words_.all || is_announcement(words_.event);
}

bool AuditFilter::fits_event(const std::string& event) const {
  const std::string& want = words_.event;
  if (want.ends_with(".*")) {
    return event.starts_with(std::string_view(want).substr(0, want.size() - 1));
  }
  return fits(want, event);
}

bool AuditFilter::fits_names(const vault::AuditRecord& record) const {
  const auto& keys = record.credentials;
  return fits(vault_, record.vault) && fits(words_.host, record.host) &&
         fits(words_.service, record.service) && fits(words_.agent, record.agent) &&
         fits(words_.run, record.run) && fits(words_.rule, record.rule) &&
         fits(words_.method, record.method) && record.path.starts_with(words_.path) &&
         (words_.credential.empty() ||
          std::find(keys.begin(), keys.end(), words_.credential) != keys.end());
}

bool AuditFilter::matches(const vault::AuditRecord& record) const {
  // The announcement of a request says nothing that its outcome does not.
  return (wants_announcements() || record.event != "request.begin") &&
         record.time_ms >= since_ms_ && record.time_ms <= until_ms_ && fits_event(record.event) &&
         fits_names(record) && fits(words_.decision, record.decision) &&
         (!statuses_ || (record.status >= statuses_->from && record.status <= statuses_->to)) &&
         (!words_.alarms || is_alarm(record)) &&
         (!words_.errors || !record.error.empty() || record.decision == "deny" ||
          record.status >= 400);
}

}  // namespace av::cmd
