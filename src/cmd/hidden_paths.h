#pragma once
// What the command of a run must not see: the store and the configuration of this run, and those
// that a later run with another environment would use.

#include <filesystem>
#include <string>
#include <vector>

#include "core/expected.h"
#include "core/fs.h"

namespace av::cmd {

struct HiddenPaths {
  std::vector<std::filesystem::path> paths;  // they exist
  // What hiding them does not achieve, for the user.
  std::vector<std::string> warnings;
};

// Makes the directories of the configuration that are not there: what does not exist cannot be
// covered, and could be made by the command. Refuses a store whose files are links to where the
// command could replace them.
[[nodiscard]] Expected<HiddenPaths> hidden_paths(const fs::Paths& paths);

// The symbolic links that looking up `path` (absolute) goes through and that this user could
// replace. Ends at the first component that is not there.
[[nodiscard]] std::vector<std::filesystem::path> replaceable_links(
    const std::filesystem::path& path);

}  // namespace av::cmd
