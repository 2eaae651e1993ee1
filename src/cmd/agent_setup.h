#pragma once
// What known agents need beyond the environment, so that they work unattended and hold nothing
// real: a stand-in login, and a skill file that explains the proxy.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/agent_login.h"
#include "cmd/child_env.h"
#include "cmd/run_directory.h"
#include "cmd/shared_file.h"
#include "core/expected.h"
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
  const AgentLogins& logins;
  std::int64_t now_ms;            // wall clock
  const RunDirectory& directory;  // outlives the AgentSetup
};

class AgentSetup {
 public:
  // By the base name of argv[0]; does nothing for a program that it does not know. Adds to `env`.
  static Expected<AgentSetup> create(const AgentRequest& request, EnvBlock& env);
  AgentSetup(AgentSetup&&) noexcept = default;
  AgentSetup& operator=(AgentSetup&&) = delete;
  // Takes away what it put among the user's files.
  ~AgentSetup();

  // Files of the user in whose place the child is to find a stand-in.
  [[nodiscard]] const std::vector<isolation::LaunchSpec::Mask>& masked() const { return masked_; }

 private:
  AgentSetup() = default;
  Status set_up_codex(const AgentRequest& request, EnvBlock& env);
  Status set_up_claude(const AgentRequest& request, EnvBlock& env);
  void place_codex_login(const std::filesystem::path& codex_home);
  void install_skill(const std::filesystem::path& skills);

  std::vector<isolation::LaunchSpec::Mask> masked_;
  std::optional<SharedFile> codex_login_;
  UniqueFd skills_;
  std::optional<SharedFile> skill_;
};

}  // namespace av::cmd
