#pragma once
// Where the program that is running lies.

#include <filesystem>

#include "core/expected.h"

namespace av::cmd {

[[nodiscard]] inline Expected<std::filesystem::path> own_program() {
  std::error_code ec;
  std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ec);
  if (ec) {
    return errno_error(ec.value(), "cannot tell where this program is");
  }
  return program;
}

}  // namespace av::cmd
