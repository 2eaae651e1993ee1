#pragma once
// RunDirectory: the private place of one run for the files that its command reads (CA bundle, trust
// store, stand-in logins). Removed at the end; what a killed run has left is removed by the next.

#include <filesystem>
#include <string_view>

#include "core/expected.h"
#include "core/fs.h"

namespace av::cmd {

class RunDirectory {
 public:
  // agent-vault-run-XXXXXX, 0700, in $XDG_RUNTIME_DIR, $TMPDIR or /tmp.
  static Expected<RunDirectory> create();
  RunDirectory(RunDirectory&& other) noexcept;
  RunDirectory& operator=(RunDirectory&&) = delete;
  ~RunDirectory();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Writes a new file, 0600, and returns its path.
  [[nodiscard]] Expected<std::filesystem::path> write(std::string_view name,
                                                      std::string_view contents) const;

 private:
  RunDirectory(std::filesystem::path path, UniqueFd lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  std::filesystem::path path_;
  UniqueFd lock_;  // held as long as the run lives
};

// Removes directories of runs that are no more from `parent`.
void prune_run_directories(const std::filesystem::path& parent);

}  // namespace av::cmd
