#pragma once
// Durations as people write them on the command line.

#include <optional>
#include <string_view>

#include "core/clock.h"
#include "core/expected.h"

namespace av::cmd {

// A whole number from 0 to 100 million, and s, m, h or d; nullopt for anything else.
[[nodiscard]] std::optional<Millis> read_duration(std::string_view text);
// As an option: 90s, 30m, 8h, 2d; one second to 365 days. kUsage otherwise.
[[nodiscard]] Expected<Millis> parse_duration(std::string_view text);

}  // namespace av::cmd
