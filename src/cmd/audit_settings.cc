#include "cmd/audit_settings.h"

#include "cmd/config_file.h"
#include "cmd/duration.h"

namespace av::cmd {

Expected<AuditSettings> read_audit_settings(const std::filesystem::path& config_file) {
  AuditSettings settings;
  const std::string hint = "under [audit] stands keep = \"90d\" and nothing else";
  const auto invalid = [&](const std::string& what) {
    return make_error(ErrorCode::kInvalid, config_file.string() + ": " + what, hint);
  };
  AV_TRY(const toml::table table, parse_config_file(config_file, hint));
  const toml::table* const audit = table["audit"].as_table();
  if (audit == nullptr) {
    return settings;
  }
  for (const auto& [key, value] : *audit) {
    const auto age = value.value<std::string>();
    if (key.str() != "keep" || !age) {
      return invalid("unknown key audit." + std::string(key.str()));
    }
    const auto keep = read_duration(*age);
    if (!keep) {
      return invalid("audit.keep is not an age");
    }
    settings.keep_ms = keep->count();
  }
  return settings;
}

}  // namespace av::cmd
