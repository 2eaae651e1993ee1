#pragma once
// MountTable: /proc/self/mountinfo (proc_pid_mountinfo(5)), and the question that hiding a
// directory asks of it: at which other paths is the same directory visible?

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace av::isolation {

struct Mount {
  std::string device;  // "8:2"
  std::string root;    // path inside the file system that is mounted
  std::string point;   // where
  std::string type;    // "ext4", "proc", ...
  std::string source;  // "/dev/sda2", or whatever name it was mounted under
};

[[nodiscard]] std::vector<Mount> parse_mountinfo(std::string_view text);
// Of this process; nullopt when it cannot be read, and errno says why.
[[nodiscard]] std::optional<std::vector<Mount>> mount_table();

// `path` (absolute, without symbolic links) as it could be reached through every mount of its file
// system, `path` itself first. A candidate may be covered by a later mount: look before using it.
[[nodiscard]] std::vector<std::string> paths_to_same_place(const std::vector<Mount>& mounts,
                                                           std::string_view path);

// Without symbolic links; nullopt when it is not there, and errno says why.
[[nodiscard]] std::optional<std::string> real_path(const std::filesystem::path& path);

// True when `path` is `directory` or below it; both without trailing slash.
[[nodiscard]] bool is_within(std::string_view path, std::string_view directory);

}  // namespace av::isolation
