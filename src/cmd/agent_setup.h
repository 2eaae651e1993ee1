#pragma once
// What known agents need beyond the environment, so that they work unattended and hold nothing
// real: a stand-in login, and a skill file that explains the proxy.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/child_env.h"
#include "cmd/run_directory.h"
#include "core/expected.h"
#include "core/fs.h"
#include "isolation/launcher.h"

namespace av::cmd {

// The skill, as agents read it (SKILL.md with front matter).
[[nodiscard]] std::string_view skill_text();

struct AgentRequest {
  const std::vector<std::string>& argv;
  isolation::Level level;
  bool skill = true;
  const vault::PolicySnapshot& snapshot;
  const Placeholders& placeholders;
  const RunDirectory& directory;  // outlives the AgentSetup
};

class AgentSetup {
 public:
  // By the base name of argv[0]; does nothing for a program that it does not know. Adds to `env`.
  static Expected<AgentSetup> create(const AgentRequest& request, EnvBlock& env);
  AgentSetup(AgentSetup&&) noexcept = default;
  AgentSetup& operator=(AgentSetup&&) = delete;
  // Takes the skill away, keeps what the agent wrote beside its stand-in login.
  ~AgentSetup();

  // Files of the user in whose place the child is to find a stand-in.
  [[nodiscard]] const std::vector<isolation::LaunchSpec::Mask>& masked() const { return masked_; }

 private:
  AgentSetup() = default;
  Status set_up_codex(const AgentRequest& request, EnvBlock& env);
  Status set_up_claude(const AgentRequest& request, EnvBlock& env);
  void install_skill(const std::filesystem::path& skills);

  std::vector<isolation::LaunchSpec::Mask> masked_;
  std::filesystem::path stand_in_home_;  // ours, in the run's directory
  std::filesystem::path real_home_;      // the user's, that it stands in for
  std::filesystem::path skill_file_;
  UniqueFd skill_lock_;  // shared by all runs that use the file
};

}  // namespace av::cmd
