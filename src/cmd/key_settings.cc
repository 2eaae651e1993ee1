#include "cmd/key_settings.h"

#include <toml++/toml.h>

#include "cmd/duration.h"
#include "core/fs.h"

namespace av::cmd {

Expected<KeySettings> read_key_settings(const std::filesystem::path& config_file) {
  KeySettings settings;
  const auto text = fs::read_file(config_file, std::size_t{1} << 20);
  if (!text) {
    if (text.error().code == ErrorCode::kNotFound) {
      return settings;
    }
    return text.error();
  }
  const auto invalid = [&](const std::string& what) {
    return make_error(ErrorCode::kInvalid, config_file.string() + ": " + what,
                      "under [key] stand unlock_for = \"8h\" and unlock_idle = \"1h\"");
  };
  try {
    const toml::table table = toml::parse(*text);
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
  } catch (const toml::parse_error& e) {
    return invalid("line " + std::to_string(e.source().begin.line) + ": " +
                   std::string(e.description()));
  }
}

}  // namespace av::cmd
