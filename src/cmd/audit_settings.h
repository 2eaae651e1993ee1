#pragma once
// Table [audit] of the user's config file.

#include <cstdint>
#include <filesystem>
#include <optional>

#include "core/expected.h"

namespace av::cmd {

struct AuditSettings {
  std::optional<std::int64_t> keep_ms;  // keep = "90d": how long records are kept
};
// Empty when there is no file, or no such table. kInvalid for what it does not know.
[[nodiscard]] Expected<AuditSettings> read_audit_settings(const std::filesystem::path& config_file);

}  // namespace av::cmd
