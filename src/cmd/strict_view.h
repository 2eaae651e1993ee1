#pragma once
// What a command finds of the user's files at `strict`: which it may write, which are copies, which
// are not there. As data, by program and by kind; product.md calls it the profiles.

#include <filesystem>
#include <string>
#include <vector>

#include "cmd/child_env.h"
#include "cmd/run_directory.h"
#include "isolation/launcher.h"
#include "vault/policy.h"

namespace av::cmd {

struct StrictRequest {
  const std::vector<std::string>& argv;
  std::string cwd;
  std::vector<std::string> write;  // --write
  std::vector<std::string> read;   // --read
  const vault::PolicySnapshot& snapshot;
  const Placeholders& placeholders;
  const RunDirectory& directory;
};

struct StrictView {
  isolation::FileView files;
  std::vector<isolation::LaunchSpec::Mask> masked;  // with stand-ins of the vault's placeholders
};

// kNotPermitted for a working directory that would make the user's whole home writable.
[[nodiscard]] Expected<StrictView> strict_view(const StrictRequest& request, const EnvBlock& env);

}  // namespace av::cmd
