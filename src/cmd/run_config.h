#pragma once
// The config file, as far as a run and the traffic of a server go: [run], [serve], and profiles.

#include <filesystem>
#include <string>
#include <vector>

#include "cmd/run_options.h"
#include "core/expected.h"

namespace av::cmd {

struct RunConfig {
  RunWords words;
  // Of the profile alone.
  std::string vault;
  std::vector<std::string> command;
};

// Of a file that is not there: nothing. kInvalid names the key that is wrong; kNotFound: a profile
// that was asked for is not in the file, with the names of those that are.
[[nodiscard]] Expected<RunConfig> read_run_config(const std::filesystem::path& file,
                                                  ConfigTable which, const ProfileChoice& profile);

// [shell] wrap: the programs that shell-init wraps. Of a file or table that is not there: empty.
[[nodiscard]] Expected<std::vector<std::string>> read_wrapped_programs(
    const std::filesystem::path& file);

// What `more` says goes before what `words` says; lists are added to.
[[nodiscard]] RunWords merge(RunWords words, const RunWords& more);

}  // namespace av::cmd
