#include "cmd/audit_settings.h"

#include <toml++/toml.h>

#include "cmd/duration.h"
#include "core/fs.h"

namespace av::cmd {

Expected<AuditSettings> read_audit_settings(const std::filesystem::path& config_file) {
  AuditSettings settings;
  const auto text = fs::read_file(config_file, std::size_t{1} << 20);
  if (!text) {
    if (text.error().code == ErrorCode::kNotFound) {
      return settings;
    }
    return text.error();
  }
  const auto invalid = [&](const std::string& what) {
    return make_error(ErrorCode::kInvalid, config_file.string() + ": " + what,
                      "under [audit] stands keep = \"90d\" and nothing else");
  };
  try {
    const toml::table table = toml::parse(*text);
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
  } catch (const toml::parse_error& e) {
    return invalid("line " + std::to_string(e.source().begin.line) + ": " +
                   std::string(e.description()));
  }
}

}  // namespace av::cmd
