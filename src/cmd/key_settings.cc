#include "cmd/key_settings.h"

#include "cmd/config_file.h"
#include "cmd/duration.h"

namespace av::cmd {

Expected<KeySettings> read_key_settings(const std::filesystem::path& config_file) {
  KeySettings settings;
  const std::string hint = "under [key] stand unlock_for = \"8h\" and unlock_idle = \"1h\"";
  const auto invalid = [&](const std::string& what) {
    return make_error(ErrorCode::kInvalid, config_file.string() + ": " + what, hint);
  };
  AV_TRY(const toml::table table, parse_config_file(config_file, hint));
  const toml::table* const keys = table["key"].as_table();
  if (keys == nullptr) {
    return settings;
  }
  for (const auto& [name, value] : *keys) {
    const std::string key(name.str());
    if (key != "unlock_for" && key != "unlock_idle") {
      return invalid("unknown key key." + key);
    }
    const auto words = value.value<std::string>();
    const auto duration = words ? parse_duration(*words) : Expected<Millis>(Error());
    if (!duration) {
      return invalid("key." + key + " is not a duration");
    }
    (key == "unlock_for" ? settings.unlock_for : settings.unlock_idle) = *duration;
  }
  return settings;
}

}  // namespace av::cmd
