#pragma once
// Files that a run puts among the user's own and takes away again, in directories that the command
// of a run can write to: it may have left a link, a pipe or something of its own there.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/fs.h"

namespace av::cmd {

// A descriptor of `path` (absolute), reached without following a link that lies in a directory
// which this user could change. Invalid when there is no such directory of this user's.
[[nodiscard]] UniqueFd open_own_directory(const std::filesystem::path& path);
// `name` in it, made when it is not there.
[[nodiscard]] UniqueFd open_own_directory_in(const UniqueFd& directory, const char* name,
                                             unsigned mode);

// One file, shared by all runs that have use for it. The last one removes it, if it still holds
// what was put there.
class SharedFile {
 public:
  struct Content {
    std::string_view text;  // outlives the SharedFile
    std::string_view mark;  // a file with this in it is ours, perhaps of an earlier version
    unsigned mode = 0600;
  };
  // nullopt when something else has that name, or the file cannot be made.
  static std::optional<SharedFile> place(UniqueFd directory, std::string name,
                                         const Content& content);
  SharedFile(SharedFile&&) noexcept = default;
  SharedFile& operator=(SharedFile&&) = delete;
  ~SharedFile();

 private:
  SharedFile(UniqueFd directory, std::string name, UniqueFd file, std::string_view text)
      : directory_(std::move(directory)),
        name_(std::move(name)),
        file_(std::move(file)),
        text_(text) {}
  UniqueFd directory_;
  std::string name_;
  UniqueFd file_;  // with a shared lock
  std::string_view text_;
};

}  // namespace av::cmd
