#include "isolation/level.h"

namespace av::isolation {

std::string_view to_string(Level level) {
  switch (level) {
    case Level::kOff:
      return "off";
    case Level::kLandlock:
      return "landlock";
    case Level::kStore:
      return "store";
    case Level::kNetwork:
      return "network";
    case Level::kStrict:
      return "strict";
  }
  return "off";
}

std::optional<Level> level_from_string(std::string_view text) {
  for (const Level level :
       {Level::kOff, Level::kLandlock, Level::kStore, Level::kNetwork, Level::kStrict}) {
    if (text == to_string(level)) {
      return level;
    }
  }
  return std::nullopt;
}

}  // namespace av::isolation
