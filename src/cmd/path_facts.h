#pragma once
// What is at a path, links followed.

#include <sys/stat.h>

#include <filesystem>

namespace av::cmd {

[[nodiscard]] inline bool is_there(const std::filesystem::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

[[nodiscard]] inline bool is_folder(const std::filesystem::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace av::cmd
