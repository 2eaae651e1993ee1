#pragma once
// What the child of `run` cannot do, as the user names it.

#include <cstdint>
#include <optional>
#include <string_view>

namespace av::isolation {

enum class Level : std::uint8_t {
  kOff,       // nothing is enforced
  kLandlock,  // cannot read the store or gain privileges: where no namespaces are to be had
  kStore,     // cannot see the store, the broker, or gain privileges
  kNetwork,   // and can reach nothing but the proxy
  kStrict,    // and cannot write or read outside what the work needs
};

// What each level keeps from the command, the levels above it keep too; but for Unix sockets, all
// of which kLandlock closes.
[[nodiscard]] constexpr bool has_namespaces(Level level) {
  return level >= Level::kStore;
}
[[nodiscard]] constexpr bool has_network(Level level) {
  return level >= Level::kNetwork;
}

[[nodiscard]] std::string_view to_string(Level level);
[[nodiscard]] std::optional<Level> level_from_string(std::string_view text);

}  // namespace av::isolation
