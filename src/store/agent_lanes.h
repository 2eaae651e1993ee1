#pragma once
// AgentLanes: LaneKeeper over locks on byte ranges of a file per agent. The kernel gives a lock
// back when its holder dies, however it dies, so no lane is ever lost; and nothing is written.
//
// The locks belong to the open file (F_OFD_SETLK), not to the process: closing some other
// descriptor of the file does not drop them. Within one process a bitmap knows what is taken.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/expected.h"
#include "core/fs.h"
#include "vault/lanes.h"

namespace av::store {

class AgentLanes final : public vault::LaneKeeper {
 public:
  // Touches nothing until the first take().
  explicit AgentLanes(const fs::Paths& paths) : directory_(paths.data / "lanes") {}

  [[nodiscard]] Expected<std::optional<std::uint32_t>> take(std::string_view agent_uid,
                                                            std::uint32_t limit) override;
  void give_back(std::string_view agent_uid, std::uint32_t lane) override;

 private:
  struct Agent {
    UniqueFd file;
    std::vector<bool> taken;
  };
  Expected<Agent*> agent(std::string_view uid);
  std::filesystem::path directory_;
  std::map<std::string, Agent, std::less<>> agents_;
};

// That a session's process is alive, in the same file: its row in the store cannot say that after a
// kill -9. Held until the object dies.
class SessionMark {
 public:
  static Expected<SessionMark> set(const fs::Paths& paths, std::string_view agent_uid,
                                   std::string_view session_id);
  [[nodiscard]] static bool is_set(const fs::Paths& paths, std::string_view agent_uid,
                                   std::string_view session_id);

 private:
  explicit SessionMark(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
};

// The agent is gone: so is its file.
void remove_lanes(const fs::Paths& paths, std::string_view agent_uid);

}  // namespace av::store
