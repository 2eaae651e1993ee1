#pragma once
// What both kinds of run, with a proxy of their own and with one elsewhere, hand to the launcher.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/child_env.h"
#include "cmd/command.h"
#include "cmd/run_directory.h"
#include "cmd/run_options.h"
#include "isolation/launcher.h"

namespace av::cmd {

// The trust store for Java from a PEM bundle; empty where there is no Java on `path`.
[[nodiscard]] Expected<std::string> write_trust_store(const RunDirectory& directory,
                                                      std::string_view bundle,
                                                      std::string_view path);

struct CommandLaunch {
  const std::vector<std::string>& argv;
  std::string run_id;
  isolation::Level level = isolation::Level::kStore;
  EnvBlock& env;  // loses what leads to what is closed
  const RunOptions& options;
  const RunDirectory& directory;
  const vault::PolicySnapshot& snapshot;
  const Placeholders& placeholders;
  std::vector<isolation::LaunchSpec::Mask> masked;
  std::vector<std::filesystem::path> hidden;  // beside the store and the configuration
};
// Warns of what hiding does not achieve.
[[nodiscard]] Expected<isolation::LaunchSpec> make_launch_spec(const Context& context,
                                                               CommandLaunch launch);

// Why exec failed, for the user.
[[nodiscard]] Error exec_failed(int error_number, const std::string& program);

}  // namespace av::cmd
