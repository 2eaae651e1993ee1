#pragma once
// What the child of `run` cannot do, as the user names it.

#include <cstdint>
#include <optional>
#include <string_view>

namespace av::isolation {

enum class Level : std::uint8_t {
  kOff,      // nothing is enforced
  kStore,    // cannot see the store, the broker, or gain privileges
  kNetwork,  // and can reach nothing but the proxy
  kStrict,   // and cannot write or read outside what the work needs
};

// What each level keeps from the command, the levels above it keep too.
[[nodiscard]] constexpr bool has_network(Level level) {
  return level >= Level::kNetwork;
}

[[nodiscard]] std::string_view to_string(Level level);
[[nodiscard]] std::optional<Level> level_from_string(std::string_view text);

}  // namespace av::isolation
