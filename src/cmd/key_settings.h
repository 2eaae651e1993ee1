#pragma once
// Table [key] of the user's config file.

#include <filesystem>
#include <optional>

#include "core/clock.h"
#include "core/expected.h"

namespace av::cmd {

struct KeySettings {
  std::optional<Millis> unlock_for;   // unlock_for = "8h"
  std::optional<Millis> unlock_idle;  // unlock_idle = "1h"
};
// Empty when there is no file, or no such table. kInvalid for what it does not know.
[[nodiscard]] Expected<KeySettings> read_key_settings(const std::filesystem::path& config_file);

}  // namespace av::cmd
