#pragma once
// Files with logins that programs look for, in whose place a command at `strict` finds ones with
// the run's placeholders: they work where a service of the vault takes the host, and are worth
// nothing elsewhere. What the user's own files say is not read.

#include <filesystem>
#include <vector>

#include "cmd/child_env.h"
#include "cmd/run_directory.h"
#include "isolation/launcher.h"
#include "vault/policy.h"

namespace av::cmd {

// For those of ~/.netrc, ~/.aws and ~/.config/gh that exist and for which the vault has something.
[[nodiscard]] Expected<std::vector<isolation::LaunchSpec::Mask>> stand_in_files(
    const vault::PolicySnapshot& snapshot, const Placeholders& placeholders,
    const RunDirectory& directory, const std::filesystem::path& home);

}  // namespace av::cmd
