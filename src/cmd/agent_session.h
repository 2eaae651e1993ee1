#pragma once
// The side of a run that has to do with the agent it acts for: may it, and the row in the store
// that shows its session.

#include <memory>
#include <optional>
#include <string>

#include "core/expected.h"
#include "core/fs.h"
#include "store/agent_lanes.h"
#include "store/store.h"
#include "vault/policy.h"

namespace av::cmd {

// The agent of that name in the snapshot; otherwise the reason why it is not there, and what to
// type.
[[nodiscard]] Expected<vault::Agent> find_agent_of_run(store::Store& store,
                                                       const vault::PolicySnapshot& snapshot,
                                                       const std::string& name);

// Belongs to the thread that owns the store.
class AgentSession {
 public:
  AgentSession(fs::Paths paths, store::SessionInfo info, crypto::Digest token_hash)
      : paths_(std::move(paths)), info_(std::move(info)), token_hash_(token_hash) {}

  // Writes the row, once; nothing may wait for it: a commit takes as long as the disk does. Ends
  // rows that killed runs of the agent have left.
  void record(store::Store& store);
  // When there is a row.
  void end(store::Store& store);

 private:
  fs::Paths paths_;
  store::SessionInfo info_;
  crypto::Digest token_hash_;
  std::optional<store::SessionMark> mark_;
  bool done_ = false;
  bool recorded_ = false;
};

// The sessions that are open: those of runs count while their process lives.
[[nodiscard]] Expected<std::vector<store::SessionInfo>> open_sessions(store::Store& store,
                                                                      const fs::Paths& paths,
                                                                      std::string_view agent);

}  // namespace av::cmd
