#pragma once
// What the launcher does to itself, one after the other, and what came in its way.

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

namespace av::isolation {

struct Obstacle {
  std::string step;  // "mount /proc"
  int error_number = 0;
};
using Step = std::optional<Obstacle>;  // nullopt: done

// For the call before this one, by what it left in errno.
[[nodiscard]] inline Step failed(std::string step) {
  return Obstacle{std::move(step), errno};
}

}  // namespace av::isolation
