#pragma once
// Which records `log` and `audit export` show: options, and what they mean.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/expected.h"
#include "vault/audit.h"

namespace av::cmd {

class OptionSet;

// As written on the command line.
struct AuditFilterWords {
  std::string host, service, agent, run, decision, since, until;
  std::string rule, event, method, status, path, credential;
  bool errors = false;
  bool alarms = false;
  bool all = false;
};
void add_filter_options(OptionSet& app, AuditFilterWords& words);

class AuditFilter {
 public:
  // `vault`: empty for all. kUsage when a word is not what its option takes.
  static Expected<AuditFilter> make(AuditFilterWords words, std::string vault, std::int64_t now_ms);
  [[nodiscard]] bool matches(const vault::AuditRecord& record) const;
  [[nodiscard]] std::int64_t since_ms() const { return since_ms_; }
  // Announcements are wanted: --all, or --event names one.
  [[nodiscard]] bool wants_announcements() const;

 private:
  struct Statuses {
    int from = 0;
    int to = 0;
  };
  static Expected<Statuses> parse_statuses(const std::string& text);
  [[nodiscard]] bool fits_names(const vault::AuditRecord& record) const;
  [[nodiscard]] bool fits_event(const std::string& event) const;

  AuditFilterWords words_;
  std::string vault_;
  std::int64_t since_ms_ = 0;
  std::int64_t until_ms_ = INT64_MAX;
  std::optional<Statuses> statuses_;
};

// What says that something goes wrong on the agent's side, not only that a request failed.
[[nodiscard]] bool is_alarm(const vault::AuditRecord& record);
[[nodiscard]] bool is_announcement(std::string_view event);  // "....begin"
// An age ago, or "2026-01-31" or "2026-01-31T08:09:10Z". `option` is for the error.
[[nodiscard]] Expected<std::int64_t> parse_when(std::string_view option, const std::string& text,
                                                std::int64_t now_ms);

}  // namespace av::cmd
