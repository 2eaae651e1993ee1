#pragma once
// Durations as people write them on the command line.

#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/expected.h"

namespace av::cmd {

// A whole number from 0 to 100 million, and s, m, h or d; nullopt for anything else.
[[nodiscard]] std::optional<Millis> read_duration(std::string_view text);
// As an option: 90s, 30m, 8h, 2d; one second to 365 days. kUsage otherwise.
[[nodiscard]] Expected<Millis> parse_duration(std::string_view text);
// As people read it, in whole units of which at most two are named: "8 h", "7 h 59 min", "45 s".
[[nodiscard]] std::string in_words(Millis duration);

}  // namespace av::cmd
